"""What a model takes to run, as its manifest keeps it, so that a board can judge it without onnx."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CostsAt:
    """For one frame of one size.

    Attributes:
        frame_size: width and height of the frame in pixels.
        macs: multiply-accumulates of convolutions and matrix products.
        traffic_bytes: into and out of memory, with pointwise operations merged into what feeds them.
        activations_bytes: most that lives at once between operations, with nothing merged (estimate); of
            a whole batch.
    """

    frame_size: tuple[int, int]
    macs: int
    traffic_bytes: int
    activations_bytes: int


@dataclass(frozen=True)
class Costs:
    """Of a model.

    Attributes:
        parameters: weights and biases of convolutions and matrix products, constant ones too.
        weights_bytes: of all that the graph stores.
        at: for each frame size that was counted.
    """

    parameters: int
    weights_bytes: int
    at: tuple[CostsAt, ...]

    def for_size(self, frame_size: tuple[int, int]) -> CostsAt | None:
        """For frames of a width and height in pixels; None if they weren't counted."""
        return next((costs for costs in self.at if costs.frame_size == frame_size), None)


def costs_from_dict(raw: dict[str, Any]) -> Costs:
    """What `dataclasses.asdict` made of it.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    entries = []
    for entry in raw["at"]:
        width, height = entry["frame_size"]
        counts = [entry[name] for name in ("macs", "traffic_bytes", "activations_bytes")]
        entries.append(CostsAt((_count(width), _count(height)), *map(_count, counts)))
    return Costs(_count(raw["parameters"]), _count(raw["weights_bytes"]), tuple(entries))


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"costs: {value!r} is no count")
    return value
