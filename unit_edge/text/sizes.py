"""Sizes of frames, as people write them."""

from __future__ import annotations

from unit_edge.errors import ConfigError
from unit_edge.text.numbers import whole_number


def parse_size(text: str | None, what: str = "size") -> tuple[int, int] | None:
    """WxH in pixels; None for "dynamic" or nothing."""
    if text is None or text == "dynamic":
        return None
    width, height = map(whole_number, text.partition("x")[::2])
    if not width or not height:
        raise ConfigError(f"{what} {text!r}; expected WIDTHxHEIGHT in pixels, such as 1280x720")
    return width, height
