"""What an input is, told from one argument, and the same without its passwords."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from unit_edge.errors import ConfigError
from unit_edge.text.numbers import whole_number
from unit_edge.text.redaction import looks_like_address, redact, redact_address

Kind = Literal["path", "images", "camera", "csi", "network", "gstreamer", "stdin"]

SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp")
LIVE_KINDS: tuple[Kind, ...] = ("camera", "csi", "network", "gstreamer")

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_DEVICE = re.compile(r"/dev/video(\d+)")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[^:\[\]\s]*)(?::(\d{1,5}))?")
_LAST_PORT = 65535


@dataclass(frozen=True)
class Address:
    """Where frames come from.

    Attributes:
        kind: of source.
        target: path, pattern, device, URL or pipeline as it is opened; may hold a password.
        name: the same for people, without any.
        stem: what a file that is made from it is called.
    """

    kind: Kind
    target: str = field(repr=False)
    name: str
    stem: str

    @property
    def live(self) -> bool:
        """Whether frames that nobody takes are lost."""
        return self.kind in LIVE_KINDS

    @property
    def path(self) -> Path:
        """The file or folder that a "path" names."""
        return Path(self.target)


def parse_address(text: str | Path | Address) -> Address:
    """What an input argument means; a Path is a file or folder whatever its name, an Address what it is.

    Raises:
        ConfigError: a URL of an unknown scheme or without a host, a pipeline without an end, an empty text.
    """
    if isinstance(text, Address):
        return text
    if isinstance(text, Path):
        return _path(text)
    text = text.strip()
    if not text:
        raise ConfigError("the input is empty; expected a file, folder, camera, URL, pipeline or -")
    if text == "-":
        return Address(kind="stdin", target=text, name="stdin", stem="stdin")
    if " ! " in text:
        return _pipeline(text)
    if (camera := whole_number(text)) is not None:
        return Address(
            kind="camera",
            target=f"/dev/video{camera}",
            name=f"camera {camera}",
            stem=f"camera{camera}",
        )
    if device := _DEVICE.fullmatch(text):
        return Address(kind="camera", target=text, name=text, stem=f"camera{device[1]}")
    if url := _SCHEME.fullmatch(text):
        return _url(text, url[1].lower(), url[2])
    path = Path(text)
    there = _exists(path)
    if not there:
        refuse_mistyped(text, "rtsp://USER:PASSWORD@HOST/PATH")
    if re.search(r"[*?[]", text) and not there:
        folder = path.parent.name if not re.search(r"[*?[]", path.parent.name) else ""
        return Address(kind="images", target=text, name=text, stem=folder or "images")
    return _path(path)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # no name of a file: too long
        return False


def refuse_mistyped(text: str, example: str) -> None:
    """Raises ConfigError for what would be taken for a file's name, and is an address with a slip in it."""
    if looks_like_address(text):
        shown = f"***@{text.rpartition('@')[2]}" if "@" in text else text
        raise ConfigError(
            f"{redact_address(shown)}: looks like an address, but begins with no scheme://; expected one "
            f"as in {example}, or ./ in front of a file's name"
        )


def _path(path: Path) -> Address:
    return Address(
        kind="path",
        target=str(path),
        name=str(path),
        stem=path.resolve().name if path.is_dir() else path.stem,
    )


def _pipeline(text: str) -> Address:
    if "appsink" not in text:
        raise ConfigError(f"{redact(text)}: the pipeline must end in ` ! appsink drop=true max-buffers=1`")
    return Address(kind="gstreamer", target=text, name=redact(text), stem="gstreamer")


def _url(text: str, scheme: str, rest: str) -> Address:
    name = redact_address(text)
    if scheme == "csi":
        if whole_number(rest) is None:
            raise ConfigError(f"{name}: expected csi:// and the number of a camera, such as csi://0")
        return Address(kind="csi", target=rest, name=name, stem=f"csi{rest}")
    if scheme == "file":
        raise ConfigError(f"{name}: give a file by its path, without file://")
    if scheme not in SCHEMES:
        raise ConfigError(f"{name}: unknown scheme {scheme}://; known: {', '.join(SCHEMES)}, csi")
    authority, *path = re.split(r"[/?#]", rest, maxsplit=1)
    in_path = "@" in "".join(path)  # a password with a slash, or a path with an @
    hosts = [authority.rpartition("@")[2]]
    if in_path:
        hosts.append(re.split(r"[/?#]", rest.rpartition("@")[2])[0])
    if not any(hosts):
        raise ConfigError(f"{name}: no host in it; expected {scheme}://HOST[:PORT]/PATH")
    host = next((host for host in hosts if _is_host(host)), None)
    if host is None:
        raise ConfigError(f"{name}: no such host and port; expected {scheme}://HOST[:PORT]/PATH")
    stem = "" if in_path else re.sub(r"[^\w.-]+", "-", host).strip("-.")
    return Address(kind="network", target=text, name=name, stem=stem or scheme)


def _is_host(text: str) -> bool:
    found = _HOST.fullmatch(text)
    return bool(text) and found is not None and int(found[1] or 0) <= _LAST_PORT
