"""A folder of clips: each is translated, one bad one stops nothing, and what is done isn't done again."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from probe import frame_times

from unit_edge.runtime.sinks.images import write_image

WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]
MAIN = [sys.executable, "-m", "unit_edge.cli", "translate"]


@pytest.fixture
def clips(write_clip: WriteClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three clips and a note in the folder `in`, one of them no video."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "in"
    folder.mkdir()
    write_clip("a.MP4", frames=10).rename(folder / "a.MP4")
    write_clip("c.avi", frames=14, codec="mpeg4").rename(folder / "c.avi")
    (folder / "b.mkv").write_bytes(b"this is no video")
    (folder / "note.txt").write_text("from the front camera")
    return folder


def unit_edge(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MAIN, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def test_each_clip_is_reported(clips: Path, write_model: WriteModel) -> None:
    done = unit_edge("in", "--model", write_model())
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line.split(" frames")[0] for line in lines] == ["in-night/a.MP4: 10", "in-night/c.mp4: 14"]
    errors = done.stderr.splitlines()
    assert len(errors) == 2 and errors[0].startswith("error: in/b.mkv: not a video")
    assert errors[1] == "error: 1 of 3 clips failed, the others are finished: b.mkv"
    assert len(frame_times(Path("in-night/a.MP4"))) == 10
    assert len(frame_times(Path("in-night/c.mp4"))) == 14
    assert sorted(path.name for path in Path("in-night").iterdir()) == ["a.MP4", "c.mp4"]


def test_several_are_named(clips: Path, write_model: WriteModel) -> None:
    model = write_model()
    assert unit_edge("in/a.MP4", "in/c.avi", "--model", model, "-o", "out").returncode == 0
    assert [len(frame_times(Path("out") / name)) for name in ("a.MP4", "c.mp4")] == [10, 14]
    for arguments, expected in (
        (["in/a.MP4", "in/c.avi"], "several clips go to one folder; name it with -o"),
        (["in/a.MP4", "in/no.mp4", "-o", "new"], "in/no.mp4: no such file"),
        (["in/a.MP4", "in/c.avi", "--dataset", "-o", "new"], "--dataset is for one folder"),
        (["in/a.MP4", "in/note.txt", "-o", "new"], "each must be a video file or a picture"),
        (["in/a.MP4", "rtsp://u:secret@10.0.0.1/x", "-o", "new"], "each must be a video file or a picture"),
    ):
        done = unit_edge(*arguments, "--model", model)
        assert done.returncode == 1 and expected in done.stderr and done.stderr.count("\n") == 1
        assert "secret" not in done.stderr and not Path("new").exists()


def test_a_shells_pattern_of_pictures_is_translated(clips: Path, write_model: WriteModel) -> None:
    for name in ("a.png", "b.jpg"):
        write_image(clips / name, np.full((32, 48, 3), 90, np.uint8))
    done = unit_edge("in/a.png", "in/b.jpg", "in/a.MP4", "--model", write_model(), "-o", "out")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.MP4", "a.png", "b.jpg"]
    assert cv2.imread("out/b.jpg").shape == (32, 48, 3)


def test_the_rest_is_made_with_resume(clips: Path, write_clip: WriteClip, write_model: WriteModel) -> None:
    model = write_model()
    (clips / "b.mkv").unlink()
    assert unit_edge("in", "--model", model, "-o", "out").returncode == 0
    refused = unit_edge("in", "--model", model, "-o", "out")
    assert refused.returncode == 1 and "add --resume to make what is missing" in refused.stderr
    made = Path("out/a.MP4").read_bytes()
    write_clip("d.mp4", frames=5).rename(clips / "d.mp4")
    done = unit_edge("in", "--model", model, "-o", "out", "--resume")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "out/a.MP4: is complete already\nout/c.mp4: is complete already\n"
    assert done.stdout.startswith("out/d.mp4: 5 frames") and done.stdout.count("\n") == 1
    assert Path("out/a.MP4").read_bytes() == made


def test_a_pattern_of_clips(clips: Path, write_model: WriteModel) -> None:
    done = unit_edge("in/[ac].*", "--model", write_model(), "-o", "out", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.MP4", "c.mp4"]


def test_what_can_not_be_is_refused_before_it_begins(
    clips: Path, write_clip: WriteClip, write_model: WriteModel
) -> None:
    model = write_model()
    errors = {
        ("in", "-o", "in"): "is the clips' own folder",
        ("in", "-o", "in/note.txt"): "is a file; the output for several clips is a folder",
        ("in", "-o", "no/out"): "there is no folder no",
        ("in", "-o", "-"): "several clips go to one folder",
        ("in", "-o", "x", "-o", "y"): "several clips go to one folder",
        ("in", "--sheet", "x.png"): "--sheet needs one file",
    }
    for arguments, message in errors.items():
        done = unit_edge(*arguments, "--model", model)
        assert done.returncode == 1 and message in done.stderr and done.stderr.count("\n") == 1
    write_clip("c.mp4", frames=2).rename(clips / "c.mp4")
    done = unit_edge("in", "--model", model)
    assert "in/c.avi and in/c.mp4 would both become in-night/c.mp4" in done.stderr
    write_image(clips / "x.png", np.zeros((32, 32, 3), np.uint8))
    done = unit_edge("in", "--model", model)
    assert "4 videos and 1 images; give the one or the other" in done.stderr
    assert sorted(path.name for path in Path().iterdir() if path.is_dir()) == ["in"]


def test_nothing_is_left_where_all_fail(clips: Path, write_model: WriteModel) -> None:
    done = unit_edge("in/b*", "--model", write_model(), "-o", "out")
    assert done.returncode == 1 and "1 of 1 clips failed" in done.stderr
    assert not Path("out").exists()


def test_ctrl_c_ends_all(clips: Path, write_clip: WriteClip, write_model: WriteModel) -> None:
    (clips / "a.MP4").unlink()
    write_clip("a.mp4", frames=150, size=(320, 240)).rename(clips / "a.mp4")
    command = [*MAIN, "in", "--model", str(write_model("slow")), "-o", "out"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not Path("out/.a.mp4.parts/1.mp4").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (
        143,
        "the same command with --resume goes on from there\nstopped\n",
    )
    assert [path.name for path in Path("out").iterdir()] == ["a.mp4"]
    assert 0 < len(frame_times(Path("out/a.mp4"))) < 150
