"""What happens in weeks: a source that goes and comes back, full disks, models that fail, the end."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from live_servers import LiveServer
from makers import make_clip, make_model
from probe import frame_times
from serve_server import SIZE, Server, paint
from typer.testing import CliRunner

from unit_edge.cli.app import app
from unit_edge.frames import Frame, VideoInfo
from unit_edge.runtime.sinks.codecs import Encoding
from unit_edge.runtime.sinks.look import Look
from unit_edge.runtime.window import recorder as recorder_module
from unit_edge.runtime.window.recorder import Recorder


def test_a_camera_that_goes_comes_back_and_sigterm_finishes_the_recording(
    serve: Callable[..., Server],
) -> None:
    camera = LiveServer("jpegs", size=SIZE, fps=15, paint=paint)
    source = f"http://somebody:hidden-word@127.0.0.1:{camera.port}/live?token=hidden-word"
    with camera:
        running = serve(source=source)
        running.start()
        running.until(lambda s: s["frames"] > 3)
        running.post("/api/record", {"on": True})
        running.until(lambda s: s["recording"]["bytes"] > 0)
    viewer = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
    viewer.request("GET", "/stream.mjpeg")
    assert viewer.getresponse().read(100)
    lost = running.until(lambda s: s["source"]["lost"])
    assert lost["source"]["live"] and lost["recording"]["on"]
    with LiveServer("jpegs", port=camera.port, size=SIZE, fps=15, paint=paint):
        back = running.until(lambda s: not s["source"]["lost"] and s["frames"] > lost["frames"] + 3)
        assert back["source"]["reconnects"] == 1
        shown = [running.ask(path)[2] for path in ("/api/state", "/metrics", "/")]
        assert running.stop() == 0  # with a viewer, and while it records
    viewer.close()
    (recording,) = running.folder.glob("*.mp4")
    times = frame_times(recording)
    assert max(np.diff([float(time) for time in times])) > 0.4  # the gap is as long as it was
    assert running.said().count("connecting again") == 1  # not of the end
    assert f"recorded {recording.name}" in running.said() and not list(running.folder.glob(".*"))
    for text in (*shown, running.said().encode()):
        assert b"hidden-word" not in text and b"somebody" not in text


def test_a_model_that_fails_is_shown_and_the_server_goes_on(
    serve: Callable[..., Server], models: Path, tmp_path: Path
) -> None:
    def bright_later(index: int) -> np.ndarray:
        return np.full((48, 64, 3), 100 if index < 10 else 250, np.uint8)

    clip = make_clip(tmp_path, "clip.mp4", frames=20, paint=bright_later)
    failing = make_model(tmp_path, "fails")
    running = Server(str(clip), "--model", str(failing), "--model", str(models / "invert.onnx"), cwd=tmp_path)
    with running:
        fault = running.until(lambda s: s["fault"])["fault"]
        assert "fails" in fault or "Gather" in fault
        assert running.ask("/healthz")[0] == 503
        running.post("/api/model", {"model": "invert"})
        running.until(lambda s: s["fault"] is None and s["model"]["name"] == "invert" and s["frames"] > 20)
        assert running.ask("/healthz")[0] == 200
        assert running.stop() == 0
    assert running.said().count(fault[:40]) == 1  # not a line a try


HANGS = """
import sys, threading, time
from pathlib import Path
from unit_edge.cli.__main__ import main
from unit_edge.runtime.serve.live import models, translation

translation._END_S, translation._ANSWERS_WITHIN_S = 1.0, 1.0
infer = models.Models.infer

def until_it_hangs(self, frames):
    if Path("hang").exists():
        Path("hangs").touch()
        with self._using:
            threading.Event().wait()
    return infer(self, frames)

