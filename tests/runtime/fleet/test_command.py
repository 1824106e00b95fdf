"""`unit-edge fleet` as people call it: what it says, its exit codes, and what Ctrl-C leaves."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from probe import frame_times
from typer.testing import CliRunner

from unit_edge.cli.app import app

pytest.importorskip("fsspec")

WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]
MAIN = [sys.executable, "-m", "unit_edge.cli", "fleet"]


def fleet(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["fleet", *map(str, arguments)])


def test_an_address_that_nobody_listens_at_is_said_at_once(
    ray_cluster: None,
    write_model: WriteModel,
    clips: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)  # it is for other tests
    with socket.socket() as taken:  # not listening
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
            result = fleet(clips, "out", "--model", write_model(), "--address", address)
            assert result.exit_code == 1
            assert f"--address {address}: no Ray cluster can be reached there (" in result.output
            assert "refused); expected ray://HOST:10001" in result.output.replace("\n", " ")
    assert capfd.readouterr().out == ""  # of Ray, which would tell of each try


@pytest.mark.slow
def test_a_worker_that_no_node_has_room_for_is_said(
    ray_cluster: None, write_model: WriteModel, clips: Path
) -> None:
    given = [clips, "out", "--model", write_model()]
    for size, asked in (
        (["--cpus-per-worker", "64"], "no node has the 64 CPU cores of a worker; give less"),
        (["--gpus-per-worker", "9"], "no node has the 1 CPU cores and 9 GPUs of a worker; give less"),
    ):
        result = fleet(*given, *size)
        assert result.exit_code == 1 and asked in result.output, result.output


@pytest.fixture
def clips(write_clip: WriteClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "in"
    folder.mkdir()
    for name, frames in {"a.mp4": 5, "b.mp4": 7}.items():
        write_clip(name, frames=frames).rename(folder / name)
    return folder


def test_what_can_not_be_is_refused_before_ray_starts(clips: Path, write_model: WriteModel) -> None:
    model = write_model()
    Path("empty").mkdir()
    Path("list.txt").write_text("in/a.mp4\nin/a.mp4\n")
    Path("bracket.txt").write_text("in/a.mp4\nhttp://[x/a.mp4\n")
    Path("long.txt").write_text(f"# too long for a name\nin/{'a' * 300}.mp4\n")
    Path("full").mkdir()
    Path("full/x.mp4").touch()
    errors = {
        ("in", "out"): "say what to translate to",
        ("in", "in/out", "--model", model): "in/out: is in the source, or the source in it",
        ("in/**/*.mp4", "in/night", "--model", model): "in/night: is in the source, or the source in it",
        ("nowhere", "out", "--model", model): "nowhere: no such file; expected a folder, a pattern, a list",
        ("empty", "out", "--model", model): "empty: no videos and no pictures there",
        ("list.txt", "out", "--model", model): "a.mp4 and a.mp4 would both become a.mp4",
        ("bracket.txt", "out", "--model", model): "bracket.txt: line 2: http://[x/a.mp4: no such URL (",
        ("http://[x/a.mp4", "out", "--model", model): "http://[x/a.mp4: no such URL (Invalid IPv6 URL)",
        ("http://[x/in/", "out", "--model", model): "http://[x/in/: no such URL (Invalid IPv6 URL)",
        ("long.txt", "out", "--model", model): "aaa.mp4: can't be looked at (File name too long)",
        ("in", "full", "--model", model): "full: exists already and isn't empty; add --resume",
        ("in", "full", "--model", model, "--resume"): "nothing says how its files were made",
        ("in", "no/out", "--model", model): "no/out: there is no folder no; make it first",
        ("in", "https://host/x", "--model", model): "https://host/x: can't be written to",
        ("in", "nope://u:secret@h/x", "--model", model): "nope://***@h/x: ",
        ("in", "out", "--model", model, "--report", "r.pdf"): "expected a name that ends in .json or .html",
    }
    for given, text in errors.items():
        done = fleet(*given)
        assert done.exit_code == 1 and done.stdout == "", given
        assert done.stderr.startswith("error: ") and text in done.stderr and done.stderr.count("\n") == 1, (
            done
        )
        assert "secret" not in done.stderr
    assert not Path("out").exists()


def test_a_name_of_two_lines_is_one(write_model: WriteModel, tmp_path: Path) -> None:
    """What a name says after a line feed would pass for a message of ours."""
    folder = tmp_path / "in"
    folder.mkdir()
    try:
        (folder / "a\nerror: \x1b[31mb.mp4").touch()
    except OSError:
        pytest.skip("no such names here")
    done = fleet(folder, tmp_path / "out", "--model", write_model())
    named, ended = done.stderr.splitlines()
    assert named.startswith(r"error: a error: \u001b[31mb.mp4: has a control character in its name")
    assert ended.startswith("error: 1 of 1 clips failed")
    assert done.exit_code == 1


@pytest.mark.slow
def test_ctrl_c_and_the_rest_with_resume(
    ray_cluster: None, clips: Path, write_clip: WriteClip, write_model: WriteModel
) -> None:
    write_clip("long.mp4", frames=3000, size=(320, 240)).rename(clips / "long.mp4")
    (clips / "none.mp4").write_bytes(b"no video")
    model = write_model("slow")
    given = ["in", "out", "--model", str(model), "--workers", "1", "--report", "r.json"]
    running = subprocess.Popen(
        [*MAIN, *given], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until = time.monotonic() + 90
    while not list(Path("out").glob(".unit-edge-fleet/work/*")) and time.monotonic() < until:
        time.sleep(0.2)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to all of them
    said, complaint = running.communicate(timeout=60)
    assert running.returncode == 130, complaint
    assert "out: 0 of 4 clips" in said
    assert complaint.endswith("the same command with --resume makes what is missing\nstopped\n"), complaint
    assert [path.name for path in Path("out").rglob("*.mp4")] == []

    (clips / "long.mp4").unlink()
    done = fleet(*given, "--resume")
    assert done.exit_code == 1
    assert done.stdout == f"out: 2 of 3 clips, 12 frames, {done.stdout.split('frames, ')[1]}"
    complaints = done.stderr.splitlines()
    assert complaints[0].startswith("error: none.mp4: not a video") and len(complaints) == 2
    assert complaints[1] == "error: 1 of 3 clips failed, the others are finished: none.mp4"
    assert len(frame_times(Path("out/b.mp4"))) == 7
    assert '"failed": 1' in Path("r.json").read_text()
