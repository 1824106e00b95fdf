"""`unit-edge check` as a person uses it: with a detector whose boxes are known."""

from __future__ import annotations

import base64
import csv
import json
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from browser import complaints, needs_browser, opened, set_size
from commands import cli

WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]

CAR, PERSON = (24, 24), (70, 40)
"""x, y of the pixels whose green value is the confidence of the box around them."""


def picture(car: float, person: float) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """96x64 pixels on which the detector finds these confidences."""
    image = np.zeros((64, 96, 3), np.uint8)
    for (x, y), confidence in ((CAR, car), (PERSON, person)):
        image[y - 8 : y + 8, x - 8 : x + 8] = round(255 * confidence)
    return image


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with `day` and `night`: 10 pictures, 10 cars of which 7 stay, 10 people of which 4."""
    folder = tmp_path / "here"
    for name in ("day", "night"):
        (folder / name).mkdir(parents=True)
    for index in range(10):
        night = picture(0.6 if index < 7 else 0.2, 0.8 if index < 4 else 0.0)
        for name, image in (("day", picture(0.8, 0.8)), ("night", night)):
            assert cv2.imwrite(str(folder / name / f"s{index // 2}_{index}.png"), image)
    monkeypatch.chdir(folder)
    return folder


class _Page(HTMLParser):
    """What a page refers to, its tables' cells, and whether its tags are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.cells: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if name in ("src", "href") and value]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "td":
            self.cells.append(data)


def group(result: Any, name: str, size: str = "all") -> Any:
    (found,) = [g for g in result["detections"]["groups"] if (g["class"], g["size"]) == (name, size)]
    return found


def test_two_folders(here: Path, bright: Path) -> None:
    code, stdout, stderr = cli("check", "day", "night", "--detector", bright, "--conf", "0.5")
    assert (code, stderr) == (0, "")
    result = json.loads((here / "day-check" / "check.json").read_text())
    car, person, everything = (group(result, name) for name in ("car", "person", "all"))
    assert [car[key] for key in ("before", "after", "kept", "lost", "faded", "invented")] == [
        10,
        7,
        7,
        3,
        0,
        0,
    ]
    assert [person[key] for key in ("before", "after", "kept", "lost")] == [10, 4, 4, 6]
    assert everything["kept_share"]["value"] == 11 / 20
    assert everything["kept_share"]["low"] < 11 / 20 < everything["kept_share"]["high"]
    assert car["confidence_before"]["value"] == pytest.approx(0.8, abs=0.01)
    assert car["confidence_after"]["value"] == pytest.approx(0.6, abs=0.01)
    # 32x32 and 20x40 pixels
    assert group(result, "car", "medium")["before"] == 10 and group(result, "person", "small")["before"] == 10
    curve = {point["confidence"]: point["kept_share"]["value"] for point in result["detections"]["curve"]}
    assert curve[0.15] == 14 / 20 and curve[0.7] == 4 / 20 and curve[0.9] is None
    assert (result["frames"], result["scenes"]) == (10, 10)

    last = json.loads(stdout.splitlines()[-1])
    assert last["detections"]["all"]["kept"] == 11
    assert "car" in stdout and "0.70 (" in stdout
    rows = list(csv.DictReader((here / "day-check" / "frames.csv").open()))
    assert [int(row["kept"]) for row in rows] == [2, 2, 2, 2, 1, 1, 1, 0, 0, 0]
    groups = list(csv.DictReader((here / "day-check" / "detections.csv").open()))
    assert {"class", "size", "kept_share", "kept_share_low"} <= groups[0].keys()


def test_the_page_needs_nothing_beside_it_and_holds_what_the_files_hold(here: Path, bright: Path) -> None:
    cli("check", "day", "night", "--detector", bright, "-o", "out", "--worst", "3")
    page = _Page()
    text = (here / "out" / "check.html").read_text(encoding="utf-8")
    page.feed(text)
    page.close()
    assert not page.open
    assert len(page.links) == 2 and all(link.startswith("data:image/png;base64,") for link in page.links)
    assert "http" not in text and "<script" not in text
    files = [(here / "out" / name).read_bytes() for name in ("curve.png", "worst.png")]
    assert [base64.b64decode(link.partition(",")[2]) for link in page.links] == files
    assert "car" in page.cells and "10 -> 7" in page.cells
    strip = cv2.imdecode(np.frombuffer(files[1], np.uint8), cv2.IMREAD_COLOR)
    assert strip is not None and strip.shape[0] > 3 * 64 and strip.shape[1] == 2 * 96 + 4


