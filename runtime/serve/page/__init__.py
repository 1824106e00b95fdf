"""The page itself: plain modules that browsers load as they are."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class PageFile:
    """A file of the page, kept in memory."""

    content: bytes
    type: str
    etag: str


def page_files() -> dict[str, PageFile]:
    """Path in the URL → file; nothing else is ever served from this folder."""
    files = {}
    for path in sorted(Path(__file__).parent.iterdir()):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            etag = hashlib.sha256(content).hexdigest()[:20]
            url = "/" if path.name == "index.html" else f"/{path.name}"
            files[url] = PageFile(content, _TYPES[path.suffix], etag)
    return files
