"""What each operator takes, over what `unit_edge/files/onnx_work.py` counts it as.

    python docs/experiments/speed/operators.py onnxruntime
    python docs/experiments/speed/operators.py openvino

On one thread, with a frame of 64x64 that is enlarged to 1024x1024. Prints milliseconds, the work and how many
picoseconds a unit of it took: to be compared with those of "Conv, dense", in the same run.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from unit_edge.files.onnx_limits import costs

SHAPE = (1, 64, 64, 3)
_ROUNDS = 3
_F = np.float32
_BY = {"by": np.array([1, 1, 16, 16], _F)}
Values = dict[str, NDArray[Any]]


def node(operator: str, *names: str, **attributes: Any) -> Any:
    return helper.make_node(operator, list(names[:-1]), [names[-1]], **attributes)


_FRAME = [node("Cast", "frame", "f", to=TensorProto.FLOAT), node("Transpose", "f", "t", perm=[0, 3, 1, 2])]
_LARGE = [*_FRAME, node("Resize", "t", "", "by", "b")]


def cases() -> dict[str, tuple[list[Any], Values]]:
    """Operations that make the tensor "l", and what they need."""
    found: dict[str, tuple[list[Any], Values]] = {
        "Conv, dense": (
            [*_FRAME, node("Conv", "t", "w0", "c", pads=[1] * 4), node("Conv", "c", "w", "l", pads=[1] * 4)],
            {"w0": np.ones((256, 3, 3, 3), _F), "w": np.ones((256, 256, 3, 3), _F)},
        ),
        "Conv, one channel": (
            [*_LARGE, node("Conv", "b", "w", "l", pads=[1] * 4)],
            {**_BY, "w": np.ones((1, 3, 3, 3), _F)},
        ),
        "Conv, depthwise": (
            [*_LARGE, node("Conv", "b", "w", "l", group=3, pads=[3] * 4)],
            {**_BY, "w": np.ones((3, 1, 7, 7), _F)},
        ),
        "ConvTranspose": (
            [*_FRAME, node("ConvTranspose", "t", "w", "l", strides=[8, 8])],
            {"w": np.ones((3, 16, 32, 32), _F)},
        ),
        "MaxPool with gaps": (
            [*_LARGE, node("MaxPool", "b", "l", kernel_shape=[5] * 2, dilations=[3] * 2)],
            _BY,
        ),
        "Resize, cubic": (
            [*_LARGE, node("Resize", "b", "", "twice", "l", mode="cubic")],
            {**_BY, "twice": np.array([1, 1, 2, 2], _F)},
        ),
        "Slice, backwards": (
            [*_LARGE, node("Slice", "b", "from", "to", "axes", "steps", "l")],
            {
                **_BY,
                "from": np.array([-1, -1]),
                "to": np.array([-(2**31)] * 2),
                "axes": np.array([2, 3]),
                "steps": np.array([-1, -1]),
            },
        ),
        "Gather": ([*_LARGE, node("Gather", "b", "at", "l", axis=3)], {**_BY, "at": np.arange(1000)}),
        "Pad, reflected": (
            [*_LARGE, node("Pad", "b", "pads", "l", mode="reflect")],
            {**_BY, "pads": np.array([0, 0, 300, 300, 0, 0, 300, 300])},
        ),
        "ReduceMean of channels": (
            [*_LARGE, node("ReduceMean", "b", "axes", "l")],
            {**_BY, "axes": np.array([1])},
        ),
    }
    for name in ("AveragePool", "MaxPool"):
        found[name] = ([*_LARGE, node(name, "b", "l", kernel_shape=[17] * 2, pads=[8] * 4)], _BY)
    for name in ("Exp", "Erf", "Log", "Softplus", "Tanh", "Sigmoid", "Sqrt", "HardSwish", "Softmax", "Sign"):
        found[name] = ([*_LARGE, node(name, "b", "l")], _BY)
    for name in ("Add", "Div", "Max", "Pow"):
        found[name] = ([*_LARGE, node(name, "b", "b", "l")], _BY)
    return found


def written(nodes: list[Any], values: Values, path: Path) -> None:
    ends = [
        node("ReduceMax", "l", "one", keepdims=0),
        node("Cast", "one", "pixel", to=TensorProto.UINT8),
        node("Max", "frame", "pixel", "translated"),
    ]
    tensors = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", "h", "w", 3])
        for name in ("frame", "translated")
    ]
    stored = [numpy_helper.from_array(value, name) for name, value in values.items()]
    graph = helper.make_graph([*nodes, *ends], "g", tensors[:1], tensors[1:], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path.write_bytes(model.SerializeToString())


def opened(backend: str, path: Path) -> Callable[[], Any]:
    """What runs the model once, on one thread."""
    frames = np.zeros(SHAPE, np.uint8)
    if backend == "openvino":
        from unit_edge.runtime.backends.openvino.module import load_openvino

        core = load_openvino().Core()
        compiled = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_NUM_THREADS": 1})
        request = compiled.create_infer_request()
        return lambda: request.infer({0: frames})
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    return lambda: session.run(None, {"frame": frames})


def main() -> None:
    backend = sys.argv[1] if len(sys.argv) > 1 else "onnxruntime"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        for name, (nodes, values) in cases().items():
            written(nodes, values, path)
            run = opened(backend, path)
            run()
            took_s = []
            for _ in range(_ROUNDS):
                began = time.perf_counter()
                run()
                took_s.append(time.perf_counter() - began)
            took, counted = min(took_s), list(costs(path, SHAPE))[-1][1]
            print(f"{name:24} {took * 1e3:8.1f} ms {counted / 1e9:8.2f} G {took / counted * 1e12:7.1f} ps")


if __name__ == "__main__":
    main()
