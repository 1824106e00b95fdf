"""`unit-edge translate` of labelled data sets, read back by the libraries that people read them with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import cli
from labelled_sets import record, roboflow, value_of, write_picture

WriteModel = Callable[..., Path]


def test_coco_is_read_back_by_pycocotools(here: Path, coco: Path, write_model: WriteModel) -> None:
    module = pytest.importorskip("pycocotools.coco", reason='needs pip install "unit-edge[check]"')
    code, stdout, stderr = cli("translate", coco, "--model", write_model("invert"), "-o", "out")
    assert (code, stderr) == (0, "") and "out: COCO, 4 translated" in stdout
    theirs = module.COCO(str(here / "out" / "annotations" / "train.json"))
    assert sorted(theirs.getImgIds()) == [10, 11, 12, 13]
    for image in theirs.loadImgs(theirs.getImgIds()):
        assert value_of(here / "out" / "images" / image["file_name"]) == 215
        (annotation,) = theirs.loadAnns(theirs.getAnnIds(imgIds=[image["id"]]))
        assert annotation["bbox"] == [1, 2, 30, 40]
    entries = record(here / "out")["pictures"]
    assert [entry["source"] for entry in entries] == [entry["file"] for entry in entries]
    assert {entry["target"] for entry in entries} == {"night"} and len(entries[0]["sha256"]) == 64
    assert not list((here / "out").glob(".*"))


def test_several_domains_get_ids_of_their_own(here: Path, coco: Path) -> None:
    module = pytest.importorskip("pycocotools.coco", reason='needs pip install "unit-edge[check]"')
    code, _, _ = cli("translate", coco, "--to", "night,snow", "-o", "out", "-q")
    assert code == 0
    theirs = module.COCO(str(here / "out" / "annotations" / "train.json"))
    names = {image["file_name"] for image in theirs.loadImgs(theirs.getImgIds())}
    assert {"a_night.png", "a_snow.png", "deep/c_snow.png"} < names and len(names) == 8
    assert len(set(theirs.getAnnIds())) == 8
    assert all(len(theirs.getAnnIds(imgIds=[key])) == 1 for key in theirs.getImgIds())


def test_a_share_is_translated_and_the_seed_says_which(here: Path, write_model: WriteModel) -> None:
    for index in range(40):
        write_picture(here / "set" / "images" / "train" / f"{index:03}.png")
        label = here / "set" / "labels" / "train" / f"{index:03}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text("0 0.5 0.5 0.2 0.2\n")
    (here / "set" / "val.txt").write_text("./images/train/000.png\n./images/train/001.png\n")
    yaml = here / "set" / "data.yaml"
    yaml.write_text("path: .\ntrain: images/train\nval: val.txt\nnames:\n  0: car\n")
    invert = write_model("invert")

    def run(folder: str, *more: str) -> list[int]:
        code, _, stderr = cli("translate", yaml, "--model", invert, "--mix", "0.5", "-o", folder, *more)
        assert (code, stderr) == (0, "")
        return [value_of(here / folder / "images" / "train" / f"{index:03}.png") for index in range(40)]

    once = run("one")
    assert set(once) == {40, 215} and 10 <= once.count(215) <= 30
    assert run("two") == once and run("three", "--seed", "1") != once
    translated = [e["file"] for e in record(here / "one")["pictures"] if e["target"] == "night"]
    assert len(translated) == once.count(215)
    # as ultralytics documents: the labels beside, images → labels; lists relative to themselves with ./
    assert (here / "one" / "labels" / "train" / "007.txt").read_text() == "0 0.5 0.5 0.2 0.2\n"
    parsed = pytest.importorskip("yaml").safe_load((here / "one" / "data.yaml").read_text())
    assert parsed == {"train": "images/train", "val": "val.txt", "names": {0: "car"}}
    lines = (here / "one" / "val.txt").read_text().split()
    assert lines == ["./images/train/000.png", "./images/train/001.png"]
    assert all((here / "one" / line).is_file() for line in lines)


def test_lists_of_splits_get_every_domains_name(here: Path) -> None:
    write_picture(here / "set" / "images" / "x.png")
    (here / "set" / "train.txt").write_text("./images/x.png\n")
    (here / "set" / "data.yaml").write_text("train: train.txt\nval: train.txt\nnames: [car]\n")
    assert cli("translate", "set/data.yaml", "--to", "night,rain", "-o", "out")[0] == 0
    assert (here / "out" / "train.txt").read_text() == "./images/x_night.png\n./images/x_rain.png\n"


def test_paths_of_yolo_stay_with_the_new_set(here: Path, write_model: WriteModel) -> None:
    """Absolute ones, from which the new set would be trained on the old pictures, and Roboflow's ../"""
    yaml = pytest.importorskip("yaml", reason='needs pip install "unit-edge[check]"')
    invert = write_model("invert")
    roboflow(here / "set")
    root = here / "set"
    picture, listed = root / "val" / "images" / "val.png", root / "val.txt"
    listed.write_text(f"{picture}\n")
    contents = {
        "absolute.yaml": f"train: [{root}/train/images]\nval: {listed}\nnames: [car]\n",
        "roboflow.yaml": "train: ../train/images\nval: ../val/images\nnc: 1\n",
    }
    for name, content in contents.items():
        (here / "set" / name).write_text(content)
        code, _, stderr = cli("translate", f"set/{name}", "--model", invert, "-o", name[:-5])
        assert (code, stderr) == (0, "")
        for split in ("train", "val"):
            assert value_of(here / name[:-5] / split / "images" / f"{split}.png") == 215
            assert (here / name[:-5] / split / "labels" / f"{split}.txt").is_file()
    assert listed.read_text() == f"{picture}\n" and value_of(picture) == 40
    parsed = yaml.safe_load((here / "absolute" / "absolute.yaml").read_text())
    assert parsed == {"train": ["train/images"], "val": "val.txt", "names": ["car"]}
    assert (here / "absolute" / "val.txt").read_text() == "./val/images/val.png\n"
    parsed = yaml.safe_load((here / "roboflow" / "roboflow.yaml").read_text())
    assert parsed == {"train": "train/images", "val": "val/images", "nc": 1}


