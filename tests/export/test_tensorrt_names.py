"""Every name of TensorRT and CUDA that our source uses exists in all the versions that it shall run with."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from unit_edge.export.weak_typing import _COMPUTING

ROOT = Path(__file__).resolve().parents[2]
API = json.loads((Path(__file__).parent / "tensorrt_api.json").read_text())

CLASSES = {
    "builder": "Builder",
    "cast": "ICastLayer",
    "config": "IBuilderConfig",
    "context": "IExecutionContext",
    "engine": "ICudaEngine",
    "fault": "ParserError",
    "layer": "ILayer",
    "network": "INetworkDefinition",
    "output": "ITensor",
    "parser": "OnnxParser",
    "runtime": "Runtime",
    "self._context": "IExecutionContext",
    "self._engine": "ICudaEngine",
    "shapes": "IOptimizationProfile",
    "trt": "",
}
"""Of the variables that hold TensorRT's objects in these files."""

ONLY_RTX = {"set_compute_capability", "num_compute_capabilities", "ComputeCapability"}
"""Used behind a hasattr."""

ONLY_WEAK = {"FP16", "INT8", "OBEY_PRECISION_CONSTRAINTS", "precision", "set_output_type"}
"""Used with versions before weak_typing.STRONG_FROM."""


def names_in(path: str) -> Iterator[tuple[str, str]]:
    """Each use of a member: its class, "" for the module itself, and its name."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            owner, name = ast.unparse(node.value), node.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr"):
            named = node.args[1]
            if not isinstance(named, ast.Constant):
                continue
            owner, name = ast.unparse(node.args[0]), str(named.value)
        else:
            continue
        if owner in CLASSES:
            yield CLASSES[owner], name
        elif owner.startswith("trt."):
            yield owner.removeprefix("trt."), name


FILES = {
    "export/to_engine.py": 30,
    "export/weak_typing.py": 15,
    "runtime/backends/tensorrt/module.py": 3,
    "runtime/backends/tensorrt/runner.py": 9,
    "runtime/backends/tensorrt/slot.py": 3,
}
"""With how many uses a file has at least: fewer, and the search went wrong."""


@pytest.mark.parametrize("version", list(API))
@pytest.mark.parametrize("path", list(FILES))
def test_tensorrt_has_every_name(path: str, version: str) -> None:
    api = API[version]
    uses = list(names_in(path))
    assert len(uses) >= FILES[path]
    skipped = ONLY_RTX
    if not version.startswith("10.3."):
        skipped = skipped | ONLY_WEAK
    for kind, name in uses:
        if name in skipped or name.startswith("__") or kind in ONLY_RTX:
            continue
        assert name in (api if not kind else api[kind]), f"{kind}.{name}"
    assert {*_COMPUTING} <= {*api["LayerType"]}


def test_cuda_has_every_name() -> None:
    cudart = pytest.importorskip("cuda.bindings.runtime", reason="needs cuda-bindings")
    tree = ast.parse((ROOT / "runtime/backends/cuda.py").read_text(encoding="utf-8"))
    chains = {
        tuple(ast.unparse(node).split(".")[1:])
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("cudart.")
    }
    assert len(chains) > 20
    for chain in chains:
        thing = cudart
        for name in chain:
            assert hasattr(thing, name), ".".join(chain)
            thing = getattr(thing, name)
