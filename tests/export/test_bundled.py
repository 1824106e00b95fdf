"""The models in the package against the runs that are kept in the repository."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from unit_edge.config import Detail
from unit_edge.export.scenes import synthetic_scene
from unit_edge.export.shapes import export_shapes
from unit_edge.export.to_onnx import export_run
from unit_edge.export.verify import verify_file
from unit_edge.manifests.model import Manifest, sha256_of
from unit_edge.registry import bundled_models
from unit_edge.runtime.backends.open import open_runner
from unit_edge.train.run.checkpoint import load_run_config

RUNS = Path(__file__).parents[2] / "models"
BUNDLED = bundled_models()
SMALL = bundled_models(precision="int8")
SCENE_AT_NIGHT = [
    [7.1, 6.6, 8.6, 7.7, 6.3, 5.8, 7.6, 8.2],
    [22.4, 23.9, 17.3, 11.3, 15.2, 8.8, 30.9, 19.3],
    [44.4, 49.8, 19.1, 30.3, 42.3, 23.2, 35.4, 31.8],
    [8.2, 13.6, 51.5, 57.7, 50.1, 18.3, 25.9, 32.6],
]


def test_both_directions_of_every_run_are_bundled() -> None:
    given = {(manifest.source, manifest.target) for _, manifest in BUNDLED}
    pairs = [("day", "night"), ("clear", "snow"), ("clear", "rain")]
    one_way = {("clear", "fog")}  # there were no pictures of fog to learn the way back from
    assert given == {pair for a, b in pairs for pair in ((a, b), (b, a))} | one_way
    assert {(manifest.source, manifest.target) for _, manifest in SMALL} == given


@pytest.mark.parametrize(("model", "manifest"), BUNDLED, ids=[m.name for _, m in BUNDLED])
def test_a_bundled_model_computes_what_its_run_does(model: Path, manifest: Manifest) -> None:
    assert model.stat().st_size <= 5_000_000
    report = verify_file(model, RUNS / manifest.made_from["run"])
    assert report.max_levels <= 1


@pytest.mark.parametrize(("model", "manifest"), SMALL, ids=[m.name for _, m in SMALL])
def test_a_bundled_int8_model_is_close_to_its_run(model: Path, manifest: Manifest) -> None:
    assert model.stat().st_size <= 800_000
    report = verify_file(model, RUNS / manifest.made_from["run"])
    assert report.psnr_db >= 40 and report.mean_levels <= 2


def options_on_card(manifest: Manifest) -> tuple[int | None, dict[str, float]]:
    """The network size and the settings of the head in the command that its card says it was made by."""
    run = RUNS / manifest.made_from["run"]
    int8 = r" --precision int8 --calibrate \S+" if manifest.precision == "int8" else ""
    command = rf"^unit-edge export models/{run.name} --to {manifest.target}((?: --[\w-]+ -?[\d.]+)*){int8}$"
    (given,) = re.findall(command, (run / "CARD.md").read_text(encoding="utf-8"), re.MULTILINE)
    options = {name.replace("-", "_"): float(value) for name, value in re.findall(r"--(\S+) (\S+)", given)}
    whole = {name: int(options.pop(name)) for name in ("network_size", "margin") if name in options}
    return whole.pop("network_size", None), {**options, **whole}


@pytest.mark.parametrize(
    "manifest", [m for _, m in BUNDLED + SMALL], ids=[m.name for _, m in BUNDLED + SMALL]
)
def test_a_bundled_model_is_what_the_command_on_its_card_makes(manifest: Manifest) -> None:
    config = load_run_config(RUNS / manifest.made_from["run"])
    shapes = export_shapes(config, "guided", None, *options_on_card(manifest))
    assert shapes.guided == (Detail.of(manifest.detail_settings), manifest.network_short_side)


@pytest.mark.slow
def test_an_export_of_a_kept_run_is_the_bundled_model_byte_for_byte(tmp_path: Path) -> None:
    """Whatever changes the exported graph, its weights or its manifest is meant to: then export them anew."""
    model, manifest = next((path, m) for path, m in BUNDLED if m.name == "clear2fog-edge-s")
    for package in (torch, onnx):
        if manifest.versions[package.__name__] != package.__version__:
            pytest.skip(f"made with {package.__name__} {manifest.versions[package.__name__]}")
    run, path = RUNS / manifest.made_from["run"], tmp_path / model.name
    size, head = options_on_card(manifest)
    made = export_run(run, manifest.target, output=path, network_size=size, **head).model
    assert sha256_of(made) == sha256_of(model)
    assert made.with_suffix(".json").read_text() == model.with_suffix(".json").read_text()


def test_a_bundled_model_translates_a_picture_as_it_did() -> None:
    """Processors round in their own ways, so means of 45x40 pixels are compared, to a level."""
    with open_runner("day2night-edge-s", "onnxruntime", threads=1) as runner:
        given = runner.infer(synthetic_scene(320, 180, 1.0, 0)[None])[0]
    means = given.reshape(4, 45, 8, 40, 3).mean((1, 3, 4))
    assert np.abs(means - SCENE_AT_NIGHT).max() <= 1, means.round(1).tolist()