@pytest.mark.slow
@needs_browser
def test_the_page_in_a_browser(here: Path, bright: Path, tmp_path: Path) -> None:
    cli("check", "day", "night", "--detector", bright, "-o", "out", "--worst", "3")
    driver = opened(tmp_path / "profile")
    try:
        driver.get((here / "out" / "check.html").as_uri())
        for width in (360, 1280):
            set_size(driver, width, 800)
            shown = "return [...document.images].map((image) => [image.naturalWidth, image.width])"
            images = driver.execute_script(shown)
            assert len(images) == 2 and all(min(sizes) > 0 and sizes[1] <= width for sizes in images)
            assert driver.execute_script("return document.body.scrollWidth") <= width
        asked_for = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
        assert all(name.startswith("data:") for name in driver.execute_script(asked_for))
        assert complaints(driver) == []
    finally:
        driver.quit()


def test_translated_on_the_way(here: Path, write_model: WriteModel, bright: Path) -> None:
    invert = write_model("invert")
    code, _, _ = cli("check", "day", "--model", invert, "--detector", bright, "-o", "out")
    result = json.loads((here / "out" / "check.json").read_text())
    assert code == 0 and group(result, "all")["kept"] == 0
    assert result["model"]["name"] == "invert" and result["translated"] is None
    (here / "dark").mkdir()
    cv2.imwrite(str(here / "dark" / "a.png"), np.zeros((64, 96, 3), np.uint8))
    code, _, _ = cli("check", "dark", "--model", invert, "--detector", bright, "-o", "out")
    result = json.loads((here / "out" / "check.json").read_text())
    assert [group(result, "all")[key] for key in ("before", "invented")] == [0, 2]
    assert group(result, "all")["kept_share"]["value"] is None
    assert group(result, "all")["invented_share"]["value"] == 1


def test_videos_are_scenes_and_their_frames_pairs(here: Path, write_clip: WriteClip, bright: Path) -> None:
    def written(name: str, confidence: float) -> Path:
        return write_clip(name, frames=6, size=(96, 64), paint=lambda _: picture(confidence, confidence))

    day, night = written("day.mp4", 0.9), written("night.mp4", 0.6)
    code, _, _ = cli("check", day, night, "--detector", bright, "--every", "2", "-o", "out")
    result = json.loads((here / "out" / "check.json").read_text())
    assert code == 0 and (result["frames"], result["scenes"]) == (3, 1)
    assert group(result, "all")["kept"] == 6 and group(result, "all")["kept_share"]["low"] is None
    assert "no intervals: these need 5 scenes" in result["notes"][0]
    longer = write_clip("longer.mp4", frames=9, size=(96, 64), paint=lambda _: picture(0.6, 0.6))
    code, _, stderr = cli("check", day, longer, "--detector", bright, "-o", "out")
    assert code == 1 and stderr.count("\n") == 1
    assert "goes on after frame 6" in stderr and "6 frames compared" in stderr
    assert json.loads((here / "out" / "check.json").read_text())["frames"] == 6


def test_scenes_by_name(here: Path, bright: Path) -> None:
    cli("check", "day", "night", "--detector", bright, "--scene", "^[^_]+", "-o", "out")
    assert json.loads((here / "out" / "check.json").read_text())["scenes"] == 5


def test_what_is_broken_is_named_and_the_rest_finished(here: Path, bright: Path) -> None:
    (here / "day" / "s0_0.png").write_bytes(b"no picture")
    (here / "night" / "s0_1.png").unlink()
    cv2.imwrite(str(here / "night" / "s1_2.png"), np.zeros((64, 64, 3), np.uint8))
    code, stdout, stderr = cli("check", "day", "night", "--detector", bright)
    assert code == 1 and stderr.count("\n") == 1
    assert "3 left out, 7 frames compared" in stderr
    for name in ("s0_0.png: can't be read", "s0_1.png: no translation", "s1_2.png 64x64, of another aspect"):
        assert name in stderr
    result = json.loads((here / "day-check" / "check.json").read_text())
    assert result["frames"] == 7 and len(result["left_out"]) == 3
    assert json.loads(stdout.splitlines()[-1])["frames"] == 7


