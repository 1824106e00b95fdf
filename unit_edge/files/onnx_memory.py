"""How much memory a graph's tensors take for frames of one shape: told before a backend makes any of them.

Allowed operators can make large tensors of small ones: a Resize of a pixel, an outer product of two rows.
So every shape is worked out from the file, as backends do, and a model whose tensors would need more than
frames of that size can explain is refused. Needs numpy only, as boards have no package `onnx`.
"""

from __future__ import annotations

import math

from unit_edge.files.onnx_graph import Node, OnnxGraph
from unit_edge.files.onnx_tensor import Tensor, second

BYTES_AT_MOST = 2**29
"""Of all tensors that are there at the same time, whatever the frame's size ..."""
BYTES_A_PIXEL = 2**11
"""... for each of its pixels: the paper's network takes a third of that at the size of the frame ..."""
OF_THE_FILE = 4
"""... and times the file's size: weights of 8 bits that become 32."""


class Memory:
    """Counts the bytes of all tensors that are there at the same time, operation by operation.

    What doesn't depend on the frame is never let go of, as backends work it out when they load a model.

    Attributes:
        most: at the worst moment so far.
    """

    def __init__(self, graph: OnnxGraph, shape: tuple[int, ...]) -> None:
        """Begins with the frames, uint8 of that shape."""
        self._outputs, self._end = graph.outputs, len(graph.nodes)
        self._last = {name: at for at, node in enumerate(graph.nodes) for name in node.inputs}
        self._constant = {one.name for one in graph.stored}
        self._sizes = dict[str, int]()
        self._at = 0
        self._alive = self.most = math.prod(shape)

    def add(self, node: Node, given: list[Tensor | None], made: dict[str, Tensor]) -> None:
        """The next operation, as `worked_out` gives it."""
        lasting = all(name in self._constant for name in node.inputs if name)
        for name, tensor in made.items():
            self._alive += tensor.bytes
            if lasting:
                self._constant.add(name)
            else:
                self._sizes[name] = tensor.bytes
        self.most = max(self.most, self._alive + _beside(node, given))
        for name in {*node.inputs, *made}:
            if self._last.get(name, self._end if name in self._outputs else 0) <= self._at:
                self._alive -= self._sizes.pop(name, 0)
        self._at += 1


def _beside(node: Node, given: list[Tensor | None]) -> int:
    """What ONNX Runtime takes for a transposed convolution: all that one image's values are spread to."""
    if node.operator != "ConvTranspose" or (first := given[0]) is None:
        return 0
    weights = second(given).shape
    return math.prod(weights[1:]) * math.prod(first.shape[2:]) * first.dtype.itemsize
