"""Where an exported file and its checkpoint part: the outputs of each convolution of E and G, compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from unit_edge.export.graph.graph import load_onnx
from unit_edge.export.int8.quantise import learned_nodes
from unit_edge.export.translator import Translator
from unit_edge.runtime.batch import stacked


def layer_errors(model: Path, translator: Translator, frame: NDArray[np.uint8]) -> dict[str, float]:
    """How far each layer's output is from the checkpoint's, in the order in which they are computed.

    Args:
        model: an ONNX file that was exported.
        translator: of its checkpoint, in fp32.
        frame: uint8[H,W,3], BGR.

    Returns:
        by the layer's name, as `unit-edge inspect` has it: root mean square of the difference over that
        of the checkpoint's output. It holds what all layers before it add.
    """
    graph = load_onnx(model)
    batch = graph.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    nodes = learned_nodes(graph)
    for node in nodes.values():
        graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(node.output[0]))
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    given = session.run([node.output[0] for node in nodes.values()], {"frame": stacked([frame], batch)})
    expected = _outputs(translator, list(nodes), frame)
    return {
        name: float(
            np.linalg.norm(values[0].astype(np.float32) - wanted) / max(np.linalg.norm(wanted), 1e-12)
        )
        for (name, wanted), values in zip(expected.items(), given, strict=True)
    }


def _outputs(translator: Translator, names: list[str], frame: NDArray[np.uint8]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    hooks = []
    for name in names:
        layer, _, phase = name.partition(".phase")  # see graph/upsampling.py
        down, right = map(int, phase or "00")
        step = 2 if phase else 1

        def keep(
            _: Any, __: Any, output: torch.Tensor, name: str = name, at: tuple[int, ...] = (down, right, step)
        ) -> None:
            seen[name] = output[0, :, at[0] :: at[2], at[1] :: at[2]].float().numpy()

        hooks.append(translator.get_submodule(layer).register_forward_hook(keep))
    try:
        with torch.inference_mode():
            translator(torch.from_numpy(frame[None]))
    finally:
        for hook in hooks:
            hook.remove()
    return {name: seen[name] for name in names}
