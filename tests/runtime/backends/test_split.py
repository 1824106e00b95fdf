"""E and G alone, with the rest in OpenCV, against the whole graph: within one level at every size."""

from __future__ import annotations

import dataclasses
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from doubles import scene

from unit_edge.errors import ModelError
from unit_edge.manifests.model import Manifest
from unit_edge.registry import bundled_models, resolve_model
from unit_edge.runtime.backends.base import is_overlapping
from unit_edge.runtime.backends.open import open_runner

SIZES = [(1920, 1080), (1280, 720), (333, 517), (641, 359), (32, 32), (96, 33), (40, 640)]
"""Width and height: common, odd, portrait, tiny and long."""

BACKENDS = ["onnxruntime", "openvino"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A bundled model of which the manifest may be changed."""
    path = resolve_model("day2night-edge-s")
    for file in (path, path.with_suffix(".json")):
        shutil.copy(file, tmp_path)
    return tmp_path / path.name


def with_cut(model: Path, **names: str) -> None:
    path = model.with_suffix(".json")
    dataclasses.replace(Manifest.read(path), cut=names).write(path)


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(width).integers(0, 256, (1, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", [model.stem for model, _ in bundled_models()])
def test_halves_make_the_pictures_of_the_whole_graph(name: str, backend: str) -> None:
    pytest.importorskip(backend)
    (path,) = [path for path, _ in bundled_models() if path.stem == name]
    assert Manifest.read(path.with_suffix(".json")).cut, "has no halves"
    with (
        open_runner(path, "onnxruntime", threads=1, whole=True) as whole,
        open_runner(path, backend, threads=2) as halves,
    ):
        sizes = SIZES if name.startswith("day") else SIZES[1:4]
        for frames in (make(*size) for size in sizes for make in (scene, noise)):
            expected, given = whole.infer(frames), halves.infer(frames)
            assert np.abs(given.astype(int) - expected).max() <= 1
            assert given.shape == frames.shape and given.std() > 1, "the frames must not be blank"


@pytest.mark.parametrize("side", [1, 8, 148, 20_000])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_manifest_with_another_short_side_is_refused(backend: str, side: int, model: Path) -> None:
    """The memory for it would be taken outside the graph: 20,000 pixels would be terabytes."""
    path = model.with_suffix(".json")
    dataclasses.replace(Manifest.read(path), network_short_side=side).write(path)
    with (
        open_runner(model, backend, threads=1) as runner,
        pytest.raises(ModelError, match=r"no model of ours for frames of 96x64: '.*' is .*, by its manifest"),
    ):
        runner.infer(noise(96, 64))


@pytest.mark.parametrize("backend", BACKENDS)
def test_frames_that_overlap_are_each_their_own(backend: str, model: Path) -> None:
    pytest.importorskip(backend)
    frames = [scene(160 + 2 * n, 90) for n in range(3)] + [255 - scene(160, 90), noise(160, 90)]
    with (
        open_runner(model, "onnxruntime", threads=1, whole=True) as whole,
        open_runner(model, backend, threads=2) as halves,
    ):
        assert is_overlapping(halves)
        for first, second in pairwise(frames):
            waiting = [halves.start(first), halves.start(second)]
            for wait, given in zip(waiting, (first, second), strict=True):
                assert np.abs(wait().astype(int) - whole.infer(given)).max() <= 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_manifest_from_before_there_were_halves_has_the_whole_graph_run(backend: str, model: Path) -> None:
    pytest.importorskip(backend)
    frames = noise(200, 120)
    with open_runner(model, backend, threads=1, whole=True) as runner:
        expected = runner.infer(frames)
    path = model.with_suffix(".json")
    path.write_text(path.read_text().replace('"cut": {', '"made_from": {', 1))
    assert Manifest.read(path).cut == {}
    with open_runner(model, backend, threads=1) as runner:
        assert np.array_equal(runner.infer(frames), expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_names_that_the_graph_lacks_are_an_error_that_says_so(backend: str, model: Path) -> None:
    pytest.importorskip(backend)
    with_cut(model, small="small", translated="nothing")
    with pytest.raises(ModelError, match="'nothing' that the manifest names; export the model again"):
        open_runner(model, backend).__enter__()


@pytest.mark.parametrize("cut", [{"small": "a"}, {"small": "a", "translated": 3}, ["a"]])
def test_a_cut_of_another_form_is_a_damaged_manifest(cut: object, model: Path) -> None:
    raw = dataclasses.asdict(Manifest.read(model.with_suffix(".json")))
    with pytest.raises(ModelError, match="damaged manifest"):
        Manifest.from_dict({**raw, "cut": cut}, model)
