"""How much memory a graph's tensors take for frames of one shape: told before a backend makes any of them.

Allowed operators can make large tensors of small ones: a Resize of a pixel, an outer product of two rows.
So every shape is worked out from the file, as backends do, and a model whose tensors would need more than
frames of that size can explain is refused. Needs numpy only, as boards have no package `onnx`.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from unit_edge.errors import ModelError
from unit_edge.files.onnx_graph import Node, read_graph
from unit_edge.files.onnx_shapes import worked_out
from unit_edge.files.onnx_tensor import Tensor, second
from unit_edge.files.protobuf import Refused

BYTES_AT_MOST = 2**29
"""Of all tensors that are there at the same time, whatever the frame's size ..."""
BYTES_A_PIXEL = 2**11
"""... for each of its pixels: the paper's network takes a third of that at the size of the frame ..."""
OF_THE_FILE = 4
"""... and times the file's size: weights of 8 bits that become 32."""

LIMITS = "UNIT_EDGE_MODEL_LIMITS"
"""The environment variable that, if it is "off", lets models take any memory and time."""


def limited() -> bool:
    """Whether models are held to limits of memory and work."""
    return os.environ.get(LIMITS) != "off"


def check_memory(path: Path, shape: tuple[int, ...]) -> None:
    """Refuses a model that would take much more memory than frames of that shape can explain.

    Args:
        path: of an ONNX file that `check_onnx` has let pass.
        shape: of the frames, [N,H,W,3].

    Raises:
        ModelError: it would, or its shapes don't fit together or can't be worked out.
    """
    at_most = BYTES_AT_MOST + BYTES_A_PIXEL * math.prod(shape[:3]) + OF_THE_FILE * path.stat().st_size
    if not limited():
        return
    size = f"{shape[2]}x{shape[1]}"
    try:
        needed = most_at_once(path, shape, at_most)
    except Refused as refused:
        raise ModelError(
            f"{path}: no model of ours for frames of {size}: {refused}; export it with `unit-edge export`"
        ) from None
    if needed > at_most:
        raise ModelError(
            f"{path}: its tensors would take {needed / 2**30:.1f} GiB or more for frames of {size}, expected "
            f"{at_most / 2**30:.1f} GiB at most; if you trust it, run it with {LIMITS}=off"
        )


def most_at_once(path: Path, shape: tuple[int, ...], enough: float = math.inf) -> int:
    """The bytes of all tensors that are there at the same time, at the worst moment.

    What doesn't depend on the frame is never let go of, as backends work it out when they load a model. It
    stops counting beyond `enough`.
    """
    graph = read_graph(path)
    last = {name: at for at, node in enumerate(graph.nodes) for name in node.inputs}
    constant = {one.name for one in graph.stored}
    sizes = dict[str, int]()
    alive = most = math.prod(shape)
    for at, (node, given, made) in enumerate(worked_out(graph, shape)):
        lasting = all(name in constant for name in node.inputs if name)
        for name, tensor in made.items():
            alive += tensor.bytes
            if lasting:
                constant.add(name)
            else:
                sizes[name] = tensor.bytes
        most = max(most, alive + _beside(node, given))
        if most > enough:
            return most
        for name in {*node.inputs, *made}:
            if last.get(name, len(graph.nodes) if name in graph.outputs else 0) <= at:
                alive -= sizes.pop(name, 0)
    return most


def _beside(node: Node, given: list[Tensor | None]) -> int:
    """What ONNX Runtime takes for a transposed convolution: all that one image's values are spread to."""
    if node.operator != "ConvTranspose" or (first := given[0]) is None:
        return 0
    weights = second(given).shape
    return math.prod(weights[1:]) * math.prod(first.shape[2:]) * first.dtype.itemsize
