"""Each layout of outputs, from a network whose boxes are known: recognised, placed back, named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unit_edge.errors import ConfigError, ModelError
from unit_edge.runtime.check.boxes import Boxes
from unit_edge.runtime.check.networks.detector import Detector, DetectorOptions
from unit_edge.runtime.check.networks.names import COCO, coco_ids

WriteConstant = Callable[..., Path]
FRAME = np.zeros((48, 96, 3), np.uint8)
"""Twice as wide as high: on a 128x128 input its scale is 4/3, its height 64, and a letterbox pads 32."""

BOX = (30.0, 12.0, 60.0, 36.0)
"""On the frame."""
SIDE = 128
STRETCHED = (40.0, 32.0, 80.0, 96.0)
LETTERBOXED = (40.0, 48.0, 80.0, 80.0)
TOP_LEFT = (40.0, 16.0, 80.0, 48.0)
CELLS = 16 * 16 + 8 * 8 + 4 * 4


def centre(box: tuple[float, ...]) -> list[float]:
    x1, y1, x2, y2 = box
    return [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]


def scores(count: int, number: int, value: float) -> list[float]:
    return [value if place == number else 0.01 for place in range(count)]


def v5() -> dict[str, NDArray[Any]]:
    rows = np.zeros((1, 3 * CELLS, 5 + 80), np.float32)
    rows[0, 17] = [*centre(LETTERBOXED), 0.9, *scores(80, 2, 0.8)]
    rows[0, 18] = [*centre((42, 48, 82, 80)), 0.8, *scores(80, 2, 0.8)]  # the same object once more
    return {"output0": rows}


def v8(dtype: Any = np.float32) -> dict[str, NDArray[Any]]:
    rows = np.zeros((1, 4 + 80, CELLS), dtype)
    rows[0, :, 70] = [*centre(LETTERBOXED), *scores(80, 2, 0.72)]
    return {"output0": rows}


def yolox() -> dict[str, NDArray[Any]]:
    """The cell of stride 8 at column 7, row 4 has the box: 256 cells in rows of 16."""
    rows = np.zeros((1, CELLS, 5 + 80), np.float32)
    x, y, width, height = centre(TOP_LEFT)
    rows[0, 4 * 16 + 7] = [
        x / 8 - 7,
        y / 8 - 4,
        np.log(width / 8),
        np.log(height / 8),
        0.9,
        *scores(80, 2, 0.8),
    ]
    return {"output": rows}


def yolox_decoded() -> dict[str, NDArray[Any]]:
    rows = np.zeros((1, CELLS, 5 + 80), np.float32)
    rows[0, 5] = [*centre(TOP_LEFT), 0.9, *scores(80, 2, 0.8)]
    return {"output": rows}


def with_nms() -> dict[str, NDArray[Any]]:
    rows = np.zeros((1, 300, 6), np.float32)
    rows[0, 0] = [*LETTERBOXED, 0.72, 2]
    return {"output0": rows}


def v7() -> dict[str, NDArray[Any]]:
    return {"output": np.array([[0, *LETTERBOXED, 2, 0.72]], np.float32)}


def torchvision() -> dict[str, NDArray[Any]]:
    return {
        "1200": np.array([STRETCHED], np.float32),
        "1201": np.array([3], np.int64),
        "1202": np.array([0.72], np.float32),
    }


def tensorflow() -> dict[str, NDArray[Any]]:
    x1, y1, x2, y2 = (side / SIDE for side in STRETCHED)
    boxes = np.zeros((1, 10, 4), np.float32)
    boxes[0, 0] = [y1, x1, y2, x2]
    numbers, confidence = np.full((1, 10), 3, np.float32), np.full((1, 10), 0.72, np.float32)
    return {
        "detection_boxes": boxes,
        "detection_classes": numbers,
        "detection_scores": confidence,
        "num_detections": np.array([1], np.float32),
    }


def efficient_nms() -> dict[str, NDArray[Any]]:
    return {
        "num_dets": np.array([[1]], np.int32),
        "det_boxes": np.array([[STRETCHED, STRETCHED]], np.float32),
        "det_scores": np.array([[0.72, 0.7]], np.float32),
        "det_classes": np.array([[2, 2]], np.int32),
    }


def ssd_raw() -> dict[str, NDArray[Any]]:
    boxes = np.array([[STRETCHED, STRETCHED, (0, 0, SIDE, SIDE)]], np.float32) / SIDE
    background = scores(91, 0, 0.99)
    return {
        "scores": np.array([[scores(91, 3, 0.72), scores(91, 3, 0.6), background]], np.float32),
        "boxes": boxes,
    }


def detr(count: int, softmax: bool) -> dict[str, NDArray[Any]]:
    logits = np.full((1, 100, count), -12.0, np.float32)
    if softmax:
        logits[0, :, -1] = 8  # no object
        logits[0, 7, -1] = -12
        logits[0, 7, 3], logits[0, 7, 5] = np.log(0.72), np.log(0.28)
    else:
        logits[0, 7, 2 if count == 80 else 3] = np.log(0.72 / 0.28)
    boxes = np.full((1, 100, 4), 0.5, np.float32)
    boxes[0, 7] = np.array(centre(STRETCHED)) / SIDE
    return {"logits": logits, "pred_boxes": boxes}


def rf_detr() -> dict[str, NDArray[Any]]:
    outputs = detr(91, softmax=False)
    return {"dets": outputs["pred_boxes"], "labels": outputs["logits"]}


def rtdetr() -> dict[str, NDArray[Any]]:
    rows = np.zeros((1, 300, 84), np.float32)
    rows[0, 4] = [*(np.array(centre(STRETCHED)) / SIDE), *scores(80, 2, 0.72)]
    return {"output0": rows}


def rtdetr_ranked() -> dict[str, NDArray[Any]]:
    """As ultralytics exports RT-DETR from 8.4 on: shares of the picture, which look like an NMS' pixels."""
    rows = np.full((1, 300, 6), 0.01, np.float32)
    rows[0, :, 5] = 7
    rows[0, 0] = [*(np.array(centre(STRETCHED)) / SIDE), 0.72, 2]
    return {"output0": rows}


