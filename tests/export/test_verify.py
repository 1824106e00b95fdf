"""Verification catches what is wrong, and says how wrong."""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from unit_edge.errors import BackendError, ConfigError, DataError, ModelError, SourceError, VerifyError
from unit_edge.export.scenes import MOST_FRAMES, scenes_from, synthetic_scene, synthetic_scenes
from unit_edge.export.to_onnx import Exported, export_run
from unit_edge.export.trained import load_run
from unit_edge.export.verify import Reference, translator_for, verify_file
from unit_edge.machine.gpu import find_gpu
from unit_edge.manifests.model import Manifest, sha256_of
from unit_edge.runtime.backends.open import open_runner
from unit_edge.train.run.checkpoint import BEST, load_run_config, load_weights, save_weights


@pytest.fixture
def model(exported: Exported, tmp_path: Path) -> Path:
    """A copy of the exported model that a test may damage."""
    for suffix in (".onnx", ".json"):
        shutil.copy(exported.model.with_suffix(suffix), tmp_path / f"model{suffix}")
    return tmp_path / "model.onnx"


def rewrite(model: Path, **changes: object) -> None:
    path = model.with_suffix(".json")
    changed = dataclasses.replace(Manifest.read(path), **changes)  # type: ignore[arg-type]
    changed.write(path)


