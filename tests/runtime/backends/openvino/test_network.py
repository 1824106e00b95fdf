"""E and G in OpenVINO's own arrangement, against the graph as it is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unit_edge.manifests.model import Manifest
from unit_edge.registry import bundled_models, resolve_model
from unit_edge.runtime.backends.split import SplitModel

network = pytest.importorskip("unit_edge.runtime.backends.openvino.network")
SIDES = 36, 52


def model_of(path: Path) -> Any:
    split = SplitModel(path, Manifest.read(path.with_suffix(".json")), 1)
    model = network.ov.Core().read_model(split.content)
    model.reshape([1, 3, *SIDES])
    return model


def run(model: Any, given: np.ndarray) -> np.ndarray:
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    return np.array(network.ov.Core().compile_model(model, "CPU", settings)([given])[0])


def around_tanh(model: Any) -> tuple[str, str]:
    """The types of what feeds the one there is, and of what takes it."""
    (found,) = [node for node in model.get_ops() if node.get_type_name() == "Tanh"]
    (user,) = found.output(0).get_target_inputs()
    return str(found.input_value(0).get_node().get_type_name()), str(user.get_node().get_type_name())


@pytest.mark.parametrize("path", [path for path, _ in bundled_models()], ids=lambda path: path.stem)
def test_it_gives_the_same_borders_included(path: Path) -> None:
    given = np.random.default_rng(0).uniform(-1, 1, (1, *SIDES, 3)).astype(np.float32)
    expected = run(model_of(path), given.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    model = model_of(path)
    is_woven = around_tanh(model)[0] == "DepthToSpace"  # of newer presets by itself
    network.weave_last(model)
    assert is_woven or around_tanh(model)[1] == "DepthToSpace", "nothing was changed"
    assert expected.std() > 0.05, "it must not be blank"
    assert np.abs(run(network.with_pixels_last(model), given) - expected).max() < 1e-5


def test_a_last_layer_without_its_tanh_stays_as_it_is() -> None:
    model = model_of(resolve_model("day2night-edge-s"))
    (squashed,) = [node for node in model.get_ops() if node.get_type_name() == "Tanh"]
    for user in squashed.output(0).get_target_inputs():
        user.replace_source_output(squashed.input_value(0))
    before = [node.get_friendly_name() for node in model.get_ordered_ops()]
    network.weave_last(model)
    assert [node.get_friendly_name() for node in model.get_ordered_ops()] == before