def test_min_kept_is_an_exit_code_and_a_flag(here: Path, bright: Path) -> None:
    arguments = ["check", "day", "night", "--detector", bright, "--min-kept"]
    code, _, stderr = cli(*arguments, "0.9")
    assert code == 3 and "kept 0.550 of the boxes, less than --min-kept 0.9" in stderr
    result = json.loads((here / "day-check" / "check.json").read_text())
    assert result["detections"]["frames_below_min_kept"] == 6
    assert cli(*arguments, "0.5")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["day"], "give INPUT and its TRANSLATED, or INPUT and --model"),
        (["day", "night", "--model", "day2night-edge-s"], "give INPUT and its TRANSLATED"),
        (["day", "night", "NONE"], "say what to check with: --detector FILE.onnx, --segmenter"),
        (["day", "no", "DETECTOR"], "no: no such file"),
        (["day", "CLIP", "DETECTOR"], "day has pictures and"),
        (["day", "other", "DETECTOR"], "none of its 1 files is named as one of the 10 in day"),
        (["day", "empty", "DETECTOR"], "empty: no images or videos in this folder"),
        (["0", "night", "DETECTOR"], "is a live source"),
        (["day", "night", "DETECTOR", "-o", "file"], "file: is a file"),
        (["day", "night", "DETECTOR", "--decode", "v9000"], "--decode 'v9000'; expected one of"),
        (["day", "night", "DETECTOR", "--only", "lorry"], "no class 'lorry'; it has person, car"),
        (["day", "night", "DETECTOR", "--scene", "("], "no regular expression"),
        (["day", "night", "--detector", "no.onnx"], "no.onnx: no such file"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(
    here: Path, write_clip: WriteClip, bright: Path, arguments: list[str], expected: str
) -> None:
    for name in ("other", "empty"):
        (here / name).mkdir()
    cv2.imwrite(str(here / "other" / "x.png"), picture(0, 0))
    (here / "file").write_text("")
    before = sorted(here.iterdir())
    given: list[str] = []
    for argument in arguments:
        if argument == "DETECTOR":
            given += ["--detector", str(bright)]
        elif argument != "NONE":
            given.append(str(write_clip("clip.mp4")) if argument == "CLIP" else argument)
    code, _, stderr = cli("check", *given)
    assert code == 1
    assert stderr.startswith("error: ") and stderr.count("\n") == 1
    assert expected in stderr
    assert sorted(here.iterdir()) == before


def labels_of(folder: Path, *, boxes: Any = None, names: tuple[str, str] = ("Car", "pedestrian")) -> Path:
    """COCO labels of `here`: in every picture the car and the person, as they are."""
    given = boxes or [[8, 8, 32, 32], [60, 20, 20, 40]]
    images = [{"id": k, "file_name": f"s{k // 2}_{k}.png"} for k in range(10)]
    annotations = [
        {"id": 2 * k + part, "image_id": k, "category_id": part, "bbox": given[part]}
        for k in range(10)
        for part in range(2)
    ]
    categories = [{"id": part, "name": name} for part, name in enumerate(names)]
    path = folder / "labels.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def test_against_labels(here: Path, bright: Path) -> None:
    arguments = ["check", "day", "night", "--detector", bright, "--conf", "0.5", "-o", "out"]
    given = labels_of(here)
    code, stdout, _ = cli(*arguments, "--ground-truth", given, "--rename", "pedestrian=person")
    truth = json.loads((here / "out" / "check.json").read_text())["ground_truth"]
    assert code == 0 and truth["pictures"] == 10 and not truth["unknown_classes"]
    groups = {g["class"]: g for g in truth["groups"]}
    assert groups["all"]["recall_before"]["value"] == 1 and groups["all"]["recall_after"]["value"] == 11 / 20
    assert groups["car"]["recall_after"]["value"] == 0.7
    assert groups["all"]["precision_after"]["value"] == 1
    assert truth["average_precision_before"] == {"ap": 1.0, "ap50": 1.0}
    assert 0.5 < truth["average_precision_after"]["ap"] < 1
    assert "Against labels" in stdout and "(pycocotools)" in stdout
    assert "Against labels" in (here / "out" / "check.html").read_text()
    # without --rename only the car is known, and that is said
    cli(*arguments, "--ground-truth", given)
    truth = json.loads((here / "out" / "check.json").read_text())["ground_truth"]
    assert truth["unknown_classes"] == ["pedestrian"]


def test_where_kitti_does_not_care_nothing_is_invented(here: Path, bright: Path) -> None:
    line = "{} 0.00 0 -1.58 {} {} {} {} 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n"
    (here / "labels").mkdir()
    for path in (here / "day").iterdir():
        text = line.format("Car", 8, 8, 40, 40) + line.format("DontCare", 56, 16, 90, 63)
        (here / "labels" / f"{path.stem}.txt").write_text(text)
    arguments = ["check", "day", "night", "--detector", bright, "--ground-truth", "labels", "-o", "out"]
    code, _, _ = cli(*arguments)
    truth = json.loads((here / "out" / "check.json").read_text())["ground_truth"]
    (everything,) = [g for g in truth["groups"] if g["class"] == "all"]
    # the people, whom no label names, are in the region
    assert code == 0 and everything["labels"] == everything["boxes_before"] == 10
    assert everything["precision_before"]["value"] == 1 and not truth["unknown_classes"]


def test_clips_against_labels_of_their_frames(here: Path, write_clip: WriteClip, bright: Path) -> None:
    # the person goes after frame 3; by night the car's confidence falls to 0.2 then
    def by_day(index: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        return picture(0.9, 0.9 if index < 4 else 0)

    def by_night(index: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        return picture(0.9 if index < 4 else 0.2, 0.9 if index < 4 else 0)

    day, night = (
        write_clip(f"{name}.mp4", frames=8, size=(96, 64), paint=paint)
        for name, paint in (("day", by_day), ("night", by_night))
    )
    truth = here / "gt.txt"
    cars = [f"{index},1,8,8,32,32,1,3,1" for index in range(1, 9)]
    truth.write_text("\n".join([*cars, *(f"{index},2,60,20,20,40,1,1,1" for index in range(1, 5))]))
    arguments = ["check", day, night, "--detector", bright, "--ground-truth", truth, "-o", "out"]
    code, stdout, stderr = cli(*arguments, "--rename", "pedestrian=person")
    found = json.loads((here / "out" / "check.json").read_text())["ground_truth"]
    assert (code, stderr, found["kind"], found["pictures"]) == (0, "", "MOT", 8)
    groups = {g["class"]: g for g in found["groups"]}
    assert [groups["car"][key] for key in ("labels", "found_before", "found_after")] == [8, 8, 4]
    assert [groups["person"][key] for key in ("labels", "found_before", "found_after")] == [4, 4, 4]
    assert groups["all"]["precision_after"]["value"] == 1
    assert "Against the labels of 8 frames (MOT)" in stdout
    # read as labels of every second frame, they go beyond the clip; three lines leave the rest unlabelled
    code, _, stderr = cli(*arguments, "--rename", "pedestrian=person", "--label-step", "2")
    assert code == 1 and "labels go to frame 14, but the clip ends with frame 7" in stderr
    truth.write_text("\n".join(cars[:3]))
    code, _, stderr = cli(*arguments)
    assert code == 1 and "day.mp4: 5 frames have no labels" in stderr and "--label-step N" in stderr
    code, _, stderr = cli("check", "day", "night", *arguments[3:], "--label-step", "2")
    assert code == 1 and "--label-step is for labels of videos" in stderr
    code, _, stderr = cli(*arguments, "--label-from", "1")
    assert code == 1 and "gt.txt has labels of MOT, whose first frame has a fixed number" in stderr
    # COCO's frames from 1, as some converters count them
    frames = range(1, 9)
    content = {
        "videos": [{"id": 1, "name": "day"}],
        "images": [{"id": k, "video_id": 1, "frame_id": k, "file_name": f"{k}.jpg"} for k in frames],
        "annotations": [{"id": k, "image_id": k, "category_id": 1, "bbox": [8, 8, 32, 32]} for k in frames],
        "categories": [{"id": 1, "name": "car"}],
    }
    (here / "videos.json").write_text(json.dumps(content))
    arguments[6] = here / "videos.json"
    code, stdout, stderr = cli(*arguments)
    assert (code, stderr) == (0, "") and "taken to count from 1; --label-from 0 says otherwise" in stdout
    assert "Against the labels of 8 frames (COCO video)" in stdout
    code, _, stderr = cli(*arguments, "--label-from", "0")
    assert code == 1 and "labels go to frame 8, but the clip ends with frame 7" in stderr


def test_labels_that_do_not_fit_are_named(here: Path, bright: Path) -> None:
    arguments = ["check", "day", "night", "--detector", bright, "--ground-truth"]
    code, _, stderr = cli(*arguments, labels_of(here, names=("lorry", "tram")))
    assert code == 1 and "the labels' classes, lorry, tram, are none of the detector's, person, car" in stderr
    (here / "day" / "s0_0.png").rename(here / "day" / "unlabelled.png")
    (here / "night" / "s0_0.png").rename(here / "night" / "unlabelled.png")
    code, _, stderr = cli(*arguments, labels_of(here, boxes=[[8, 8, 32, 32], [200, 20, 20, 40]]))
    assert code == 1 and stderr.count("\n") == 1
    for text in (
        "s0_0.png: labelled, but no such picture",
        "unlabelled.png: no labels for it",
        "has no area",
    ):
        assert text in json.dumps(json.loads((here / "day-check" / "check.json").read_text())["left_out"])


def test_structure_alone_needs_no_detector(here: Path) -> None:
    code, stdout, stderr = cli("check", "day", "day", "--plates", "-o", "out")
    assert (code, stderr) == (0, "")
    files = sorted(path.name for path in (here / "out").iterdir())
    assert files == ["check.html", "check.json", "structure.csv", "structure.png"]
    assert json.loads(stdout.splitlines()[-1])["structure"]["ssim_of_gradients"]["value"] > 0.99
    code, _, stderr = cli("check", "day", "day", "--plates", "--min-kept", "0.9")
    assert code == 1 and "--min-kept needs --detector" in stderr


@pytest.mark.parametrize("missing", ["scipy", "matplotlib", "pycocotools"])
def test_missing_packages_are_named_with_their_extra(here: Path, bright: Path, missing: str) -> None:
    code = (
        f"import sys; sys.modules['{missing}'] = None\n"
        "from unit_edge.cli import main\nsys.argv = ['unit-edge', *sys.argv[1:]]\nmain()"
    )
    arguments = ["check", "day", "night", "--detector", str(bright), "--ground-truth", str(labels_of(here))]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert f"needs {missing}: install it with `pip install " in done.stderr and "[check]" in done.stderr
    assert not (here / "day-check").exists()


def test_real_pictures_through_a_bundled_model(here: Path, data_root: Path) -> None:
    networks = data_root.parent / "models"
    if not networks.is_dir():
        pytest.skip("needs the real networks in shared/models")
    (here / "real").mkdir()
    for path in sorted((data_root / "bdd-day").glob("*.jpg"))[::150]:
        (here / "real" / path.name).symlink_to(path)
    detector = networks / "yolox_nano.onnx"
    code, _, _ = cli("check", "real", "--model", "day2night-edge-s", "--detector", detector, "-o", "out")
    everything = group(json.loads((here / "out" / "check.json").read_text()), "all")
    assert code == 0 and everything["before"] > 10 and 0.2 < everything["kept_share"]["value"] < 1
    # a picture with itself keeps all and invents nothing
    code, _, _ = cli("check", "real", "real", "--detector", detector, "-o", "out")
    everything = group(json.loads((here / "out" / "check.json").read_text()), "all")
    assert everything["kept_share"]["value"] == 1 and everything["invented"] == 0
