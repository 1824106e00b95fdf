"""How much memory and work a model from a stranger may take for frames of one shape. Needs numpy only."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from unit_edge.errors import ModelError
from unit_edge.files.onnx_graph import read_graph
from unit_edge.files.onnx_memory import BYTES_A_PIXEL, BYTES_AT_MOST, OF_THE_FILE, Memory
from unit_edge.files.onnx_shapes import worked_out
from unit_edge.files.onnx_work import MACS_A_PIXEL, MACS_AT_MOST, work_of
from unit_edge.files.protobuf import Refused

LIMITS = "UNIT_EDGE_MODEL_LIMITS"
"""The environment variable that, if it is "off", lets models take any memory and time."""


def check_limits(
    path: Path,
    shape: tuple[int, ...],
    *,
    runs: bool = True,
    inner: Mapping[str, tuple[int, ...]] | None = None,
) -> None:
    """Refuses a model that would take much more memory or time than frames of that shape can explain.

    Args:
        path: of an ONNX file that `check_onnx` has let pass.
        shape: of the frames, [N,H,W,3].
        runs: whether it is to run; its time doesn't matter otherwise.
        inner: by name, shapes that tensors inside it have for such frames, as its manifest says.

    Raises:
        ModelError: it would, or its shapes don't fit together or can't be worked out.
    """
    if os.environ.get(LIMITS) == "off":
        return
    bytes_at_most = BYTES_AT_MOST + BYTES_A_PIXEL * math.prod(shape[:3]) + OF_THE_FILE * path.stat().st_size
    macs_at_most = shape[0] * (MACS_AT_MOST + MACS_A_PIXEL * math.prod(shape[1:3])) if runs else math.inf
    size = f"{shape[2]}x{shape[1]}"
    trusted = f"if you trust it, run it with {LIMITS}=off"
    try:
        for most, macs in costs(path, shape, inner):
            if most > bytes_at_most:
                raise ModelError(
                    f"{path}: its tensors would take {most / 2**30:.1f} GiB or more for frames of {size}, "
                    f"expected {bytes_at_most / 2**30:.1f} GiB at most; {trusted}"
                )
            if macs > macs_at_most:
                raise ModelError(
                    f"{path}: its operations would take as long as {macs / 1e12:.1f} trillion "
                    f"multiplications or longer for frames of {size}, "
                    f"expected {macs_at_most / 1e12:.1f} at most; {trusted}"
                )
    except Refused as refused:
        raise ModelError(
            f"{path}: no model of ours for frames of {size}: {refused}; export it with `unit-edge export`"
        ) from None


def costs(
    path: Path, shape: tuple[int, ...], inner: Mapping[str, tuple[int, ...]] | None = None
) -> Iterator[tuple[int, float]]:
    """After each operation: the most bytes at once, and the multiply-accumulates of all up to there.

    Raises:
        Refused: shapes don't fit together or to those in `inner`, or can't be worked out.
    """
    graph = read_graph(path)
    memory, macs = Memory(graph, shape), 0.0
    for node, given, made in worked_out(graph, shape):
        for name, wanted in (inner or {}).items():
            if name in made and (found := made[name].shape) != wanted:
                raise Refused(f"{name!r} is {list(found)}, by its manifest {list(wanted)}")
        memory.add(node, given, made)
        macs += work_of(node, given, made)
        yield memory.most, macs
