"""Adapted classifiers and digit translators as ONNX files: what they compute, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from digit_sets import make_data, settings
from numpy.typing import NDArray

from unit_edge.config.adapt import AdaptConfig, DigitNetworkConfig, source_only
from unit_edge.errors import ConfigError, ModelError, VerifyError
from unit_edge.export.digits.to_onnx import DigitFile, classify_file, export_digits, verify_digits
from unit_edge.runtime.backends.open import open_runner
from unit_edge.train.adapt.digit_batches import to_tensors
from unit_edge.train.adapt.digits import read_digits
from unit_edge.train.adapt.evaluate import probabilities
from unit_edge.train.adapt.fit import adapt
from unit_edge.train.adapt.state import load_adaptation


def trained(folder: Path, config: AdaptConfig) -> Path:
    make_data(folder / "data")
    adapt(config, folder / "run", data_root=folder / "data", device="cpu")
    return folder / "run"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("grey"), settings())


@pytest.fixture(scope="module")
def colour_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = DigitNetworkConfig(
        width=2, channels=3, coordinates=True, discriminator="table-5", init="kaiming-half"
    )
    return trained(tmp_path_factory.mktemp("colour"), settings(network))


def pictures(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)


@pytest.mark.parametrize("kind", ["run", "colour_run"])
def test_classifier_gives_the_runs_probabilities(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder: Path = request.getfixturevalue(kind)
    exported = export_digits(folder, "digit", output=tmp_path / "d.onnx", batch=3)
    frames = pictures(4)
    nets = load_adaptation(folder, settings(network=load_config(folder)))
    if kind == "run":
        seen = np.stack([cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)[:, :, None] for frame in frames])
    else:
        seen = frames[..., ::-1]
    given = DigitFile(exported.model).probabilities(frames)
    np.testing.assert_allclose(given.sum(1), 1, atol=1e-5)
    # OpenCV rounds grey to whole levels
    np.testing.assert_allclose(given, probabilities(nets, seen, 1), atol=2e-2 if kind == "run" else 1e-5)


def load_config(folder: Path) -> DigitNetworkConfig:
    return DigitNetworkConfig(**json.loads((folder / "config.json").read_text())["network"])


@pytest.mark.parametrize("kind", ["run", "colour_run"])
def test_translators_run_as_frames_do(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    folder: Path = request.getfixturevalue(kind)
    config = load_config(folder)
    nets = load_adaptation(folder, settings(network=config))
    for source, to in ((0, "thick"), (1, "thin")):
        exported = export_digits(folder, to, output=tmp_path)
        frame = pictures(1).mean(3, keepdims=True).astype(np.uint8).repeat(3, 3)  # grey, so nothing rounds
        with open_runner(exported.model) as runner:
            translated = runner.infer(frame)
        with torch.inference_mode():
            y = nets.unit.translate(to_tensors(frame[..., : config.channels]), source)
        expected = ((y + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1).numpy()[..., ::-1]
        assert np.abs(translated - np.broadcast_to(expected, translated.shape)).max() <= 1
        assert (exported.manifest.source, exported.manifest.target) == (("thin", "thick")[source], to)


def test_the_file_reads_a_labelled_set_as_the_run_does(run: Path, tmp_path: Path) -> None:
    exported = export_digits(run, "digit", output=tmp_path / "d.onnx", batch=7)
    path = run.parent / "data/thick/test.npz"
    classes = classify_file(exported.model, read_digits(path, 3))
    nets = load_adaptation(run, settings())
    assert classes.tolist() == probabilities(nets, read_digits(path, 1).images, 1).argmax(1).tolist()


def test_a_file_that_computes_something_else_is_found(run: Path, tmp_path: Path) -> None:
    exported = export_digits(run, "digit", output=tmp_path / "d.onnx")
    assert "differ by at most" in verify_digits(exported.model, run)
    model = onnx.load(exported.model)
    bias = next(i for i in model.graph.initializer if list(i.dims) == [10])
    values = onnx.numpy_helper.to_array(bias).copy()
    values[3] += 0.5
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    onnx.save(model, exported.model)
    with pytest.raises(ModelError, match="differs from its manifest"):
        verify_digits(exported.model, run)
    manifest = json.loads(exported.model.with_suffix(".json").read_text())
    from unit_edge.manifests.model import sha256_of

    manifest["sha256"] = sha256_of(exported.model)
    exported.model.with_suffix(".json").write_text(json.dumps(manifest))
    with pytest.raises(VerifyError, match="computes something else"):
        verify_digits(exported.model, run)


def test_other_weights_are_refused(run: Path, colour_run: Path, tmp_path: Path) -> None:
    exported = export_digits(run, "digit", output=tmp_path / "d.onnx")
    with pytest.raises(VerifyError, match="made from other weights"):
        verify_digits(exported.model, colour_run)


def test_what_cannot_be_exported_leaves_nothing(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="knows: thin, thick, and digit"):
        export_digits(run, "mnist", output=tmp_path)
    unadapted = tmp_path / "unadapted"
    shutil.copytree(run, unadapted)
    raw = json.loads((run / "config.json").read_text())
    import dataclasses

    raw["loss"] = dataclasses.asdict(source_only(settings()).loss)
    (unadapted / "config.json").write_text(json.dumps(raw))
    with pytest.raises(ConfigError, match="trained with --source-only and has no translators"):
        export_digits(unadapted, "thick", output=tmp_path)
    export_digits(unadapted, "digit", output=unadapted / "d.onnx")
    assert not list(tmp_path.glob("*.onnx"))