models.Models.infer = until_it_hangs
main()
"""


def test_a_model_that_hangs_is_told_of_and_keeps_neither_the_recording_nor_the_end(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = serve()
    started = subprocess.Popen
    monkeypatch.setattr(
        "serve_server.subprocess.Popen",
        lambda command, **given: started([command[0], "-c", HANGS, *command[3:]], **given),
    )
    running.start()
    try:
        running.post("/api/record", {"on": True})
        running.until(lambda s: s["recording"]["seconds"] > 0.5)
        assert running.ask("/healthz")[0] == 200
        (running.folder / "hang").touch()
        end = time.monotonic() + 60
        while running.ask("/healthz")[0] == 200:
            assert time.monotonic() < end
        assert (running.folder / "hangs").exists()

        def choose() -> None:  # waits for the model, and has its connection cut off
            with suppress(OSError, http.client.HTTPException):
                running.ask("/api/model", {"model": "identity"})

        threading.Thread(target=choose, daemon=True).start()
        running.until(lambda s: s["model"]["loading"])
    finally:
        code = running.stop()
    assert code == 1
    (recording,) = running.folder.glob("*.mp4")
    assert len(frame_times(recording)) > 5 and not list(running.folder.glob(".*"))
    *_, last = running.said().strip().splitlines()
    assert "has let go" in last and "Traceback" not in running.said()


@pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="needs systemd-analyze: `apt-get install systemd`"
)
def test_the_unit_of_the_docs_is_one_that_systemd_takes_and_is_shut_off(tmp_path: Path) -> None:
    docs = Path(__file__).parents[3] / "docs" / "serve.md"
    text = docs.read_text().partition("```ini\n")[2].partition("```")[0]
    unit = tmp_path / "unit-edge.service"
    unit.write_text(text.replace("/opt/unit-edge/bin/unit-edge", sys.executable))
    for arguments in (["verify"], ["security", "--offline=true", "--threshold=25"]):
        done = subprocess.run(["systemd-analyze", *arguments, unit], capture_output=True, text=True)
        assert done.returncode == 0 and "nknown" not in done.stderr, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing.mp4", "--to", "night"], "nothing.mp4: no such file"),
        (["{clip}"], "--to DOMAIN"),
        (["{clip}", "--to", "mars"], "unknown domain"),
        (["{clip}", "--to", "night", "--recordings", "nowhere"], "no such folder"),
        (["{clip}", "--to", "night", "--tls-cert", "c.pem"], "belong together"),
        (["{clip}", "--to", "night", "--host", "no.such.host.invalid"], "can't be listened on"),
        (
            ["{clip}", "--to", "night", "--host", "192.0.2.77"],
            "listened on (Cannot assign requested address);",
        ),
        (["{clip}", "--to", "night", "--token-file", "{models}"], "token can't be"),
    ],
)
def test_what_cant_be_served_is_one_line(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [one.format(clip=models / "clip.mp4", models=models) for one in arguments]
    done = CliRunner().invoke(app, ["serve", *given, "--backend", "onnxruntime", "--port", "0"])
    assert done.exit_code == 1 and not done.stdout
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ") and says in line


def test_a_port_that_is_taken_is_one_line(server: Server, models: Path) -> None:
    given = ["serve", str(models / "clip.mp4"), "--to", "night", "--port", str(server.port)]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 1 and f"127.0.0.1:{server.port}: can't be listened on" in done.stderr


def test_a_recording_ends_well_before_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 1 << 30
    monkeypatch.setattr(
        recorder_module.shutil, "disk_usage", lambda _: type("Disk", (), {"free": free, "total": 1 << 31})
    )
    monkeypatch.setattr(recorder_module, "_LOOK_AT_DISK_S", 0.0)
    said: list[str] = []
    recorder = Recorder(lambda: tmp_path / "r.mp4", Encoding(preset="ultrafast"), said.append)
    recorder.info = VideoInfo(64, 48, Fraction(25))
    recorder.toggle(Look(side_by_side=True))
    for index in range(20):
        free = 1 << 30 if index < 10 else 1 << 20
        recorder.write(Frame(np.full((48, 64, 3), index, np.uint8), index, Fraction(index, 25)))
    recorder.__exit__(None, None, None)
    assert not recorder.on and len(frame_times(tmp_path / "r.mp4")) == 11
    assert len(said) == 2 and "nearly full" in said[1]


def test_a_disk_that_fills_up_at_once_costs_the_recording_alone(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    code = (
        "import resource, signal, numpy as np, sys\n"
        "from pathlib import Path\n"
        "from fractions import Fraction\n"
        "from unit_edge.frames import Frame\n"
        "from unit_edge.runtime.sinks.codecs import Encoding\n"
        "from unit_edge.runtime.sinks.look import Look\n"
        "from unit_edge.runtime.window.recorder import Recorder\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        # as on a full disk, writes fail in the middle
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
        "said = []\n"
        "encoding = Encoding(preset='ultrafast')\n"
        "recorder = Recorder(lambda: Path('r.mp4'), encoding, said.append, making='clip')\n"
        "recorder.toggle(Look())\n"
        "noise = np.random.default_rng(0)\n"
        "for i in range(400):\n"
        "    image = noise.integers(0, 255, (48, 64, 3), np.uint8)\n"
        "    recorder.write(Frame(image, i, Fraction(i, 25)))\n"
        "recorder.__exit__(None, None, None)\n"
        "assert not recorder.on and len(said) == 2, said\n"
        "print(said[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "r.mp4: can't be written" in done.stdout
    kept = list((tmp_path / ".r.mp4.parts").glob("*.mp4"))
    frames = 0
    with av.open(str(kept[0])) as container, suppress(av.FFmpegError):
        for _ in container.decode(video=0):
            frames += 1
    assert len(kept) == 1 and frames >= 50  # whole groups of pictures can be played
