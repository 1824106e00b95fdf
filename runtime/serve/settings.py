"""How the page is served: where, to whom, and how much of everything."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from unit_edge.errors import ConfigError

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class ServeSettings:
    """Settings of the server; the defaults are for one machine and a handful of people.

    Attributes:
        host: the address that is listened on.
        port: 0 for any that is free.
        token_file: holds the token that viewers need, and is made if it isn't there; None for one that lasts
            until the end, and none at all on loopback.
        allow_hosts: further names by which browsers may call this machine.
        tls_cert: PEM file of the certificate and its chain; with `tls_key`.
        tls_key: PEM file of its key.
        recordings: folder for recordings.
        uploads: whether viewers may give clips and pictures.
        upload_mib: the largest of these.
        uploads_kept: how many there are at most, each until `upload_kept_s` after it was used last.
        upload_kept_s: seconds.
        upload_work_s: seconds of computing that one may take.
        connections: at most, of all viewers together.
        webrtc_viewers: at most; further ones get JPEGs.
    """

    host: str = "127.0.0.1"
    port: int = 8090
    token_file: Path | None = None
    allow_hosts: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    recordings: Path = Path()
    uploads: bool = True
    upload_mib: int = 200
    uploads_kept: int = 8
    upload_kept_s: float = 3600.0
    upload_work_s: float = 1800.0
    connections: int = 256
    webrtc_viewers: int = 12

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"--port {self.port}: expected 0 to 65535")
        if not self.host:
            raise ConfigError("--host is empty; expected an address, such as 127.0.0.1 or 0.0.0.0")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("--tls-cert and --tls-key belong together; give both or neither")
        for path in (self.tls_cert, self.tls_key):
            if path is not None and not path.is_file():
                raise ConfigError(f"{path}: no such file; expected a PEM file for --tls-cert and --tls-key")
        if not self.recordings.absolute().is_dir():
            raise ConfigError(f"{self.recordings}: no such folder; make it first, recordings go there")
        if self.upload_mib < 1:
            raise ConfigError(f"--upload-mib {self.upload_mib}: expected 1 or more")

    @property
    def on_loopback(self) -> bool:
        """Whether nobody but this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def scheme(self) -> str:
        return "http" if self.tls_cert is None else "https"
