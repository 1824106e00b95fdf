"""What a model takes to run, as its manifest keeps it, so that a board can judge it without onnx."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from unit_edge.files.reading import INTEGER_AT_MOST
from unit_edge.files.typed import Within

Count = Annotated[int, Within(0, INTEGER_AT_MOST)]


@dataclass(frozen=True)
class CostsAt:
    """What a model takes for one frame of one size.

    Attributes:
        frame_size: width and height of the frame in pixels.
        macs: multiply-accumulates of convolutions and matrix products.
        traffic_bytes: into and out of memory, with pointwise operations merged into what feeds them.
        activations_bytes: most that lives at once between operations, with nothing merged (estimate); of
            a whole batch.
    """

    frame_size: tuple[Count, Count]
    macs: Count
    traffic_bytes: Count
    activations_bytes: Count


@dataclass(frozen=True)
class Costs:
    """What a model takes.

    Attributes:
        parameters: weights and biases of convolutions and matrix products, constant ones too.
        weights_bytes: of all that the graph stores.
        at: for each frame size that was counted.
    """

    parameters: Count
    weights_bytes: Count
    at: tuple[CostsAt, ...]

    def for_size(self, frame_size: tuple[int, int]) -> CostsAt | None:
        """The costs for frames of a width and height in pixels; None if they weren't counted."""
        return next((costs for costs in self.at if costs.frame_size == frame_size), None)