def fastestdet() -> dict[str, NDArray[Any]]:
    tensor = np.zeros((1, 85, 8, 8), np.float32)
    x, y, width, height = (side / SIDE for side in centre(STRETCHED))
    column, row = 3, 4
    logit = [float(np.log(side / (1 - side))) for side in (width, height)]
    offsets = [float(np.arctanh(x * 8 - column)), float(np.arctanh(y * 8 - row))]
    confidence = 0.72  # 0.72 ** 0.6 * 0.72 ** 0.4
    tensor[0, :, row, column] = [confidence, *offsets, *logit, *scores(80, 2, confidence)]
    return {"758": tensor}


CASES = {
    "yolov5": v5(),
    "yolov8": v8(),
    "yolox": yolox(),
    "yolo-nms": with_nms(),
    "yolov7-nms": v7(),
    "ssd": torchvision(),
    "ssd (TensorFlow)": tensorflow(),
    "ssd (EfficientNMS)": efficient_nms(),
    "ssd-raw": ssd_raw(),
    "detr": detr(92, softmax=True),
    "detr-sigmoid": detr(80, softmax=False),
    "deformable-detr": detr(91, softmax=False),
    "deformable-detr (RF-DETR)": rf_detr(),
    "rtdetr": rtdetr(),
    "rtdetr (ranked)": rtdetr_ranked(),
    "fastestdet": fastestdet(),
}


def only_box(found: Boxes) -> tuple[list[float], float, int]:
    assert len(found) == 1
    return found.xyxy[0].tolist(), float(found.scores[0]), int(found.classes[0])


@pytest.mark.parametrize("case", CASES)
def test_a_layout_is_recognised_and_its_box_is_where_it_should_be(
    write_constant: WriteConstant, case: str
) -> None:
    with Detector(write_constant(CASES[case])) as detector:
        assert detector.layout.name == case.partition(" ")[0]
        box, score, number = only_box(detector(FRAME, 0.3))
        assert box == pytest.approx(BOX, abs=0.01)
        assert score == pytest.approx(0.72, abs=1e-3)
        assert detector.names[number] == "car"
        assert "COCO's" in detector.notes[0] and len(detector.notes) == (2 if case == "detr" else 1)


def test_boxes_in_pixels_of_a_yolox_are_told(write_constant: WriteConstant) -> None:
    options = DetectorOptions(decode="yolox-decoded")
    with Detector(write_constant(yolox_decoded()), options) as detector:
        assert only_box(detector(FRAME, 0.3))[0] == pytest.approx(BOX, abs=0.01)


