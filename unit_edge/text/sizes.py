"""Sizes of frames, as people write them."""

from __future__ import annotations

from unit_edge.errors import ConfigError


def parse_size(text: str | None, what: str = "size") -> tuple[int, int] | None:
    """WxH in pixels; None for "dynamic" or nothing."""
    if text is None or text == "dynamic":
        return None
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise ConfigError(f"{what} {text!r}; expected WIDTHxHEIGHT in pixels, such as 1280x720")
    return int(width), int(height)
