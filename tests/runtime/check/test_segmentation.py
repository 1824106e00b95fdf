"""Agreement of segmentations, from networks that call pixels by their brightness: counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unit_edge.errors import ConfigError, ModelError
from unit_edge.runtime.check.networks.segmenter import CITYSCAPES, Segmenter
from unit_edge.runtime.check.pairs import Pair
from unit_edge.runtime.check.parts.segmentation import Segmentation

WriteConstant = Callable[..., Path]


def write_by_green(tmp_path: Path, classes: int = 2) -> Path:
    """Scores [1,C,16,32]: the last class where green is 0.5 or more, else the first."""
    onnx = pytest.importorskip("onnx", reason="building test networks needs the export extra")
    from onnx import TensorProto, helper, numpy_helper

    weights = np.zeros((classes, 3, 1, 1), np.float32)
    weights[-1, 1] = 1
    bias = np.zeros(classes, np.float32)
    bias[0], bias[1:-1] = 0.5, -9
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weights", "bias"], ["logits"])],
        "by green",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 16, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, classes, 16, 32])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    path = tmp_path / "segmenter.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def pair(bright_before: int, bright_after: int, scene: str = "a") -> Pair:
    """32x16 pixels whose first columns are bright."""
    before, after = (np.zeros((16, 32, 3), np.uint8) for _ in range(2))
    before[:, :bright_before] = after[:, :bright_after] = 255
    return Pair(scene, "a.png", Path("a.png"), None, before, after)


def test_iou_by_hand(tmp_path: Path) -> None:
    with Segmenter(write_by_green(tmp_path), preprocess="0-1") as segmenter:
        part = Segmentation(segmenter, segmenter.names)
        part.see(pair(16, 8), None)
        part.see(pair(0, 8), None)
        answer = part.answer()
    figures = answer.figures["outputs"]["logits"]
    dark, bright = figures["classes"]
    # columns of both frames: bright 16 and 0 before, 8 and 8 after
    assert bright["iou"]["value"] == pytest.approx(8 / (16 + 8))
    assert dark["iou"]["value"] == pytest.approx((16 + 24) / (24 + 32))
    assert figures["mean_iou"]["value"] == pytest.approx((8 / 24 + 40 / 56) / 2)
    assert figures["pixels_alike"]["value"] == pytest.approx(48 / 64)
    assert (bright["share_before"], bright["share_after"]) == (16 / 64, 16 / 64)
    assert [row["class"] for row in answer.tables["segmentation.csv"]] == ["class 0", "class 1"]


def test_scenes_give_the_interval(tmp_path: Path) -> None:
    with Segmenter(write_by_green(tmp_path), preprocess="0-1") as segmenter:
        part = Segmentation(segmenter, segmenter.names)
        for number in range(8):
            part.see(pair(16, 16 - 2 * (number % 2), str(number)), None)
        bright = part.answer().figures["outputs"]["logits"]["classes"][1]["iou"]
    assert bright["value"] == pytest.approx(30 / 32)
    assert bright["low"] < 30 / 32 < bright["high"]


def test_cityscapes_is_assumed_and_a_file_is_believed(tmp_path: Path) -> None:
    with Segmenter(write_by_green(tmp_path, 19)) as segmenter:
        assert segmenter.names["logits"] == list(CITYSCAPES)
        assert any("Cityscapes" in note for note in segmenter.notes)
        assert segmenter.preprocess.values == "imagenet"
    (tmp_path / "names.txt").write_text("\n".join(f"thing {k}" for k in range(19)))
    with Segmenter(tmp_path / "segmenter.onnx", classes=tmp_path / "names.txt") as segmenter:
        assert segmenter.names["logits"][3] == "thing 3"
    (tmp_path / "names.txt").write_text("one\n")
    with pytest.raises(ConfigError, match=r"has 19 classes, but .* names 1"):
        Segmenter(tmp_path / "segmenter.onnx", classes=tmp_path / "names.txt").__enter__()


def test_a_detector_is_no_segmenter(write_constant: WriteConstant) -> None:
    path = write_constant({"output0": np.zeros((1, 84, 336), np.float32)})
    with pytest.raises(ModelError, match="expected a segmentation"):
        Segmenter(path).__enter__()


@pytest.mark.slow
def test_real_networks(networks: Path, data_root: Path) -> None:
    import cv2

    frame = np.asarray(cv2.imread(str(data_root / "bdd-day" / "bdd_trA00503.jpg")), np.uint8)
    with Segmenter(networks / "twinlitenet.onnx") as lanes:
        assert lanes.names == {"da": ["", "drivable area"], "ll": ["", "lane lines"]}
        drivable = lanes(frame)["da"]
        assert drivable[:100].mean() < 0.02 < 0.05 < drivable[180:].mean()  # the road is below
    with Segmenter(networks / "espnetv2_s_2.0_city_512x256.onnx") as streets:
        (classes,) = streets(frame).values()
        assert (classes[:40] == CITYSCAPES.index("sky")).mean() > 0.3
