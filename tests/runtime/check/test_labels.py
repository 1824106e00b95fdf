"""Labels of four formats say the same; what is wrong with them is told."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unit_edge.errors import ConfigError, DataError
from unit_edge.runtime.check.datasets.open import read_dataset
from unit_edge.runtime.check.labels.read import read_labels
from unit_edge.runtime.check.labels.yolo import label_path, read_data_yaml
from unit_edge.runtime.check.networks.names import names_in, read_names

WIDTH, HEIGHT = 200, 100
BOX = [20.0, 10.0, 60.0, 40.0]
NAMES = ["person", "car"]


def coco(**changes: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"id": 7, "image_id": 1, "category_id": 3, "bbox": [20, 10, 40, 30], "iscrowd": 0}],
        "categories": [{"id": 3, "name": "car"}],
        **changes,
    }


def write(tmp_path: Path, kind: str) -> Path:
    if kind == "COCO":
        path = tmp_path / "coco.json"
        path.write_text(json.dumps(coco()))
    elif kind == "BDD":
        path = tmp_path / "bdd.json"
        box = {"x1": 20, "y1": 10, "x2": 60, "y2": 40}
        labels = [{"category": "car", "box2d": box}, {"category": "lane", "poly2d": []}]
        path.write_text(json.dumps([{"name": "a.png", "labels": labels}]))
    elif kind == "KITTI":
        path = tmp_path / "label_2"
        path.mkdir()
        (path / "a.txt").write_text(
            "car 0.00 0 -1.58 20.0 10.0 60.0 40.0 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n"
        )
    else:
        (tmp_path / "images/val").mkdir(parents=True)
        (tmp_path / "labels/val").mkdir(parents=True)
        (tmp_path / "labels/val/a.txt").write_text("1 0.2 0.25 0.2 0.3\n")
        path = tmp_path / "data.yaml"
        path.write_text("path: .\ntrain: images/val\nval: images/val\nnames: [person, car]\n")
        if kind == "YOLO folder":
            path = tmp_path / "labels/val"
    return path


@pytest.mark.parametrize("kind", ["COCO", "BDD", "KITTI", "YOLO", "YOLO folder"])
def test_the_same_box_in_every_format(tmp_path: Path, kind: str) -> None:
    pictures = [tmp_path / "images/val/a.png"]
    found = read_labels(write(tmp_path, kind), pictures, NAMES)
    assert found.kind == kind.partition(" ")[0] and not found.faults
    labels = found.of(pictures[0])
    assert labels is not None and labels.names == ["car"]
    assert np.allclose(labels.in_pixels(WIDTH, HEIGHT), [BOX])
    assert found.of(Path("b.png")) is None


def test_coco_is_read_as_pycocotools_reads_it(tmp_path: Path) -> None:
    module = pytest.importorskip("pycocotools.coco", reason='needs pip install "unit-edge[check]"')
    path = write(tmp_path, "COCO")
    theirs = module.COCO(str(path))
    (annotation,) = theirs.loadAnns(theirs.getAnnIds(imgIds=[1]))
    labels = read_labels(path, [], []).of(Path("a.png"))
    x, y, width, height = annotation["bbox"]
    assert labels is not None and labels.boxes == [(x, y, x + width, y + height)]


def test_pictures_of_one_name_in_several_folders(tmp_path: Path) -> None:
    names = ["night/a.png", "day/a.png", "a.png"]
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    boxes = [{"id": k, "image_id": k, "category_id": 3, "bbox": [k, 0, 9, 9]} for k in range(3)]
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(coco(images=images, annotations=boxes)))
    found = read_labels(path, [], [])
    for place, folder in enumerate(("night", "day", "other")):
        labels = found.of(tmp_path / folder / "a.png")
        assert labels is not None and labels.boxes == [(place, 0, place + 9, 9)]
    assert found.without_picture([tmp_path / "day" / "a.png"]) == ["night/a.png", "a.png"]
    path.write_text(json.dumps(coco(images=images[:2], annotations=boxes[:2])))
    assert read_labels(path, [], []).of(tmp_path / "other" / "a.png") is None  # it could be either


def test_what_is_wrong_with_coco_is_named_and_the_rest_used(tmp_path: Path) -> None:
    good = coco()["annotations"][0]
    changes = {
        "images": [*coco()["images"], {"id": 1, "file_name": "b.png"}],
        "annotations": [
            good,
            good,
            {**good, "id": 8, "image_id": 9},
            {**good, "id": 9, "category_id": 9},
            {**good, "id": 10, "bbox": [1, 2]},
        ],
    }
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(coco(**changes)))
    found = read_labels(path, [], [])
    labels = found.of(Path("a.png"))
    assert labels is not None and len(labels.boxes) == 2
    for text in ("b.png: its id 1", "annotation 7: its id is", "image 9", "category 9", "bbox [1, 2]"):
        assert any(text in fault for fault in found.faults), text
    assert len(found.faults) == 5


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.json", "{", "can't be read as JSON"),
        ("a.json", "{}", "has no list 'images'"),
        ("a.json", "3", "holds no labels; expected a COCO"),
        ("a.json", "[{}]", "an entry without a name"),
        ("a.yaml", "names: [a", "can't be read as YAML"),
        ("a.yaml", "train: x", "names no classes"),
        ("a.yaml", "names: [a]", "has none of train, val and test"),
        ("no.json", None, "no such file or folder"),
        (".", None, "no .txt files in this folder"),
    ],
)
def test_no_labels(tmp_path: Path, name: str, content: str | None, expected: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=expected.replace("(", r"\(")):
        read_labels(tmp_path / name, [], [])


def test_yolo_lines_that_are_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(
        "1 0.2 0.25 0.2 0.3\n2 0.2 0.25 0.2 0.3\n1 0.2\n1 0.1 0.1 0.3 0.1 0.3 0.5\n"
    )
    found = read_labels(tmp_path, [], NAMES)
    labels = found.of(Path("a.jpg"))
    assert labels is not None and np.allclose(labels.boxes[1], [0.1, 0.1, 0.3, 0.5])  # a polygon's box
    assert "line 2: class 2, but only 2 classes have names" in found.faults[0]
    assert "line 3: '1 0.2'; expected YOLO's" in found.faults[1]


_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n"
    for old, new in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("names: [a]\ntrain: 2001-99-99", "can't be read as YAML"),
        ("names: [a]\ntrain: !!int x", "can't be read as YAML"),
        ("names: [a]\ntrain: !!bool x", "can't be read as YAML"),
        ("names: [a]\ntrain: !!timestamp 'x'", "can't be read as YAML"),
        ("names: [a]\ntrain: " + "1" * 5000, "can't be read as YAML"),
        ("names: [a]\ntrain: 0x" + "f" * 5000, "a number beyond 64 bits"),
        ("names: [a]\ntrain: " + "[" * 3000, "nested more than 64 deep"),
        ("names: [a]\ntrain: &a [*a]", "its aliases stand for more"),
        (_BOMB + "names: *j\ntrain: x", "its aliases stand for more"),
        ("names: {1: a, b: c}\ntrain: x", "are numbered 1, b"),
        ("names: {.inf: a}\ntrain: x", "are numbered inf"),
    ],
)
def test_hostile_yaml_is_one_line(tmp_path: Path, entry: str, expected: str) -> None:
    path = tmp_path / "data.yaml"
    path.write_text(entry + "\n")
    for read in (lambda: read_labels(path, [], NAMES), lambda: read_dataset(path)):
        with pytest.raises(DataError, match=expected) as raised:
            read()
        assert "\n" not in str(raised.value) and len(str(raised.value)) < 400


def test_aliases_that_people_write_are_read(tmp_path: Path) -> None:
    path = tmp_path / "data.yaml"
    path.write_text("train: &same [images]\nval: *same\nnames: {1: car, 0: person}\n")
    found = read_data_yaml(path)
    images = [tmp_path / "images"]
    assert found.splits == {"train": images, "val": images} and found.names == ["person", "car"]


@pytest.mark.parametrize(
    "said", ["{[]: 1}", "{1e999: 'a'}", "[" * 5000, "{0: 'a'" + " " * 2**20 + "}", "{0: open}", "\0"]
)
def test_a_models_metadata_that_names_no_classes(said: str) -> None:
    assert names_in({"names": said}) is None


def test_hostile_files_of_names_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    for content in ("[" * 100_000, "1" * 5000, '["a", "\\ud800"]'):
        path.write_text(content)
        with pytest.raises(ConfigError, match="no names in it"):
            read_names(path)
    pipe = tmp_path / "names.txt"
    os.mkfifo(pipe)
    with pytest.raises(ConfigError, match="no regular file"):
        read_names(pipe)


@pytest.mark.parametrize("name", ["coco.json", "data.yaml", "gt.txt", "names.txt"])
def test_files_of_gigabytes_are_refused_before_they_are_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.touch()
    os.truncate(path, 2**40)  # more than there is memory
    read = (lambda: read_names(path)) if name == "names.txt" else (lambda: read_labels(path, [], NAMES))
    with pytest.raises(ValueError, match=r"larger than [0-9]+ bytes"):
        read()


def test_a_pipe_among_the_labels_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(DataError, match="no regular file"):
        read_labels(tmp_path, [], NAMES)


def test_where_ultralytics_looks_for_labels() -> None:
    assert label_path(Path("/d/images/train/x.jpg")) == Path("/d/labels/train/x.txt")
    assert label_path(Path("/images/d/images/x.tar.png")) == Path("/images/d/labels/x.tar.txt")


def test_boxes_of_bdd_that_are_none_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    box = {"x1": 0, "y1": 0, "x2": 5, "y2": 5}
    labels = [{"category": "car", "box2d": 7}, 3, {"category": "car", "box2d": box, "attributes": 3}]
    path.write_text(json.dumps({"frames": [{"name": "a.png", "labels": labels}]}))
    found = read_labels(path, [], [])
    good = found.of(Path("a.png"))
    assert good is not None and good.boxes == [(0, 0, 5, 5)]
    assert len(found.faults) == 1 and "a.png: None is no number" in found.faults[0]
