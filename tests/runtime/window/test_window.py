"""The window on a real X server: what is seen on the screen, and what the keys do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageGrab
from probe import frame_times

from unit_edge.errors import UnitEdgeError
from unit_edge.frames import Frame
from unit_edge.media.images import read_image
from unit_edge.runtime.sinks.codecs import Encoding
from unit_edge.runtime.sinks.look import Look
from unit_edge.runtime.window.recorder import Recorder

WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]
MAIN = [sys.executable, "-c", "from unit_edge.cli import main; main()"]
DARK, LIGHT = 40, 215


@pytest.fixture
def display() -> Iterator[str]:
    """An X server of its own."""
    for name in ("Xvfb", "xdotool"):
        if shutil.which(name) is None:
            pytest.skip(f"needs {name}: `apt install xvfb xdotool`")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x768x24", "-nolisten", "tcp", "-noreset"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    patience = threading.Timer(60, server.kill)
    patience.start()
    with os.fdopen(read) as file:
        number = file.readline().strip()
    patience.cancel()
    if not number:
        server.kill()
        server.wait(10)
        pytest.skip("Xvfb doesn't start here")
    yield f":{number}"
    server.kill()
    server.wait(10)


class Session:
    """A running `translate --show`."""

    def __init__(self, display: str, folder: Path, *arguments: str | Path) -> None:
        self._display, self._folder = display, folder
        self.process = subprocess.Popen(
            [*MAIN, "translate", *map(str, arguments), "--show"],
            cwd=folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "DISPLAY": self._display, "OMP_NUM_THREADS": "1"}

    def press(self, key: str) -> None:
        command = ["xdotool", "search", "--name", "unit-edge"]
        found = subprocess.run(command, env=self._environment(), capture_output=True, text=True)
        window = found.stdout.split()[-1]
        command = ["xdotool", "key", "--window", window, key]
        subprocess.run(command, env=self._environment(), capture_output=True, check=True)

    def screen(self) -> np.ndarray:
        return np.asarray(ImageGrab.grab(xdisplay=self._display).convert("RGB"))

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not holds():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, f"never: {what}"
            time.sleep(0.1)

    def share(self, low: int, high: int) -> float:
        """How much of the screen has a brightness between the two."""
        grey = self.screen().mean(axis=2)
        return float(((grey >= low) & (grey <= high)).mean())

    def until_light(self) -> None:
        self.until("the translation in the window", lambda: self.share(LIGHT - 8, LIGHT + 8) > 0.1)

    def end(self) -> tuple[int, str]:
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out + err


def dark_clip(write_clip: WriteClip, **options: object) -> Path:
    return write_clip(size=(320, 240), paint=lambda _: np.full((240, 320, 3), DARK, np.uint8), **options)


def test_keys_and_what_is_seen(
    display: str, write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    clip = dark_clip(write_clip, frames=1500)
    session = Session(display, here, clip, "--model", write_model("invert", source="a", target="b"))
    try:
        session.until_light()
        assert session.share(DARK - 8, DARK + 8) < 0.02
        session.press("s")
        session.until("the input beside it", lambda: session.share(DARK - 8, DARK + 8) > 0.05)
        session.press("p")
        session.until("a snapshot", lambda: (here / "snapshot-1.png").exists())
        session.press("s")
        session.press("r")
        session.until("a recording", lambda: bool(list(here.glob(".recording-1.*"))))
        before = session.screen()
        session.press("h")
        session.until("the help", lambda: bool((session.screen()[200:] != before[200:]).any()))
        session.press("d")  # there is no model from b to a: says so, and goes on
        session.press("r")
        session.until("a finished recording", lambda: (here / "recording-1.mp4").exists())
        session.press("q")
        code, said = session.end()
    finally:
        session.process.kill()
    assert (code, said.splitlines()[-1]) == (130, "stopped")
    image = read_image(here / "snapshot-1.png")
    assert image.shape == (240, 640, 3), "the picture itself, without what is written over it"
    assert np.abs(image[:, :320].astype(int) - DARK).max() <= 2
    assert np.abs(image[:, 320:].astype(int) - LIGHT).max() <= 2
    times = frame_times(here / "recording-1.mp4")
    assert times[0] == 0 and len(times) > 1
    assert {path.name for path in here.iterdir()} == {"snapshot-1.png", "recording-1.mp4"}


def test_pause_holds_a_file_that_is_only_shown(
    display: str, write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    session = Session(display, tmp_path, dark_clip(write_clip, frames=25), "--model", write_model("invert"))
    try:
        session.until_light()
        session.press("space")
        time.sleep(2)  # longer than the clip
        assert session.process.poll() is None
        session.press("space")
        assert session.end()[0] == 0
    finally:
        session.process.kill()


def test_escape_finishes_the_file(
    display: str, write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    clip = dark_clip(write_clip, frames=1500, audio="aac")
    session = Session(display, tmp_path, clip, "--model", write_model("slow"), "-o", tmp_path / "out.mp4")
    try:
        session.until("a picture", lambda: session.share(DARK - 8, DARK + 8) > 0.1)
        session.press("Escape")
        code, said = session.end()
    finally:
        session.process.kill()
    assert code == 130 and said.endswith("stopped\n")
    assert 0 < len(frame_times(tmp_path / "out.mp4")) < 1500


@pytest.mark.parametrize(
    ("display_name", "message"),
    [
        (None, "error: --show needs a display, and neither DISPLAY nor WAYLAND_DISPLAY is set"),
        (":4711", "error: --show: no window can be opened on display :4711"),
    ],
)
def test_without_a_display(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path, display_name: str | None, message: str
) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    if display_name is not None:
        environment["DISPLAY"] = display_name
    command = [*MAIN, "translate", write_clip(), "--model", write_model(), "--show", "-o", tmp_path / "o.mp4"]
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(message) and done.stderr.count("\n") == 1
    assert not (tmp_path / "o.mp4").exists()


def test_pyav_before_opencv_is_refused_because_windows_would_hang() -> None:
    code = "import av\nfrom unit_edge.runtime.window.display import check_display\ncheck_display()"
    environment = {**os.environ, "DISPLAY": ":4711"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "PyAV was imported before OpenCV" in done.stderr.splitlines()[-1]


def test_recordings_begin_at_zero_and_a_failing_one_hurts_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    paths = [tmp_path / "1.mp4", tmp_path / "no" / "2.mp4"]
    recorder = Recorder(lambda: paths.pop(0), Encoding(), said.append)

    def frame(index: int) -> Frame:
        return Frame(np.full((48, 64, 3), 20 + 9 * index, np.uint8), index, Fraction(index, 25))

    with recorder as sink:
        for index in range(20):
            if index in (5, 15, 18):
                recorder.toggle(Look())
            sink.write(frame(index))
    assert frame_times(tmp_path / "1.mp4") == [Fraction(index, 25) for index in range(10)]
    assert said[:2] == [f"recording {tmp_path / '1.mp4'}", f"recorded {tmp_path / '1.mp4'}"]
    assert "No such file" in said[2] and not recorder.on


def test_swapping_keeps_both_loaded(write_model: WriteModel) -> None:
    from unit_edge.runtime.backends.open import open_runner
    from unit_edge.runtime.window.swap import SwapRunner

    there = open_runner(write_model("identity"))
    back = open_runner(write_model("invert", source="night", target="day"))
    image = np.full((1, 24, 32, 3), 50, np.uint8)
    with there as opened, SwapRunner(opened, back) as runner:
        values, targets = [], []
        for _ in range(3):
            values.append(int(runner.infer(image).mean()))
            targets.append(runner.manifest.target)
            runner.swap()
    assert values == [50, 205, 50] and targets == ["night", "day", "night"]
    fixed = open_runner(write_model("identity", (1, 24, 32, 3), name="fixed"))
    with pytest.raises(UnitEdgeError, match="takes 32x24, this one any size"):
        SwapRunner(there, fixed)
