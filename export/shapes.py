"""Which sizes an exported model has: what the user asked for, or the run's own, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from unit_edge.config import Detail, RunConfig
from unit_edge.errors import ConfigError
from unit_edge.export.translator import small_size
from unit_edge.frames import FRAME_SIDES
from unit_edge.frames import NETWORK_MULTIPLE as MULTIPLE

DETAILS = ("guided", "none")
MOST_FRAMES = 64
"""In one call."""

WIDE = (16, 9)
"""Aspect ratio of fixed frames if the run's crops are square, which says nothing of its images."""


@dataclass(frozen=True)
class ExportShapes:
    """The sizes of one exported model.

    Attributes:
        detail: settings of the guided head; None without it.
        short_side: of the image that E and G see, in pixels.
        frame_size: width and height of the frames in pixels; None for any.
        batch: frames in one call.
    """

    detail: Detail | None
    short_side: int
    frame_size: tuple[int, int] | None
    batch: int = 1

    @property
    def guided(self) -> tuple[Detail, int] | None:
        """What the translator needs to know."""
        return None if self.detail is None else (self.detail, self.short_side)

    @property
    def network_size(self) -> tuple[int, int] | None:
        """Width and height of the image that E and G see; None where it follows the frame's."""
        if self.detail is None or self.frame_size is None:
            return self.frame_size
        width, height = self.frame_size
        h, w = small_size(height, width, self.short_side)
        return w, h


def export_shapes(
    config: RunConfig,
    detail: str,
    frame_size: tuple[int, int] | None,
    network_size: int | None,
    head: Mapping[str, float | None] | None = None,
    batch: int = 1,
) -> ExportShapes:
    """Fills in what the user left open.

    Args:
        config: the run's settings.
        detail: "guided" or "none".
        frame_size: width and height of the frames, or None for any.
        network_size: the short side that E and G run at, or None for that of the training.
        head: settings of the guided head, instead of the run's own; None leaves one as it is.
        batch: frames in a call.

    Raises:
        ConfigError: a size that the network can't take (with the nearest that it can), or a
            contradiction.
    """
    if detail not in DETAILS:
        raise ConfigError(f"detail = {detail!r}, expected one of {', '.join(DETAILS)}")
    for side in frame_size or ():
        _check(side, "frame size", FRAME_SIDES, multiple=MULTIPLE if detail == "none" else 1)
    if network_size is not None:
        _check(network_size, "network size", FRAME_SIDES, multiple=MULTIPLE)
    if not 1 <= batch <= MOST_FRAMES:
        raise ConfigError(f"batch {batch}, expected 1 to {MOST_FRAMES} frames")
    given: dict[str, Any] = {name: value for name, value in (head or {}).items() if value is not None}
    if detail == "none":
        if given:
            raise ConfigError(f"detail none has no head for {', '.join(given)}; leave one of the two out")
        return _without_head(config, frame_size, network_size, batch)
    return ExportShapes(
        detail=replace(config.detail, **given),
        short_side=network_size or _trained_short_side(config),
        frame_size=frame_size,
        batch=batch,
    )


def _without_head(
    config: RunConfig, frame_size: tuple[int, int] | None, network_size: int | None, batch: int
) -> ExportShapes:
    if frame_size is None:
        short = network_size or _trained_short_side(config)
        width, height = config.data.crop if config.data.crop[0] != config.data.crop[1] else WIDE
        h, w = small_size(height, width, short)
        frame_size = w, h
    elif network_size not in (None, min(frame_size)):
        raise ConfigError(
            f"network size {network_size} with frames of {frame_size[0]}x{frame_size[1]}: without the "
            "detail head the network sees the frame itself; leave one of the two out"
        )
    return ExportShapes(detail=None, short_side=min(frame_size), frame_size=frame_size, batch=batch)


def _trained_short_side(config: RunConfig) -> int:
    low, high = config.data.short_side
    return max(FRAME_SIDES[0], round((low + high) / 2 / MULTIPLE) * MULTIPLE)


def _check(side: int, what: str, limits: tuple[int, int], multiple: int) -> None:
    low, high = limits
    if not low <= side <= high:
        raise ConfigError(f"{what} {side}, expected {low} to {high} pixels")
    if side % multiple:
        below = side // multiple * multiple
        nearest = f"{below} or {below + multiple}"
        raise ConfigError(f"{what} {side}, expected a multiple of {multiple} pixels: {nearest}")