def test_masks_of_yolos_semantic_segmentation_come_along(here: Path, write_model: WriteModel) -> None:
    write_picture(here / "set" / "images" / "train" / "a.jpg")
    write_picture(here / "set" / "classes" / "train" / "a.png", 3)
    write_picture(here / "set" / "val" / "b.jpg")
    write_picture(here / "set" / "val" / "b.png")  # a picture of its own
    (here / "set" / "data.yaml").write_text(
        "train: images/train\nval: val\nnames: [car]\nmasks_dir: classes\n"
    )
    arguments = ["translate", "set/data.yaml", "--model", write_model("invert"), "--suffix", "_dark"]
    assert cli(*arguments, "-o", "out")[0] == 0
    made = here / "out" / "classes" / "train" / "a_dark.png"
    assert made.read_bytes() == (here / "set" / "classes" / "train" / "a.png").read_bytes()
    assert value_of(here / "out" / "val" / "b_dark.png") == 215
    assert "masks_dir: classes" in (here / "out" / "data.yaml").read_text()


def test_a_data_yaml_elsewhere(here: Path, write_model: WriteModel) -> None:
    roboflow(here / "set")
    (here / "elsewhere").mkdir()
    yaml = here / "elsewhere" / "data.yaml"
    yaml.write_text(f"train: {here}/set/train/images\nval: {here}/set/val/images\nnames: [car]\n")
    invert = write_model("invert")
    assert cli("translate", yaml, "--model", invert, "-o", "out")[0] == 0
    assert value_of(here / "out" / "val" / "images" / "val.png") == 215
    # what it is made of is never replaced, --overwrite or not
    code, _, stderr = cli("translate", yaml, "--model", invert, "-o", "set", "--overwrite")
    assert code == 1 and "pictures and labels of the data set" in stderr and "would be replaced" in stderr
    assert value_of(here / "set" / "val" / "images" / "val.png") == 40


def test_a_list_of_bdd_is_written_for_the_translated_pictures(here: Path, write_model: WriteModel) -> None:
    write_picture(here / "set" / "images" / "a.png")
    box = {"x1": 1, "y1": 2, "x2": 30, "y2": 40}
    entry = {"name": "a.png", "labels": [{"category": "car", "box2d": box}]}
    (here / "set" / "labels.json").write_text(json.dumps([entry, {**entry, "labels": []}]))
    code, _, stderr = cli("translate", "set/labels.json", "--model", write_model("invert"), "-o", "out")
    assert code == 1 and "a.png is listed twice; the first is used" in stderr
    assert json.loads((here / "out" / "annotations" / "labels.json").read_text()) == [entry]
    assert value_of(here / "out" / "images" / "a.png") == 215


def test_ids_of_coco_that_are_no_keys_are_named(here: Path, coco: Path, write_model: WriteModel) -> None:
    content = json.loads(coco.read_text())
    content["images"][0]["id"] = [1]
    content["annotations"][0]["image_id"] = {}
    content["images"].append({"id": 99, "file_name": "x" * 300 + ".png"})
    coco.write_text(json.dumps(content))
    code, stdout, stderr = cli("translate", coco, "--model", write_model("invert"), "-o", "out")
    assert code == 1 and stderr.count("\n") == 1 and "an image without file_name or id" in stderr
    assert "xxx.png: listed, but no such picture" in stderr
    made = json.loads((here / "out" / "annotations" / "train.json").read_text())
    assert [image["id"] for image in made["images"]] == [11, 12, 13] and len(made["annotations"]) == 3
    assert "3 translated" in stdout