def test_a_good_file_passes_on_real_frames(model: Path, run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(MOST_FRAMES + 3):
        frame = synthetic_scene(96 + number, 64, 1.0, number)
        assert cv2.imwrite(str(folder / f"{number:02}.png"), frame)
    report = verify_file(model, run, folder)
    assert report.frames == MOST_FRAMES
    assert report.max_levels <= 1 and report.mean_levels < 0.01 and report.p999_levels == 0
    assert report.psnr_db > 60
    assert "\n" not in report.summary() and "max " in report.summary()
    assert verify_file(model, run, folder / "03.png").frames == 1


def test_altered_weights_are_caught(model: Path, run: Path) -> None:
    graph = onnx.load(model)
    largest = max(graph.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weights = onnx.numpy_helper.to_array(largest).copy()
    weights.flat[::7] *= -1
    largest.CopyFrom(onnx.numpy_helper.from_array(weights, largest.name))
    onnx.save(graph, model)
    with pytest.raises(ModelError, match="sha256"):
        verify_file(model, run)
    rewrite(model, sha256=sha256_of(model))
    with pytest.raises(VerifyError, match=r"computes something else.*built-in scene"):
        verify_file(model, run)


def test_other_settings_of_the_head_are_caught(model: Path, run: Path) -> None:
    rewrite(model, detail_settings={"radius": 2, "epsilon": 1e-2, "residual": 0.0})
    with pytest.raises(VerifyError, match="computes something else"):
        verify_file(model, run)
    rewrite(model, detail_settings={"radius": 2})
    with pytest.raises(ModelError, match="detail_settings"):
        verify_file(model, run)


def test_a_fault_of_the_export_itself_is_caught(
    tmp_path: Path, write_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is exported is held against the run's own networks, not against what the export made of them."""

    def whole(weights: torch.Tensor, axis: int) -> torch.Tensor:
        return weights.flip(axis)  # right for three channels, wrong for a sub-pixel layer's twelve

    monkeypatch.setattr("unit_edge.export.translator._colours_reversed", whole)
    with pytest.raises(VerifyError, match="computes something else"):
        export_run(write_run(tmp_path / "run", "edge-s/half-size"), "night", output=tmp_path / "wrong.onnx")
    assert not list(tmp_path.glob("wrong*"))


def test_a_run_that_went_on_training_is_told_apart(
    model: Path, tmp_path: Path, write_run: Callable[..., Path]
) -> None:
    run = write_run(tmp_path / "run")
    path = run / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(VerifyError, match=r"other weights.*step 1234"):
        verify_file(model, run)


def test_the_best_weights_are_exported_and_verified_against_themselves(
    tmp_path: Path, write_run: Callable[..., Path]
) -> None:
    run = write_run(tmp_path / "run")
    unit = load_weights(run, load_run_config(run))
    with torch.no_grad():
        for parameter in unit.parameters():
            parameter.mul_(1.1)
    save_weights(run, unit, 5, BEST)
    newest = export_run(run, "night", output=tmp_path / "newest.onnx")
    best = export_run(run, "night", output=tmp_path / "best.onnx", best=True)
    assert best.manifest.made_from["step"] == 5
    assert best.manifest.made_from["weights_sha256"] != newest.manifest.made_from["weights_sha256"]
    verify_file(best.model, run)
    verify_file(newest.model, run)


def test_a_run_of_other_domains_is_refused(model: Path, run: Path) -> None:
    rewrite(model, source="clear", target="snow")
    with pytest.raises(ModelError, match=r"clear to snow.*day and night"):
        verify_file(model, run)


@pytest.mark.parametrize("damage", ["no model", "no manifest", "not ONNX", "cut off"])
def test_missing_and_damaged_files_are_named(damage: str, model: Path, run: Path) -> None:
    if damage == "no model":
        model.unlink()
    elif damage == "no manifest":
        model.with_suffix(".json").unlink()
    else:
        model.write_bytes(b"hello" if damage == "not ONNX" else model.read_bytes()[:5000])
        rewrite(model, sha256=sha256_of(model))
    with pytest.raises(ModelError) as caught:
        verify_file(model, run)
    assert str(model.with_suffix("")) in str(caught.value) and "\n" not in str(caught.value)


def test_frames_that_are_not_there_are_named(model: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        verify_file(model, run, tmp_path / "none.mp4")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images"):
        verify_file(model, run, tmp_path / "empty")


def test_the_figures_are_those_of_the_differences(exported: Exported, run: Path, tmp_path: Path) -> None:
    class Off:
        """A runner whose second frame is wrong by 3 levels in a hundredth of its values."""

        def __init__(self) -> None:
            self.manifest = exported.manifest
            self.calls = 0

        def infer(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
            self.calls += 1
            with open_runner(exported.model) as runner:
                out = runner.infer(frames)
            if self.calls == 2:
                rows = out.shape[1] // 100 * 1
                part = out[:, :rows].astype(int)
                out[:, :rows] = np.where(part > 128, part - 3, part + 3)
                self.wrong = rows * out.shape[2] * 3
            return out

    runner = Off()
    translator = translator_for(exported.manifest, load_run(run))
    reference = Reference(translator, None, None)
    report = reference.compare(runner)  # type: ignore[arg-type]
    total = sum(scene.frame.size for scene in synthetic_scenes(None))
    assert report.frames == 3 and report.max_levels in (3, 4)
    assert report.worst_frame == "built-in scene 2 at 480x640"
    assert report.mean_levels == pytest.approx(3 * runner.wrong / total, abs=2e-3)
    expected_db = 10 * math.log10(255**2 / (9 * runner.wrong / total))
    assert report.psnr_db == pytest.approx(expected_db, abs=0.3)
    reference.write_worst(tmp_path / "worst.png")
    worst = cv2.imread(str(tmp_path / "worst.png"))
    assert worst is not None
    frame, expected, given, difference = np.split(worst, 4, axis=1)
    assert np.array_equal(frame, list(synthetic_scenes(None))[1].frame)
    levels = np.abs(given.astype(int) - expected)
    assert levels.max() == report.max_levels
    assert np.array_equal(difference, levels * (255 // report.max_levels))


def test_the_layer_that_is_wrong_is_found(model: Path, run: Path) -> None:
    graph = onnx.load(model)
    (weights,) = (t for t in graph.graph.initializer if t.name == "encoder.1.0.body.2.weight")
    weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights) * 1.5, weights.name))
    onnx.save(graph, model)
    rewrite(model, sha256=sha256_of(model))
    seen: dict[str, float] = {}
    with pytest.raises(VerifyError, match="computes something else"):
        verify_file(model, run, by_layer=seen.update)
    names = list(seen)
    wrong = names.index("encoder.1.0.body.2")
    assert names[0] == "encoder.0.0" and len(names) == 12 + 2 * 4  # four of each upsampling
    assert max(seen[name] for name in names[:wrong]) < 1e-4
    assert 0.1 < seen["encoder.1.0.body.2"] < 1
    assert min(seen[name] for name in names[wrong:]) > 1e-3


def test_built_in_scenes_are_always_the_same_and_not_alike() -> None:
    first, second = list(synthetic_scenes((160, 96))), list(synthetic_scenes((160, 96)))
    assert all(np.array_equal(a.frame, b.frame) for a, b in zip(first, second, strict=True))
    means = [scene.frame.mean() for scene in first]
    assert means[0] > means[1] > means[2] and min(scene.frame.std() for scene in first) > 15
    assert {scene.frame.shape for scene in first} == {(96, 160, 3)}
    assert any(scene.frame.shape[0] > scene.frame.shape[1] for scene in synthetic_scenes(None))


def test_a_video_gives_frames_from_all_over_it(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (64, 48))  # type: ignore[attr-defined]
    for brightness in np.linspace(20, 220, 32):
        writer.write(np.full((48, 64, 3), brightness, np.uint8))
    writer.release()
    scenes = list(scenes_from(path))
    means = [scene.frame.mean() for scene in scenes]
    assert len(scenes) == MOST_FRAMES and means == sorted(means)
    assert means[0] < 50 and means[-1] > 170
    assert scenes[0].name.startswith("clip.mp4 at ")


def test_another_backend_is_verified(model: Path, run: Path) -> None:
    pytest.importorskip("openvino")
    assert verify_file(model, run, backend="openvino").max_levels <= 1


def test_an_engine_is_verified_where_it_runs(
    model: Path, run: Path, write_engine: Callable[[Path], Path]
) -> None:
    if find_gpu() is not None:
        pytest.skip("there is a GPU")
    engine = write_engine(model)
    with pytest.raises(ConfigError, match="ONNX files only; leave --layers out"):
        verify_file(engine, run, by_layer=lambda errors: None)
    with pytest.raises(BackendError, match="no NVIDIA GPU"):
        verify_file(engine, run)
