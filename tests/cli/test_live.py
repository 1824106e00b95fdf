"""Live inputs as a person types them: recordings that Ctrl-C finishes, errors of one line, no passwords."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from live_servers import LiveServer, free_port
from probe import frame_times
from typer.testing import CliRunner

from unit_edge.cli.app import app

WriteModel = Callable[..., Path]
MAIN = [sys.executable, "-c", "from unit_edge.cli import main; main()"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def unit_edge(*arguments: str | Path, data: bytes | None = None) -> subprocess.CompletedProcess[str]:
    command = [*MAIN, *map(str, arguments)]
    done = subprocess.run(command, input=data, capture_output=True, timeout=120)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


def test_a_stream_is_recorded_for_a_while(write_model: WriteModel, here: Path) -> None:
    with LiveServer("mjpeg") as server:
        done = unit_edge("translate", server.url, "--model", write_model("invert"), "--duration", "1.5")
    name = f"127.0.0.1-{server.port}-night.mp4"
    assert (done.returncode, done.stderr) == (0, "")
    times = frame_times(here / name)
    assert done.stdout.startswith(f"{name}: {len(times)} frames, 64x48, ")
    assert " dropped, age " in done.stdout and done.stdout.count("\n") == 1
    # the first frame may have made way for a newer one
    assert 0 <= times[0] < 0.5 and times == sorted(set(times)) and times[-1] < 1.5


def test_frames_that_the_file_never_got_are_not_said_to_be_in_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from unit_edge.cli.terminal.progress import Progress
    from unit_edge.frames import VideoInfo
    from unit_edge.runtime.pipeline import Stats
    from unit_edge.runtime.translate import StartedRun

    display = Progress(quiet=False)
    display.start(StartedRun(VideoInfo(64, 48, Fraction(30)), "CPU", (64, 48)))
    display.update(Stats(frames=30, shown=20, captured=50, dropped=30, seconds=2.0))
    display.finish(Path("out.mp4"), "m")
    assert capsys.readouterr().out.startswith("out.mp4: 20 frames, 64x48, ")


@pytest.mark.parametrize("lost", [False, True], ids=["while frames come", "while it is lost"])
def test_ctrl_c_finishes_the_recording(write_model: WriteModel, here: Path, lost: bool) -> None:
    server = LiveServer("mjpeg", frames=25 if lost else None)
    with server:
        command = [*MAIN, "translate", server.url, "--model", str(write_model()), "-o", "out.mp4"]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
        )
        if lost:
            assert process.stderr is not None
            assert "lost; connecting again" in process.stderr.readline()
            server.kill()
        else:
            deadline = time.monotonic() + 60
            while not [p for p in here.iterdir() if p.stat().st_size] and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err.endswith("stopped\n")
    assert out.startswith(f"out.mp4: {len(frame_times(here / 'out.mp4'))} frame")
    assert [path.name for path in here.iterdir()] == ["out.mp4"]


def test_raw_frames_on_stdin(write_model: WriteModel, here: Path) -> None:
    size, model = ["--raw-size", "32x24"], write_model()
    arguments = ["translate", "-", "--model", model, *size, "--raw-fps", "10"]
    done = unit_edge(*arguments, data=bytes(32 * 24 * 3 * 5))
    assert (done.returncode, done.stderr) == (0, "")
    assert [float(time) for time in frame_times(here / "stdin-night.mp4")] == [0, 0.1, 0.2, 0.3, 0.4]
    done = unit_edge(*arguments, "-o", "cut.mp4", data=bytes(32 * 24 * 3 * 5 - 1))
    assert (done.returncode, len(frame_times(here / "cut.mp4"))) == (1, 4)
    assert "bytes into frame 4" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["917"], "error: camera 917: there is no /dev/video917; cameras here: "),
        (["/dev/video917", "--fourcc", "MJPG"], "there is no /dev/video917"),
        (["ftp://bob:hunter2@host/a"], "error: ftp://***@host/a: unknown scheme ftp://"),
        (["rtsp://bob:hunter2@127.0.0.1:PORT/a"], "can't be reached: Connection refused"),
        (["http://bob:hunter2@127.0.0.1:PORT/a"], "can't be reached: Connection refused"),
        (["tcp://127.0.0.1/a"], "no port in it"),
        (
            ["rtspsrc location=rtsp://bob:hunter2@h/ ! appsink"],
            "error: rtspsrc location=rtsp://***@h/ ! appsink",
        ),
        (["csi://0"], "error: csi://0: "),
        (["rtsp://bob:hunter2@h/a", "--sheet", "s.png"], "--sheet needs one file"),
        (["-"], "need --raw-size WxH"),
        (["-", "--raw-size", "12"], "--raw-size '12'; expected WIDTHxHEIGHT"),
        (["-", "--raw-size", "4x4", "--raw-fps", "0"], "--raw-fps 0: expected a number above 0"),
        (["-", "--raw-size", "4x4", "--raw-fps", "1/0"], "--raw-fps '1/0'; expected a number"),
        (["CLIP", "--raw-size", "4x4"], "--raw-size is for raw frames on stdin (-); clip.mp4 is none"),
        (["CLIP", "--reconnect-for", "3"], "--reconnect-for is for a live source; clip.mp4 is none"),
        (["rtsp://h/a", "--camera-fps", "3"], "--camera-fps is for a camera; rtsp://h/a is none"),
        (["0", "--fourcc", "MPG"], "--fourcc 'MPG': expected four characters"),
        (["0", "--reconnect-for", "-1"], "--reconnect-for -1.0: expected seconds"),
        (["no/*.png"], "no/*.png: no images fit this pattern"),
        (["udp://127.0.0.1:PORT", "-o", "out.png"], "the output for a video must be named .mp4"),
    ],
)
def test_errors_are_one_line_without_a_password(
    write_model: WriteModel, here: Path, arguments: list[str], expected: str
) -> None:
    typed = [argument.replace("PORT", str(free_port())).replace("CLIP", "clip.mp4") for argument in arguments]
    done = CliRunner().invoke(app, ["translate", *typed, "--model", str(write_model())])
    assert done.exit_code == 1
    assert expected in done.output
    assert done.output.startswith("error: ") and done.output.count("\n") == 1
    assert "hunter2" not in done.output and "bob" not in done.output
    assert list(here.iterdir()) == []


def test_a_password_is_nowhere(write_model: WriteModel, here: Path) -> None:
    """Neither in what the libraries print nor in file names, whether it works or not."""
    with LiveServer("mjpeg") as server:
        url = server.url.replace("://", "://bob:hunter2@")
        model = write_model()
        good = unit_edge("translate", url, "--model", model, "--duration", "0.5")
        wrong = [
            unit_edge("translate", address, "--model", model)
            for address in (
                url.replace("http:", "rtsp:"),
                url.replace(str(server.port), str(free_port())),
                "http://bob:hunter2@no-such-host.invalid/a",
            )
        ]
        wrong.append(unit_edge("translate", "a.mp4", url, "--model", model, "-o", "out"))
        usage = unit_edge("info", "a.onnx", url)
    assert good.returncode == 0 and all(done.returncode == 1 for done in wrong) and usage.returncode == 2
    names = " ".join(path.name for path in here.iterdir())
    recorded = b"".join(path.read_bytes() for path in here.iterdir())
    for done in (good, *wrong, usage):
        assert "hunter2" not in done.stdout + done.stderr + names and "bob:" not in done.stdout + done.stderr
    assert all(done.stderr.count("\n") == 1 for done in wrong)
    assert b"hunter2" not in recorded


def test_a_pattern_of_pictures(write_model: WriteModel, here: Path) -> None:
    import numpy as np

    from unit_edge.media.images import read_image
    from unit_edge.runtime.sinks.images import write_image

    (here / "in").mkdir()
    for index in range(3):
        write_image(here / "in" / f"{index}.png", np.full((20, 30, 3), index, np.uint8))
    done = unit_edge("translate", "in/[01].png", "--model", write_model("invert"))
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (here / "in-night").iterdir()) == ["0.png", "1.png"]
    assert (read_image(here / "in-night" / "1.png") == 254).all()