def test_names_and_half_precision_of_an_ultralytics_export(write_constant: WriteConstant) -> None:
    from onnx import TensorProto

    names = {number: f"thing {number}" for number in range(80)}
    path = write_constant(v8(np.float16), dtype=TensorProto.FLOAT16, metadata={"names": str(names)})
    with Detector(path) as detector:
        assert detector.names[2] == "thing 2" and not detector.notes
        assert only_box(detector(FRAME, 0.3))[2] == 2


def test_what_transformers_processors_do_to_the_picture(write_constant: WriteConstant) -> None:
    """Of DETR, Deformable DETR and RT-DETR: only the last doesn't normalise."""
    for outputs, expected in (
        (detr(92, softmax=True), "stretch,rgb,imagenet"),
        (detr(91, softmax=False), "stretch,rgb,imagenet"),
        (detr(80, softmax=False), "stretch,rgb,0-1"),
    ):
        with Detector(write_constant(outputs)) as detector:
            assert detector.preprocess.text == expected


def test_names_tell_the_kinds_of_detr_apart(write_constant: WriteConstant, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("person\nbus\ntram\ncar\nbike\n")
    # five classes, of which the fourth is found: RT-DETR's kind, and DETR's with "no object" after them
    for outputs, kind in ((detr(5, softmax=False), "detr-sigmoid"), (detr(6, softmax=True), "detr")):
        path = write_constant(outputs)
        with Detector(path, DetectorOptions(classes=names)) as detector:
            box, score, number = only_box(detector(FRAME, 0.3))
            assert (detector.layout.name, detector.names[number], detector.notes) == (kind, "car", [])
            assert box == pytest.approx(BOX, abs=0.01) and score == pytest.approx(0.72, abs=1e-3)
        with Detector(path) as detector:
            assert detector.layout.name == "detr" and "--decode detr-sigmoid" in detector.notes[1]


def test_masks_and_key_points_are_cut_off_the_boxes(write_constant: WriteConstant) -> None:
    names = {"names": str({0: "person", 1: "bus", 2: "car"})}
    rows = np.full((1, 4 + 3 + 32, CELLS), 9.0, np.float32)  # what isn't a score would win
    rows[0, :7] = 0
    rows[0, :7, 70] = [*centre(LETTERBOXED), *scores(3, 2, 0.72)]
    prototypes = np.zeros((1, 32, 32, 32), np.float32)
    by_rows = np.full((1, 300, 6 + 32), 9.0, np.float32)
    by_rows[0, :, :6] = 0
    by_rows[0, 0, :6] = [*LETTERBOXED, 0.72, 2]
    pose = {"task": "pose", "kpt_shape": "[16, 2]"}
    for outputs, metadata in (
        ({"output0": rows, "output1": prototypes}, {"task": "segment"}),
        ({"output0": by_rows, "output1": prototypes}, {}),  # with NMS in the graph
        ({"output0": rows}, pose),
    ):
        with Detector(write_constant(outputs, metadata={**names, **metadata})) as detector:
            box, score, number = only_box(detector(FRAME, 0.3))
            assert box == pytest.approx(BOX, abs=0.01) and score == pytest.approx(0.72)
            assert detector.names[number] == "car"
    path = write_constant({"output0": rows}, metadata={**names, "task": "obb"})
    with pytest.raises(ModelError, match="is made for obb, which gives rotated boxes"), Detector(path):
        pass


def test_a_picture_in_rows_of_bytes(write_constant: WriteConstant) -> None:
    from onnx import TensorProto

    path = write_constant(tensorflow(), dtype=TensorProto.UINT8, shape=(1, "h", "w", 3))
    with Detector(path, DetectorOptions(size=(SIDE, SIDE))) as detector:
        assert only_box(detector(FRAME, 0.3))[0] == pytest.approx(BOX, abs=0.01)


@pytest.mark.parametrize("shape", [(3, SIDE, SIDE), (SIDE, SIDE, 3)])
def test_torchvisions_own_export_takes_a_picture_not_a_batch(
    write_constant: WriteConstant, shape: tuple[int, ...]
) -> None:
    with Detector(write_constant(torchvision(), shape=shape)) as detector:
        assert only_box(detector(FRAME, 0.3))[0] == pytest.approx(BOX, abs=0.01)


def test_rtdetrs_own_export_wants_a_size(write_constant: WriteConstant) -> None:
    from onnx import TensorProto, helper

    outputs = {
        "labels": np.array([[2]], np.int64),
        "boxes": np.array([[STRETCHED]], np.float32),
        "scores": np.array([[0.72]], np.float32),
    }
    more = [helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, [1, 2])]
    with Detector(write_constant(outputs, more_inputs=more)) as detector:
        box, _, number = only_box(detector(FRAME, 0.3))
        assert box == pytest.approx(BOX, abs=0.01) and detector.names[number] == "car"


