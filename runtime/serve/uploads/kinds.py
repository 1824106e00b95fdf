"""What an upload is, by its first bytes alone: its name and what the browser says of it aren't asked."""

from __future__ import annotations

HEAD = 512
"""Bytes that are looked at."""

_TS_PACKET = 188


def suffix_of(head: bytes) -> str | None:
    """The suffix of a kind of file that is taken, or None.

    What names other files, as playlists do, isn't taken: FFmpeg would open those.
    """
    starts = {
        b"\x89PNG\r\n\x1a\n": ".png",
        b"\xff\xd8\xff": ".jpg",
        b"\x1aE\xdf\xa3": ".mkv",
        b"FLV\x01": ".flv",
    }
    for start, suffix in starts.items():
        if head.startswith(start):
            return suffix
    if head[:4] == b"RIFF":
        return {b"WEBP": ".webp", b"AVI ": ".avi"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return ".avif" if head[8:12] in (b"avif", b"avis") else ".mp4"
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free"):
        return ".mov"
    if head[:1] == b"G" and head[_TS_PACKET : _TS_PACKET + 1] == b"G":
        return ".ts"
    return None


TAKEN = "MP4, MOV, MKV, WebM, AVI, FLV, MPEG-TS, or PNG, JPEG, WebP, AVIF"
"""The kinds that are taken, for people."""
