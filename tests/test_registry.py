"""Bundled models are found by what they translate to."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from unit_edge.errors import ConfigError
from unit_edge.manifests.model import Manifest
from unit_edge.registry import PRECISIONS, bundled_models, find_model, find_reverse, resolve_model

WriteModel = Callable[..., Path]


@pytest.fixture
def folder(write_model: WriteModel, tmp_path: Path) -> Path:
    """A folder with day-to-night, dusk-to-night and clear-to-snow."""
    folder = tmp_path / "models"
    folder.mkdir()
    for source, target in (("day", "night"), ("dusk", "night"), ("clear", "snow")):
        model = write_model(name=f"{source}-to-{target}", source=source, target=target)
        for path in (model, model.with_suffix(".json")):
            shutil.move(path, folder)
    return folder


def test_all_are_listed(folder: Path) -> None:
    names = [manifest.name for _, manifest in bundled_models(folder)]
    assert names == ["clear-to-snow", "day-to-night", "dusk-to-night"]
    assert all(path.is_file() and path.suffix == ".onnx" for path, _ in bundled_models(folder))


def test_by_target_and_source(folder: Path) -> None:
    assert find_model("snow", folder=folder).stem == "clear-to-snow"
    assert find_model("night", "dusk", folder=folder).stem == "dusk-to-night"
    with pytest.raises(ConfigError, match=r"name one: .* add --from with one of: day, dusk"):
        find_model("night", folder=folder)
    with pytest.raises(ConfigError, match="no model translates from 'rain' to snow; known: from clear"):
        find_model("snow", "rain", folder=folder)


def test_an_unknown_domain_lists_the_known_ones(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown domain 'nigth'; known: night, snow"):
        find_model("nigth", folder=folder)
    with pytest.raises(ConfigError, match="no model is bundled"):
        find_model("night", folder=tmp_path / "none")


def test_other_precisions_lie_apart(folder: Path, write_model: WriteModel) -> None:
    small = write_model(name="day-to-night-int8", source="day", target="night", precision="int8")
    back = write_model(name="night-to-day-int8", source="night", target="day", precision="int8")
    (folder / "int8").mkdir()
    for model in (small, back):
        for path in (model, model.with_suffix(".json")):
            shutil.move(path, folder / "int8")
    assert find_model("night", "day", folder).stem == "day-to-night"
    found = find_model("night", folder=folder, precision="int8")
    assert found == folder / "int8" / "day-to-night-int8.onnx"
    assert resolve_model("day-to-night-int8", folder) == found
    assert find_reverse(Manifest.read(found.with_suffix(".json")), folder) == folder / "int8" / back.name
    with pytest.raises(ConfigError, match="unknown domain 'snow'; known: day, night"):
        find_model("snow", folder=folder, precision="int8")
    with pytest.raises(ConfigError, match="precision 'fp8', expected one of: fp32, int8"):
        find_model("night", folder=folder, precision="fp8")


def test_by_path_or_name(folder: Path, write_model: WriteModel) -> None:
    mine = write_model("invert")
    assert resolve_model(str(mine), folder) == mine
    assert resolve_model("clear-to-snow", folder) == folder / "clear-to-snow.onnx"
    assert resolve_model("missing.onnx", folder) == Path("missing.onnx")


def test_the_models_in_the_package_are_whole() -> None:
    from unit_edge.runtime.backends.open import read_model

    for precision in PRECISIONS:
        for path, manifest in bundled_models(precision=precision):
            assert read_model(path) == manifest
            assert manifest.precision == precision
            assert find_model(manifest.target, manifest.source, precision=precision) == path