def test_only_some_classes(write_constant: WriteConstant) -> None:
    path = write_constant(v8())
    with Detector(path, DetectorOptions(only=("person",))) as detector:
        assert not len(detector(FRAME, 0.3))
    with pytest.raises(ConfigError, match="no class 'lorry'; it has person, bicycle"):
        Detector(path, DetectorOptions(only=("lorry",))).__enter__()


def test_a_classes_file(write_constant: WriteConstant, tmp_path: Path) -> None:
    path = write_constant({"output0": v8()["output0"][:, :6]})
    for name, text in (
        ("names.txt", "lorry\ntram\n"),
        ("names.json", '{"0": "lorry", "1": "tram"}'),
        ("data.yaml", "names:\n  0: lorry\n  1: tram\n"),
    ):
        (tmp_path / name).write_text(text)
        with Detector(path, DetectorOptions(classes=tmp_path / name)) as detector:
            assert detector.names == ["lorry", "tram"]
    (tmp_path / "names.txt").write_text("lorry\n")
    with pytest.raises(ConfigError, match=r"has 2 classes, but .*names.txt names 1"):
        Detector(path, DetectorOptions(classes=tmp_path / "names.txt")).__enter__()


@pytest.mark.parametrize(
    ("outputs", "options", "error", "expected"),
    [
        (
            {"embedding": np.zeros((1, 128), np.float32)},
            DetectorOptions(),
            ModelError,
            r"outputs embedding float32\[1,128\] .* of no known layout; say with --decode .*yolov8.*detr",
        ),
        (
            v8(),
            DetectorOptions(decode="yolo9000"),
            ConfigError,
            "--decode 'yolo9000'; expected one of yolov5",
        ),
        (v8(), DetectorOptions(decode="detr"), ModelError, "can't be decoded as detr"),
        (
            v8(),
            DetectorOptions(preprocess="rbg"),
            ConfigError,
            "--preprocess 'rbg'; expected some of letterbox",
        ),
        (v8(), DetectorOptions(size=(96, 96)), ModelError, "takes 128x128 pixels and can't be run at 96x96"),
        (v8(), DetectorOptions(classes=Path("no.txt")), ConfigError, "--classes no.txt: can't be read"),
    ],
)
def test_what_does_not_fit_is_said(
    write_constant: WriteConstant,
    outputs: dict[str, NDArray[Any]],
    options: DetectorOptions,
    error: type[Exception],
    expected: str,
) -> None:
    with pytest.raises(error, match=expected):
        Detector(write_constant(outputs), options).__enter__()


def test_inputs_that_are_no_picture(write_constant: WriteConstant, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="expected one picture"):
        Detector(write_constant(v8(), shape=(4, 3, SIDE, SIDE))).__enter__()
    for shape in ((SIDE, SIDE), (1, 1, 3, SIDE, SIDE)):
        with pytest.raises(ModelError, match="expected one picture"):
            Detector(write_constant(v8(), shape=shape)).__enter__()
    with pytest.raises(ModelError, match="no such file"):
        Detector(tmp_path / "no.onnx").__enter__()
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ModelError, match="can't load it"):
        Detector(tmp_path / "text.onnx").__enter__()


def test_cocos_ids_are_pycocotools_own() -> None:
    assert len(COCO) == 80 and len(coco_ids()) == 91
    assert [coco_ids()[k] for k in (1, 3, 10, 13, 44, 90)] == [
        *("person", "car", "traffic light", "stop sign", "bottle", "toothbrush")
    ]


def test_real_detectors_find_the_cars_of_a_street(networks: Path, data_root: Path) -> None:
    import cv2

    frame = cv2.imread(str(data_root / "bdd-day" / "bdd_trA00503.jpg"))
    assert frame is not None
    for name, layout in (("yolox_nano.onnx", "yolox"), ("fastestdet.onnx", "fastestdet")):
        with Detector(networks / name) as detector:
            assert detector.layout.name == layout
            found = detector(np.asarray(frame, np.uint8), 0.5)
            car = found.classes == COCO.index("car")
            # the dark car in the middle of the left half
            near = (abs(found.xyxy - [45, 145, 200, 225]) < 25).all(1)
            assert (car & near).sum() == 1
