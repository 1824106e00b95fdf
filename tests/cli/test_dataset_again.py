"""`unit-edge translate` of a labelled data set into a folder that an earlier run has made something in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import cli
from labelled_sets import record, roboflow, value_of, write_picture

WriteModel = Callable[..., Path]


def test_a_journal_that_is_a_link_empties_no_file(here: Path, coco: Path, write_model: WriteModel) -> None:
    """Somebody who prepares the output's folder must not choose what is written to."""
    (here / "out").mkdir()
    victim = here / "victim"
    victim.write_text("precious")
    (here / "out" / ".dataset.jsonl").symlink_to(victim)
    for way in ("--overwrite", "--resume"):
        code, _, stderr = cli("translate", coco, "--model", write_model("invert"), "-o", "out", "-q", way)
        assert code == 1 and ".dataset.jsonl: can't be written (is a link or a pipe" in stderr, stderr
        assert victim.read_text() == "precious"


@pytest.mark.parametrize("content", [b"\xff\xfe\n", b"[" * 100_000, b"{}\n", b'"x"\n'])
def test_a_damaged_journal_is_made_anew(
    here: Path, coco: Path, write_model: WriteModel, content: bytes
) -> None:
    (here / "out").mkdir()
    for name in (".dataset.jsonl", "dataset.json"):
        (here / "out" / name).write_bytes(content)
    code, _, stderr = cli("translate", coco, "--model", write_model("invert"), "-o", "out", "-q", "--resume")
    assert (code, stderr) == (0, "") and len(record(here / "out")["pictures"]) == 4


def test_interrupted_ones_are_gone_on_with(here: Path, coco: Path, write_model: WriteModel) -> None:
    invert = write_model("invert")
    cli("translate", coco, "--model", invert, "-o", "out")
    first = (here / "out" / "images" / "a.png").stat().st_mtime_ns
    (here / "out" / "images" / "b.png").unlink()
    code, _, stderr = cli("translate", coco, "--model", invert, "-o", "out")
    assert code == 1 and "exists already and isn't empty; add --resume" in stderr
    code, stdout, _ = cli("translate", coco, "--model", invert, "-o", "out", "--resume")
    assert code == 0 and "4 translated, 3 of them before" in stdout
    assert (here / "out" / "images" / "a.png").stat().st_mtime_ns == first
    assert value_of(here / "out" / "images" / "b.png") == 215


def test_what_another_run_made_under_other_names_goes(here: Path, write_model: WriteModel) -> None:
    """A split that is a folder would have the pictures of both."""
    roboflow(here / "set")
    (here / "set" / "data.yaml").write_text("train: train/images\nval: val/images\nnames: [car]\n")
    arguments = ["translate", "set/data.yaml", "--model", write_model("invert"), "-o", "out"]
    assert cli(*arguments, "--suffix", "_dark")[0] == 0
    (here / "out" / "train" / "images" / "mine.png").write_bytes(b"mine")
    record_file = here / "out" / "dataset.json"
    content = json.loads(record_file.read_text())
    content["pictures"].append({**content["pictures"][0], "file": "../set/train/images/train.png"})
    content["pictures"].append({**content["pictures"][0], "file": "train/images/mine.png"})
    record_file.write_text(json.dumps(content))
    # to go on is no reason to throw work away, but it is said
    code, stdout, _ = cli(*arguments, "--resume")
    assert code == 0 and "note: 2 pictures that an earlier run made under other names, such as" in stdout
    dark = here / "out" / "train" / "images" / "train_dark.png"
    assert dark.is_file()
    assert cli(*arguments, "--overwrite")[0] == 0
    files = {p.relative_to(here / "out").as_posix() for p in (here / "out").rglob("*") if p.is_file()}
    pictures = {f"{split}/images/{split}.png" for split in ("train", "val")}
    labels = {f"{split}/labels/{split}.txt" for split in ("train", "val")}
    assert files == {"data.yaml", "dataset.json", "train/images/mine.png"} | pictures | labels
    assert value_of(here / "set" / "train" / "images" / "train.png") == 40


def test_what_keeps_too_few_boxes_is_left_out_or_flagged(
    here: Path, write_model: WriteModel, bright: Path
) -> None:
    # inverted, the bright picture's car is gone; of the grey one there was none to lose
    for name, value in (("bright", 255), ("grey", 0)):
        write_picture(here / "set" / "training" / "image_2" / f"{name}.png", value)
        label = here / "set" / "training" / "label_2" / f"{name}.txt"
        label.parent.mkdir(exist_ok=True)
        label.write_text("")
    arguments = ["translate", "set", "--dataset", "--model", write_model("invert"), "--detector", bright]
    code, stdout, _ = cli(*arguments, "--min-kept", "0.9", "-o", "out")
    assert code == 0 and "1 translated, 1 left out, which keep too few boxes" in stdout
    names = {path.name for path in (here / "out").rglob("*") if path.is_file()}
    assert names == {"grey.png", "grey.txt", "dataset.json"}
    entries = {entry["source"]: entry for entry in record(here / "out")["pictures"]}
    left_out, kept = entries["training/image_2/bright.png"], entries["training/image_2/grey.png"]
    assert (left_out["file"], left_out["kept"], left_out["passed"]) == (None, 0.0, False)
    assert (kept["kept"], kept["passed"]) == (None, True)
    code, stdout, _ = cli(*arguments, "--min-kept", "0.9", "-o", "out", "--resume")
    assert (code, "1 translated, 1 left out, which keep too few boxes, 2 of them before" in stdout) == (
        0,
        True,
    )
    # what is asked for now decides, not what an earlier run was asked for
    code, stdout, _ = cli(*arguments, "--min-kept", "0", "-o", "out", "--resume")
    assert code == 0 and "2 translated" in stdout
    assert (here / "out" / "training" / "label_2" / "bright.txt").is_file()
    code, stdout, _ = cli(*arguments, "--min-kept", "0.9", "-o", "out", "--resume")
    assert code == 0 and "1 translated, 1 left out" in stdout
    assert names == {path.name for path in (here / "out").rglob("*") if path.is_file()}
    code, stdout, _ = cli(*arguments, "--min-kept", "0.9", "--flag", "-o", "flagged")
    assert "2 translated, 1 flagged" in stdout
    code, _, stderr = cli(*arguments, "--min-kept", "0.9", "--decode", "v9000", "-o", "other")
    assert code == 1 and "--decode 'v9000'; expected one of" in stderr and not (here / "other").exists()
    (here / "names.txt").write_text("person\n")
    code, _, stderr = cli(*arguments, "--min-kept", "0.9", "--classes", "names.txt", "-o", "other")
    assert code == 1 and "gave class 1, but 1 classes have names" in stderr
    assert (here / "flagged" / "training" / "image_2" / "bright.png").is_file()
