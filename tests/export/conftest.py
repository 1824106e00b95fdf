"""Small runs with random weights, written as training writes them, and one exported model to share."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from unit_edge.config import RunConfig
from unit_edge.export import to_onnx
from unit_edge.export.to_onnx import Exported, export_run
from unit_edge.files.writing import write_output
from unit_edge.settings import from_dict
from unit_edge.train.networks import UNIT
from unit_edge.train.run.checkpoint import save_config, save_weights

NARROW: dict[str, dict[str, Any]] = {
    "edge-s": {
        "front": [4, 6, 8],
        "residual_width": 8,
        "residual_blocks": 2,
        "shared": 1,
        # int8's figures in the tests are of layers at full size
        "stem": "full",
        "output": "full",
        "out_kernel": 5,
        "dilations": [],
    },
    "edge-s/half-size": {  # as the preset has them
        "front": [4, 6, 8],
        "residual_width": 8,
        "residual_blocks": 2,
        "shared": 1,
        "dilations": [1, 2],
    },
    "paper": {"front": [4, 6, 8], "residual_width": 12, "residual_blocks": 2, "shared": 1},
    "released": {"front": [4, 6, 8], "residual_width": 8, "residual_blocks": 2, "shared": 1},
}


class WithoutValues(pickle.Pickler):
    """Of weights only what an exporter could go by: shapes, types, which are equal, and which are zero.

    No addresses either, which torch puts into pickles of tensors.
    """

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.seen: dict[bytes, int] = {}

    def persistent_id(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return None
        kind = tuple(value.shape), str(value.dtype)
        if not isinstance(value, torch.nn.Parameter):
            return *kind, raw(value)
        return *kind, self.seen.setdefault(raw(value), len(self.seen)), bool(value.any())


def without_values(given: Any) -> bytes:
    file = io.BytesIO()
    WithoutValues(file).dump(given)
    return file.getvalue()


def raw(weights: torch.Tensor) -> bytes:
    return weights.detach().numpy().tobytes()


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Small tensors gain nothing from threads, and lose much on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True, scope="session")
def exported_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What torch.onnx.export made of a module is kept for all tests and processes that export the same.

    Where weights are in the graph as they are, other weights of the same networks go into the kept one.
    """
    kept = tmp_path_factory.getbasetemp() / "graphs"
    if "PYTEST_XDIST_WORKER" in os.environ:
        kept = kept.parent.with_name(kept.name)
    kept.mkdir(exist_ok=True)
    export = to_onnx.graph_of

    def graph_of(module: torch.nn.Module, *given: Any) -> Any:
        weights = dict(module.named_parameters())
        path = kept / hashlib.sha256(without_values((module, given))).hexdigest()
        if not path.exists():
            made = export(module, *given)
            stored = {tensor.name: tensor.raw_data for tensor in made.graph.initializer}
            if {name: stored.get(name) for name in weights} != {k: raw(v) for k, v in weights.items()}:
                return made  # something was folded, joined or left out: a graph for these weights alone
            write_output(path, made.SerializeToString())
        model = onnx.load_model_from_string(path.read_bytes())
        for tensor in model.graph.initializer:
            if tensor.name in weights:
                tensor.raw_data = raw(weights[tensor.name])
        return model

    to_onnx.graph_of = graph_of
    yield
    to_onnx.graph_of = export


@pytest.fixture(scope="session")
def config_of() -> Callable[[str], RunConfig]:
    """A preset's settings with few channels and small images."""

    def make(preset: str) -> RunConfig:
        return from_dict(
            {
                "preset": preset.partition("/")[0],
                "domain1": {"name": "day", "paths": ["day"]},
                "domain2": {"name": "night", "paths": ["night"]},
                # the paper's N(0, 0.02) would make narrow networks return grey, whatever they are given
                "network": {**NARROW[preset], "init": "kaiming-half", "discriminator": [4, 4, 4]},
                "data": {"short_side": [30, 36], "crop": [32, 32]},
            }
        )

    return make


@pytest.fixture(scope="session")
def unit_of(config_of: Callable[[str], RunConfig]) -> Callable[[str], UNIT]:
    """Networks of a preset with random weights and biases, always the same."""

    def make(preset: str) -> UNIT:
        torch.manual_seed(7)
        unit = UNIT(config_of(preset).network)
        with torch.no_grad():
            for name, value in unit.named_parameters():
                if name.endswith("bias"):
                    value.normal_(0, 0.2)
                else:
                    value.mul_(1.8)
        return unit.eval()

    return make


@pytest.fixture(scope="session")
def write_run(
    config_of: Callable[[str], RunConfig], unit_of: Callable[[str], UNIT]
) -> Callable[[Path, str], Path]:
    """Writes a run's folder."""

    def write(folder: Path, preset: str = "edge-s") -> Path:
        save_config(folder, config_of(preset))
        save_weights(folder, unit_of(preset), step=1234)
        return folder

    return write


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, write_run: Callable[..., Path]) -> Path:
    """An edge-s run."""
    return write_run(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Exported:
    """Its day to night, with the guided head, for frames of any size; not to be changed."""
    return export_run(run, "night", output=tmp_path_factory.mktemp("models"))