@pytest.mark.parametrize(
    ("picture", "labels", "kind", "suffixed"),
    [
        (
            "leftImg8bit/train/ulm/ulm_000000_000019_leftImg8bit.png",
            [
                "gtFine/train/ulm/ulm_000000_000019_gtFine_labelIds.png",
                "gtFine/train/ulm/ulm_000000_000019_gtFine_polygons.json",
            ],
            "Cityscapes",
            "leftImg8bit/train/ulm/ulm_000000_000019_dark_leftImg8bit.png",
        ),
        (
            "training/image_2/000012.png",
            ["training/label_2/000012.txt", "training/calib/000012.txt"],
            "KITTI",
            "training/image_2/000012_dark.png",
        ),
        (
            "images/100k/train/0a0a.jpg",
            ["labels/sem_seg/masks/train/0a0a.png", "labels/100k/train/0a0a.json"],
            "BDD",
            "images/100k/train/0a0a_dark.jpg",
        ),
    ],
)
def test_trees(
    here: Path, write_model: WriteModel, picture: str, labels: list[str], kind: str, suffixed: str
) -> None:
    write_picture(here / "set" / picture)
    for label in labels:
        path = here / "set" / label
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"label of {label}".encode())
    invert = write_model("invert")
    code, stdout, _ = cli("translate", "set", "--dataset", "--model", invert, "-o", "out")
    assert code == 0 and f"{kind}, 1 translated" in stdout
    files = {p.relative_to(here / "out").as_posix() for p in (here / "out").rglob("*") if p.is_file()}
    assert files == {picture, *labels, "dataset.json"}
    assert abs(value_of(here / "out" / picture) - 215) <= 1
    for label in labels:
        assert (here / "out" / label).read_bytes() == f"label of {label}".encode()
    cli("translate", "set", "--dataset", "--model", invert, "--suffix", "_dark", "-o", "dark")
    files = {p.relative_to(here / "dark").as_posix() for p in (here / "dark").rglob("*") if p.is_file()}
    assert suffixed in files and len(files) == len(labels) + 2
    assert all("_dark" in name for name in files - {"dataset.json"})


def test_what_a_tree_says_of_many_pictures(here: Path, write_model: WriteModel) -> None:
    """BDD100K's list of labels in its tree, KITTI's lists of splits: written anew with the new names."""
    invert = write_model("invert")
    box = {"x1": 1, "y1": 2, "x2": 30, "y2": 40}
    frames = [{"name": f"{name}.jpg", "labels": [{"category": "car", "box2d": box}]} for name in ("a", "b")]
    write_picture(here / "bdd" / "images" / "100k" / "val" / "a.jpg")
    labels = here / "bdd" / "labels" / "det_20" / "det_val.json"
    labels.parent.mkdir(parents=True)
    labels.write_text(json.dumps({"frames": frames, "config": {}}))
    (here / "bdd" / "README.txt").write_bytes(b"What this is: stra\xdfe\n")
    labels.with_name("cut.json").write_text('[{"name": "a.jpg", ')
    arguments = ["--dataset", "--model", invert, "--suffix", "_dark", "-o"]
    code, stdout, stderr = cli("translate", "bdd", *arguments, "bdd-dark")
    assert code == 1 and "det_val.json: labels b.jpg, but there is no such picture" in stderr
    assert "cut.json: can't be read as JSON" in stderr and "2 faults" in stderr
    assert "note: 1 files belong to no picture and stay behind: README.txt" in stdout
    made = json.loads((here / "bdd-dark" / "labels" / "det_20" / "det_val.json").read_text())
    assert made == {"frames": [{**frames[0], "name": "a_dark.jpg"}], "config": {}}
    for part in ("training", "testing"):
        write_picture(here / "kitti" / part / "image_2" / "000001.png")
    (here / "kitti" / "training" / "label_2").mkdir()
    for name in ("000001", "000002"):
        (here / "kitti" / "training" / "label_2" / f"{name}.txt").write_text("")
    (here / "kitti" / "ImageSets").mkdir()
    (here / "kitti" / "ImageSets" / "train.txt").write_text("000001\n")
    code, stdout, stderr = cli("translate", "kitti", *arguments, "kitti-dark")
    assert code == 1 and "label_2/000002.txt: holds labels of no picture that is there" in stderr
    assert (here / "kitti-dark" / "ImageSets" / "train.txt").read_text() == "000001_dark\n"
    assert "2 translated" in stdout


