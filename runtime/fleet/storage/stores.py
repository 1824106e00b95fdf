"""Object stores through fsspec, whose errors become one line without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unit_edge.errors import ConfigError, SinkError, SourceError, UnitEdgeError
from unit_edge.text.printable import one_line
from unit_edge.text.redaction import redact, redact_address

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://.+", re.DOTALL)
_SAID = 300
_KEYS = "give the store's keys in its own environment variables or config files"
_WITHOUT_KEYS = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError")
"""Of botocore and google-auth, which are imported by nobody who doesn't use them."""
AT_ONCE = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss")
"""Stores in which an object is there whole or not at all."""
READ_ONLY = ("http", "https")
_SILENCE_S = 60.0
"""How long a web server may send nothing; the whole of a clip may take as long as it does."""


def scheme_of(address: str) -> str:
    """The scheme of a URL, in lower case; "" for a path, file:// included."""
    found = _URL.match(address)
    scheme = found[1].lower() if found is not None else ""
    return "" if scheme in ("file", "local") else scheme


def local_path(address: str) -> Path:
    """The path that a path, or a file:// URL, stands for."""
    return Path(re.sub(r"^(file|local)://", "", address, flags=re.IGNORECASE))


def shown(address: str) -> str:
    """An address for people."""
    return one_line(redact_address(address))


@contextmanager
def telling(address: str, error_class: type[SourceError] | type[SinkError]) -> Iterator[None]:
    """Around what is done with a store: what it raises becomes one line."""
    try:
        yield
    except UnitEdgeError:
        raise
    except FileNotFoundError:
        raise error_class(f"{shown(address)}: there is no such file, folder or bucket") from None
    except PermissionError as error:
        raise error_class(f"{shown(address)}: access denied ({_said(error)}); {_KEYS}") from None
    except Exception as error:  # clients of stores have exceptions of their own
        if type(error).__name__ in _WITHOUT_KEYS:
            raise error_class(f"{shown(address)}: no keys ({_said(error)}); {_KEYS}") from None
        raise error_class(f"{shown(address)}: the store failed ({_said(error)})") from error


def open_store(address: str) -> tuple[Any, str]:
    """fsspec's file system for a URL, and the path in it.

    Raises:
        ConfigError: fsspec doesn't know the scheme, or its package isn't installed.
    """
    import fsspec

    options: dict[str, Any] = {}
    if scheme_of(address) in READ_ONLY:
        from aiohttp import ClientTimeout

        silence = ClientTimeout(total=None, sock_connect=_SILENCE_S, sock_read=_SILENCE_S)
        options["client_kwargs"] = {"timeout": silence}
    try:
        store, path = fsspec.core.url_to_fs(address, **options)
    except ImportError as error:
        raise ConfigError(f"{shown(address)}: needs a package that isn't installed: {_said(error)}") from None
    except OSError as error:  # of kinds that connect at once, as ftp does
        raise ConfigError(f"{shown(address)}: can't be reached ({_said(error)})") from None
    except ValueError as error:
        raise ConfigError(f"{shown(address)}: {_said(error)}; expected a path, s3://, gs://, az://") from None
    return store, path


def _said(error: BaseException) -> str:
    return redact(one_line(error, _SAID))
