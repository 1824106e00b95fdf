"""Labels of clips in four formats say the same of each frame; what is wrong with them is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unit_edge.errors import DataError
from unit_edge.runtime.check.labels.clips import ClipLabels
from unit_edge.runtime.check.labels.read import read_clip_labels, read_labels

BOX = (20.0, 10.0, 60.0, 40.0)
KITTI = "{} 3 Car 0 0 -1.58 20.0 10.0 60.0 40.0 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n"
CLIP = Path("drive.mp4")


def coco_video(**changes: Any) -> dict[str, Any]:
    return {
        "videos": [{"id": 5, "name": "drive"}],
        "images": [{"id": 1, "video_id": 5, "frame_id": 2, "file_name": "drive/000002.jpg"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [20, 10, 40, 30]}],
        "categories": [{"id": 3, "name": "car"}],
        **changes,
    }


def bdd_frames() -> list[dict[str, Any]]:
    box = {"x1": 20, "y1": 10, "x2": 60, "y2": 40}
    label = {"id": "7", "category": "car", "box2d": box, "attributes": {"crowd": False}}
    return [{"name": "drive-0000003.jpg", "videoName": "drive", "frameIndex": 2, "labels": [label]}]


def write(folder: Path, kind: str) -> Path:
    """Labels of frame 2 (from 0) of the clip drive, in a format."""
    folder.mkdir(exist_ok=True)
    if kind == "MOT":
        path = folder / "drive" / "gt" / "gt.txt"
        path.parent.mkdir(parents=True)
        path.write_text("3,1,20,10,40,30,1,3,0.9\n")
        return folder / "drive"
    if kind == "KITTI tracking":
        path = folder / "drive.txt"
        path.write_text(KITTI.format(2))
    elif kind == "COCO video":
        path = folder / "labels.json"
        path.write_text(json.dumps(coco_video()))
    else:
        path = folder / "drive.json"
        content = bdd_frames()
        path.write_text(json.dumps({"frames": content, "config": {}} if kind == "Scalabel" else content))
    return path


@pytest.mark.parametrize("kind", ["MOT", "KITTI tracking", "COCO video", "BDD tracking", "Scalabel"])
def test_the_same_frame_in_every_format(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "labels", kind)
    for given in (path, tmp_path / "labels"):
        found = read_clip_labels(given, [CLIP, Path("other.mp4")])
        assert found.kind == kind.replace("Scalabel", "BDD tracking") and not found.faults
        labels = found.of(CLIP, 2)
        assert labels is not None and labels.boxes == [BOX] and [n.lower() for n in labels.names] == ["car"]
        assert found.of(Path("other.mp4"), 2) is None
        assert found.of(CLIP, 3) is None


def test_a_frame_between_lines_of_mot_has_no_objects(tmp_path: Path) -> None:
    folder = write(tmp_path, "MOT")
    found = read_clip_labels(folder, [CLIP])
    empty = found.of(CLIP, 0)
    assert empty is not None and not empty.boxes
    assert found.of(CLIP, 3) is None
    (folder / "seqinfo.ini").write_text("[Sequence]\nname=drive\nseqLength=10\n")
    found = read_clip_labels(folder, [CLIP])
    assert found.of(CLIP, 9) is not None and found.of(CLIP, 10) is None


def test_what_mot_ignores_is_neither_missed_nor_wrong(tmp_path: Path) -> None:
    path = write(tmp_path, "MOT") / "gt" / "gt.txt"
    path.write_text("1,1,0,0,9,9,1,1,1\n1,2,0,0,9,9,0,8,1\n1,3,0,0,9,9,0,3,1\n1,4,0,0,9,9,0,9,1\n")
    labels = read_clip_labels(path, [CLIP]).of(CLIP, 0)
    # as TrackEval has it: a distractor takes detections of pedestrians; ignored cars and occluders take none
    assert (
        labels is not None and labels.names == ["pedestrian", "pedestrian"] and labels.crowd == [False, True]
    )
    path.with_name("labels.txt").write_text("car\ntram\n")  # CVAT's
    path.write_text("1,1,0,0,9,9,1,2,1\n1,2,0,0,9,9,0,1,1\n1,2,0,0,9,9,1,3,1\n")
    found = read_clip_labels(path, [CLIP])
    labels = found.of(CLIP, 0)
    assert labels is not None and labels.names == ["tram", "car"] and labels.crowd == [False, True]
    assert "line 3: class 3, but classes 1 to 2 have names" in found.faults[0]
    # MOT15: coordinates of the world instead of a class
    path.with_name("labels.txt").unlink()
    path.write_text("1,1,0,0,9,9,1,-1,-1,-1\n1,1,0,0,9,9,1,4.5,7.5,0\n")
    labels = read_clip_labels(path, [CLIP]).of(CLIP, 0)
    assert labels is not None and labels.names == ["pedestrian", "pedestrian"]


def test_labels_of_every_sixth_frame(tmp_path: Path) -> None:
    found = read_clip_labels(write(tmp_path, "BDD tracking"), [CLIP], step=6)
    assert found.of(CLIP, 12) is not None and found.of(CLIP, 2) is None
    assert [found.expected(frame) for frame in (0, 1, 6)] == [True, False, True]
    assert found.without_clip([(CLIP, 13)]) == []
    (line,) = found.without_clip([(CLIP, 12)])
    assert "labels go to frame 12, but the clip ends with frame 11" in line


def test_frame_ids_of_coco_that_count_from_1(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    # as ByteTrack's converter of MOT17 writes them
    images = [{"id": k, "video_id": 5, "frame_id": k, "file_name": f"drive/{k:06}.jpg"} for k in (1, 2, 3)]
    boxes = [{"id": 1, "image_id": 3, "category_id": 3, "bbox": [20, 10, 40, 30]}]
    path.write_text(json.dumps(coco_video(images=images, annotations=boxes)))
    found = read_clip_labels(path, [CLIP])
    labels = found.of(CLIP, 2)
    assert labels is not None and labels.boxes == [BOX] and found.of(CLIP, 3) is None
    assert found.without_clip([(CLIP, 3)]) == []
    (note,) = found.notes
    assert "taken to count from 1; --label-from 0 says otherwise" in note
    said = read_clip_labels(path, [CLIP], first=0)
    assert said.of(CLIP, 2) is not said.of(CLIP, 3) is not None and not said.notes
    assert len(said.without_clip([(CLIP, 3)])) == 1
    # with a frame 0 they count from 0, and 1 is told to be wrong
    path.write_text(json.dumps(coco_video(images=[{**images[0], "frame_id": 0}, *images[1:]])))
    found = read_clip_labels(path, [CLIP])
    assert found.of(CLIP, 0) is not None and not found.notes
    assert "expected a frame's number, from 1" in read_clip_labels(path, [CLIP], first=1).faults[0]
    # BDD100K's, which a program may number from 1 too
    path.write_text(json.dumps(bdd_frames()))
    assert read_clip_labels(path, [CLIP], first=1).of(CLIP, 1) is not None


def test_one_clip_and_its_labels_need_no_common_name(tmp_path: Path) -> None:
    path = write(tmp_path, "COCO video")
    assert read_clip_labels(path, [Path("x.mp4")]).of(Path("x.mp4"), 2) is not None
    two = read_clip_labels(path, [Path("x.mp4"), Path("y.mp4")])
    assert two.of(Path("x.mp4"), 2) is None
    assert two.without_clip([(Path("x.mp4"), 9)]) == ["drive: labelled, but no such clip"]


@pytest.mark.parametrize(
    ("kind", "names"), [("MOT", ["000001", "000003"]), ("KITTI tracking", ["000000", "2"])]
)
def test_pictures_of_a_clip_are_found_by_their_numbers(tmp_path: Path, kind: str, names: list[str]) -> None:
    pictures = [tmp_path / "img1" / f"{name}.jpg" for name in names]
    found = read_labels(write(tmp_path, kind), pictures, [])
    assert isinstance(found, ClipLabels)
    first, second = (found.of(picture) for picture in pictures)
    assert first is not None and not first.boxes and second is not None and second.boxes == [BOX]
    assert found.of(tmp_path / "img1" / "name.jpg") is None
    assert found.without_picture(pictures) == []
    assert len(found.without_picture(pictures[:1])) == 1


def test_lines_and_entries_that_are_wrong_are_named_and_the_rest_used(tmp_path: Path) -> None:
    mot = write(tmp_path / "a", "MOT") / "gt" / "gt.txt"
    mot.write_text("1,1,0,0,9,9,1,1,1\n0,1,0,0,9,9,1,1,1\n2,1,0,0\nx,1,0,0,9,9\n2,1,0,nan,9,9,1,1,1\n")
    found = read_clip_labels(mot, [CLIP])
    assert found.of(CLIP, 0) is not None and len(found.faults) == 4
    for line, text in zip((2, 3, 4, 5), ("from 1 on", "4 columns", "frame 'x'", "no number"), strict=True):
        assert any(f"line {line}: " in fault and text in fault for fault in found.faults)
    image = coco_video()["images"][0]
    images = [image, {**image, "id": 2}, {**image, "id": 3, "video_id": 9}, {"id": [4], "frame_id": 4}]
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(coco_video(images=images)))
    found = read_clip_labels(path, [CLIP])
    labels = found.of(CLIP, 2)
    assert labels is not None and labels.boxes == [BOX]
    for text in (
        "image 2: its id, or its frame 2 of drive",
        "video 9, which isn't",
        "without id or frame_id",
    ):
        assert any(text in fault for fault in found.faults), text
    path.write_text(json.dumps([*bdd_frames(), *bdd_frames()]))
    assert "frame 2 of drive is listed twice" in read_clip_labels(path, [CLIP]).faults[0]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", "0 0.5 0.5 0.1 0.1", "is no line of a clip's labels; expected MOTChallenge's"),
        ("a.json", "{", "can't be read as JSON"),
        ("a.json", "[" * 100_000, "is nested too deeply"),
        ("a.json", "{}", "holds no labels; expected labels of clips"),
        ("a.json", '{"videos": 3}', "has no list 'videos' of objects"),
        ("a.json", '[{"name": "a.jpg"}]', "without videoName and frameIndex"),
        ("no.json", None, "no such file or folder; expected labels of clips"),
        (".", None, "no labels in this folder"),
    ],
)
def test_no_labels_of_clips(tmp_path: Path, name: str, content: str | None, expected: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=expected):
        read_clip_labels(tmp_path / name, [CLIP])