def test_labels_of_yolo_without_a_picture_are_named(here: Path, write_model: WriteModel) -> None:
    roboflow(here / "set")
    (here / "set" / "data.yaml").write_text("train: train/images\nval: val/images\nnames: [car]\n")
    (here / "set" / "train" / "labels" / "gone.txt").write_text("")
    (here / "set" / "train" / "labels" / "classes.txt").write_text("car\n")
    code, stdout, stderr = cli("translate", "set/data.yaml", "--model", write_model("invert"), "-o", "out")
    assert code == 1 and "1 faults" in stderr and "gone.txt: holds labels of no picture" in stderr
    assert "2 translated" in stdout


def test_what_is_missing_or_broken_is_named_and_the_rest_finished(
    here: Path, coco: Path, write_model: WriteModel
) -> None:
    module = pytest.importorskip("pycocotools.coco", reason='needs pip install "unit-edge[check]"')
    (here / "set" / "images" / "a.png").write_bytes(b"no picture")
    (here / "set" / "images" / "b.png").unlink()
    code, stdout, stderr = cli("translate", coco, "--model", write_model("invert"), "-o", "out")
    assert code == 1 and stderr.count("\n") == 1
    assert "a.png: can't be read as an image" in stderr and "b.png: listed, but no such picture" in stderr
    assert "2 translated" in stdout
    theirs = module.COCO(str(here / "out" / "annotations" / "train.json"))
    assert sorted(theirs.getImgIds()) == [12, 13] and len(theirs.getAnnIds()) == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["COCO"], "say what to translate to"),
        (["COCO", "--to", "dusk"], "dusk"),
        (["COCO", "--to", "night,night"], "--to night,night: expected domains, each once"),
        (["COCO", "--to", "night,"], "--to night,: expected domains, each once"),
        (["COCO", "--to", "rain", "--rain-drops", "0.5"], "--rain-drops isn't for data sets"),
        (["COCO", "--to", "night", "-o", "a", "-o", "b"], "a data set goes to one folder, not to 2"),
        (["COCO", "--to", "night", "-o", "set"], "is in the data set, or has it"),
        (["COCO", "--to", "night", "-o", "no/out"], "there is no folder no"),
        (["COCO", "--to", "night", "--images", "empty"], "its pictures are in none of empty"),
        (
            ["COCO", "--to", "night", "--min-kept", "0.9"],
            "--min-kept SHARE and --detector FILE.onnx go together",
        ),
        (["COCO", "--to", "night", "--flag"], "--flag needs --min-kept"),
        (["COCO", "--to", "night", "--decode", "yolox"], "are of a --detector FILE.onnx; give that too"),
        (["COCO", "--to", "night,snow", "--suffix", "x"], "must have {to} in it"),
        (["empty", "--to", "night", "--dataset"], "no data set is recognised"),
        (["no.json", "--to", "night"], "no.json: no such file; expected a COCO"),
        (["no.yaml", "--to", "night"], "no.yaml: no such file; expected a YOLO data.yaml"),
        (["long.yaml", "--to", "night"], "no such folder or list, but the data.yaml names it as its train"),
        (["gaps.yaml", "--to", "night"], "its names are numbered 0, 2...; expected every number from 0 to 1"),
        (["bad.json", "--to", "night"], "can't be read as JSON"),
        (["bad.yaml", "--to", "night"], "no data.yaml"),
        (["numbers.json", "--to", "night"], "an entry without a name; expected BDD100K's list"),
        (["odd.json", "--to", "night"], "no list 'images' of objects"),
        (["empty", "--to", "night", "--mix", "0.5"], "empty: is no data set, which --mix"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(
    here: Path, coco: Path, arguments: list[str], expected: str
) -> None:
    (here / "empty").mkdir()
    (here / "bad.json").write_text("{")
    (here / "bad.yaml").write_text("3")
    (here / "long.yaml").write_text(f"names: [car]\ntrain: {'x' * 300}\n")
    (here / "gaps.yaml").write_text("names: {0: car, 2: bus}\ntrain: empty\n")
    (here / "numbers.json").write_text('[{"name": "a.png"}, 3]')
    (here / "odd.json").write_text('{"images": [3], "annotations": [], "categories": []}')
    before = sorted(here.rglob("*"))
    code, _, stderr = cli("translate", *[str(coco) if a == "COCO" else a for a in arguments])
    assert code == 1
    assert stderr.startswith("error: ") and stderr.count("\n") == 1
    assert expected in stderr
    assert sorted(here.rglob("*")) == before
