"""The folder in which a video is made: whose it is, what is in it, and when it goes."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import pytest
from half_made import (
    MAKING,
    folder_of,
    kept_of,
    left_behind,
    say,
    write_video,
)

from unit_edge.errors import SinkError
from unit_edge.runtime.sinks.video import parts
from unit_edge.runtime.sinks.video.parts import (
    VideoParts,
    mark,
)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return left_behind(tmp_path)


class Crash(Exception):
    """What ends a run in these tests."""


@contextmanager
def crashing(run: VideoParts) -> Iterator[VideoParts]:
    with pytest.raises(Crash), run:
        yield run
        raise Crash


def test_the_folder_is_its_owners_alone_and_goes(tmp_path: Path) -> None:
    output = tmp_path / "out.webm"
    with VideoParts(output) as run:
        assert stat.S_IMODE(run.folder.stat().st_mode) == 0o700
        assert (run.media, run.joined) == (run.folder / "1.mp4", run.folder / "joined.webm")
        assert run.folder == tmp_path / ".out.webm.parts"
        run.begin(MAKING, "s")
        run.media.write_bytes(b"x")
        run.joined.write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("worthwhile", "error", "stays"),
    [(True, Crash, True), (False, Crash, False), (True, KeyboardInterrupt, False), (True, None, False)],
)
def test_when_the_folder_stays(
    tmp_path: Path, worthwhile: bool, error: type[BaseException] | None, stays: bool
) -> None:
    with suppress(Crash, KeyboardInterrupt), VideoParts(tmp_path / "out.mp4") as run:
        assert not run.worthwhile
        run.worthwhile = worthwhile
        if error is not None:
            raise error
    assert run.folder.exists() == stays


def test_what_others_have_put_there_stays(tmp_path: Path) -> None:
    with VideoParts(tmp_path / "out.mp4") as run:
        (run.folder / "notes.txt").write_text("mine")
    assert [path.name for path in run.folder.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    "name", ["out.mp4", "+out.mp4"]
)  # one comes behind its folder in any list, one before
def test_a_second_run_writes_behind_what_is_kept_and_removes_the_rest(tmp_path: Path, name: str) -> None:
    output = tmp_path / name
    folder = folder_of(output)
    folder.mkdir()
    say(output, continues=False)
    for name in ("1.mp4", "9.mp4"):
        write_video(folder / name, 3)
    (folder / "10.mp4").write_text("of which nothing can be used")
    (folder / "joined.mp4").write_text("half")
    (folder / ".about.json.0123.tmp").write_text("half")
    kept = kept_of(output)
    with crashing(VideoParts(output, kept)) as run:
        assert run.worthwhile
        assert run.media.name == "10.mp4" and not run.media.exists()
        assert {path.name for path in folder.iterdir()} == {"1.mp4", "9.mp4", "about.json", "lock"}
        for otherwise in ("r", "t"):
            with pytest.raises(SinkError, match="another version of the encoder"):
                run.begin(MAKING, otherwise)
        run.begin(MAKING, "s")
    about = json.loads((folder / "about.json").read_text())
    assert about == {"making": MAKING, "stream": "s", "continues": False, "start": "0"}
    assert kept_of(output) == kept


def test_a_run_that_goes_on_with_a_finished_video_says_so(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    write_video(output, comment=mark(MAKING, "s", Fraction(1, 3)))
    with crashing(VideoParts(Path(output), kept_of(output))) as run:
        assert run.media.name == "1.mp4"
        run.begin(MAKING, "s")
    about = json.loads((run.folder / "about.json").read_text())
    assert about == {"making": MAKING, "stream": "s", "continues": True, "start": "1/3"}
    assert output.exists()


def test_a_new_run_starts_over(output: Path) -> None:
    write_video(folder_of(output) / "4.mp4", 3)
    with crashing(VideoParts(output)) as run:
        run.worthwhile = True
        assert [path.name for path in run.folder.iterdir()] == ["lock"]
        assert run.media.name == "1.mp4"
        run.begin(MAKING, "s")
    about = json.loads((run.folder / "about.json").read_text())
    assert about == {"making": MAKING, "stream": "s", "continues": False}


def test_one_run_at_a_time(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    with VideoParts(output), pytest.raises(SinkError, match="being written by another run; give another"):
        VideoParts(output).__enter__()
    with VideoParts(output):
        pass


def test_a_system_without_such_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "fcntl", None)
    with VideoParts(tmp_path / "out.mp4") as run:
        assert run.folder.exists()
    assert not run.folder.exists()


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o722])
def test_a_folder_that_others_may_write_to(tmp_path: Path, mode: int) -> None:
    folder = folder_of(tmp_path / "out.mp4")
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(SinkError, match="others may write there"):
        VideoParts(tmp_path / "out.mp4").__enter__()


@pytest.mark.parametrize("other", [-1, 1])
def test_a_folder_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: int) -> None:
    folder_of(tmp_path / "out.mp4").mkdir(mode=0o700)
    user = os.geteuid() + other
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(SinkError, match="belongs to another user"):
        VideoParts(tmp_path / "out.mp4").__enter__()


def test_a_folder_that_others_may_read(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "out.mp4")
    folder.mkdir()
    folder.chmod(0o755)
    with VideoParts(tmp_path / "out.mp4"):
        pass


@pytest.mark.parametrize("kind", ["a link", "no folder"])
def test_something_else_with_the_folders_name(tmp_path: Path, kind: str) -> None:
    (tmp_path / "precious").mkdir()
    folder = folder_of(tmp_path / "out.mp4")
    if kind == "a link":
        folder.symlink_to(tmp_path / "precious")
    else:
        folder.write_text("mine")
    with pytest.raises(SinkError, match=f"is {kind}; remove it, the parts of .*out.mp4 go there"):
        VideoParts(tmp_path / "out.mp4").__enter__()


def test_a_lock_that_is_a_link(output: Path) -> None:
    lock = folder_of(output) / "lock"
    lock.symlink_to(output)
    with pytest.raises(SinkError) as error:
        VideoParts(output).__enter__()
    assert str(error.value) == f"{lock}: is a link or a pipe, expected a file; remove it"


def test_a_run_that_is_refused_lets_go_of_the_lock(output: Path) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("needs Linux")
    (folder_of(output) / "1.mp4").mkdir()
    before = len(list(descriptors.iterdir()))
    with pytest.raises(OSError):
        VideoParts(output).__enter__()
    assert len(list(descriptors.iterdir())) == before
