"""Classes of pictures from a network whose answer is known, and what the disk keeps of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from unit_edge.errors import ConfigError
from unit_edge.train.guides import segmentation
from unit_edge.train.guides.scene import SceneClass
from unit_edge.train.guides.segmentation import CITYSCAPES, Segmenter


def network(path: Path, classes: int = 20) -> Path:
    """An ONNX file that calls a pixel sky (10) as strongly as it is blue, else road (0)."""
    weight = np.zeros((classes, 3, 1, 1), np.float32)
    weight[10, 2], weight[0, 2] = 50, -50
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weight"], ["logits"])],
        "segmentation",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 64, 128])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, classes, 64, 128])],
        [helper.make_tensor("weight", TensorProto.FLOAT, weight.shape, weight.ravel().tolist())],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def half_blue() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    image = np.zeros((90, 160, 3), np.uint8)
    image[:45, :, 0] = 255
    return image


def test_every_class_of_cityscapes_is_one_part() -> None:
    ids = sorted(i for ids in CITYSCAPES.values() for i in ids)
    assert ids == list(range(19))
    assert list(CITYSCAPES) == list(SceneClass)


def test_classes_are_where_the_network_sees_them(tmp_path: Path) -> None:
    classes = Segmenter(network(tmp_path / "n.onnx"))(half_blue())
    assert classes.shape == (128, 256, len(SceneClass))
    assert classes[:60, :, SceneClass.SKY].min() == 255
    assert classes[68:, :, SceneClass.ROAD].min() == 255
    assert classes[..., SceneClass.VEHICLE].max() == 0


def test_a_street_network_as_it_is_published_opens(data_root: Path) -> None:
    """ESPNetv2's file has 73,802 operations, for its exporter spelled every slice out."""
    published = data_root.parent / "models" / "espnetv2_s_2.0_city_512x256.onnx"
    if not published.is_file():
        pytest.skip(f"no {published}")
    image = cv2.imread(str(data_root / "bdd-day" / "bdd_trA00503.jpg"))
    assert image is not None
    sky = Segmenter(published)(np.asarray(image, np.uint8))[..., SceneClass.SKY]
    assert sky[:20].mean() > 80 > 2 > sky[64:].mean()


def test_a_picture_is_segmented_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = network(tmp_path / "n.onnx")
    first = Segmenter(path)(half_blue())

    def fail(*_: object) -> None:
        raise AssertionError("segmented again")

    monkeypatch.setattr(Segmenter, "_infer", fail)
    assert np.array_equal(Segmenter(path)(half_blue()), first)
    with pytest.raises(AssertionError, match="again"):
        Segmenter(path)(half_blue()[:, ::-1] // 2)


@pytest.mark.parametrize("damage", [b"", b"no archive"])
def test_a_damaged_entry_is_made_anew(tmp_path: Path, cache: Path, damage: bytes) -> None:
    path = network(tmp_path / "n.onnx")
    first = Segmenter(path)(half_blue())
    (entry,) = cache.rglob("*.npz")
    entry.write_bytes(damage)
    assert np.array_equal(Segmenter(path)(half_blue()), first)
    assert entry.read_bytes() != damage


def test_a_network_that_is_missing_or_something_else(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        Segmenter(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ConfigError, match=r"guide\.segmenter"):
        Segmenter(tmp_path / "text.onnx")(half_blue())
    with pytest.raises(ConfigError, match="19 classes"):
        Segmenter(network(tmp_path / "few.onnx", classes=12))(half_blue())


def test_a_folder_that_cannot_be_written(tmp_path: Path, cache: Path) -> None:
    cache.write_text("a file")
    with pytest.raises(segmentation.DataError, match="XDG_CACHE_HOME"):
        Segmenter(network(tmp_path / "n.onnx"))(half_blue())
