"""What viewers must know where others could reach the page: made once, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from unit_edge.errors import ConfigError
from unit_edge.files.writing import create_alone
from unit_edge.runtime.serve.settings import ServeSettings

_LENGTH_AT_LEAST = 16
_LENGTH_AT_MOST = 256
_OTHERS = 0o077


class Token:
    """A secret, and the cookie that stands for it in browsers."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self.cookie = hmac.new(secret.encode(), b"unit-edge cookie", hashlib.sha256).hexdigest()

    @property
    def secret(self) -> str:
        """The secret itself, to be shown once, to whoever started the server."""
        return self._secret

    def fits(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(errors="replace"), self._secret.encode())

    def fits_cookie(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(errors="replace"), self.cookie.encode())


def token_of(settings: ServeSettings) -> Token | None:
    """The token that a server with these settings asks for; None on loopback, unless there is a file for it.

    Raises:
        ConfigError: the file holds none, or others can read it.
    """
    if settings.token_file is not None:
        return Token(_kept(settings.token_file))
    return None if settings.on_loopback else Token(secrets.token_urlsafe(32))


def _kept(path: Path) -> str:
    try:
        made = os.fdopen(create_alone(path), "w")
    except FileExistsError:
        return _read(path)
    except OSError as error:
        raise ConfigError(f"{path}: the token can't be written there ({error.strerror})") from None
    with made:
        path.chmod(0o600)
        secret = secrets.token_urlsafe(32)
        made.write(f"{secret}\n")
    return secret


def _read(path: Path) -> str:
    try:
        if os.name == "posix" and path.stat().st_mode & _OTHERS and path.stat().st_uid == os.geteuid():
            raise ConfigError(f"{path}: others can read the token; `chmod 600 {path}`")
        with path.open(encoding="ascii") as file:
            secret = file.read(_LENGTH_AT_MOST + 2).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the token can't be read ({error})") from None
    plain = secret.isascii() and secret.replace("-", "").replace("_", "").isalnum()
    if not plain or not _LENGTH_AT_LEAST <= len(secret) <= _LENGTH_AT_MOST:
        raise ConfigError(
            f"{path}: expected a token of {_LENGTH_AT_LEAST} to {_LENGTH_AT_MOST} letters, digits, - and _; "
            "remove the file, and one is made"
        )
    return secret
