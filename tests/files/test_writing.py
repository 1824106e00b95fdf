"""Files are there whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unit_edge.errors import SinkError
from unit_edge.files.writing import folder_beside, hidden_beside, replacing, write_output


@pytest.mark.parametrize("durable", [False, True])
def test_what_fails_half_way_leaves_the_old_file(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "run.json"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path, durable=durable) as temporary:
        temporary.write_text("half")
        assert path.read_text() == "old"
        raise ZeroDivisionError
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("run.json", "old")]
    with replacing(path, durable=durable) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("run.json", "new")]


def test_what_cant_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"no/file: can't be written \(No such file"):
        write_output(tmp_path / "no" / "file", b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SinkError, match="can't be written"):
        write_output(tmp_path / "folder", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_what_killed_work_left_goes_with_the_next_after_a_day(tmp_path: Path) -> None:
    final = tmp_path / "a[1]"
    old, young, others = (hidden_beside(tmp_path / name) for name in ("a[1]", "a[1]", "a1"))
    for folder in (old, young, others):
        (folder / "wheels").mkdir(parents=True)
    for folder in (old, others):
        os.utime(folder, times=(0, 0))
    outside = tmp_path / "dear"
    outside.mkdir()
    os.utime(outside, times=(0, 0))
    hidden_beside(final).symlink_to(outside)
    with folder_beside(final) as made:
        assert made.parent == tmp_path and made.name.startswith(".a[1].") and list(made.iterdir()) == []
        assert not old.exists() and young.is_dir() and others.is_dir()
    assert not made.exists() and outside.is_dir()


def test_temporary_files_of_killed_work_go_with_the_next_after_a_day(tmp_path: Path) -> None:
    final = tmp_path / "a[1].png"
    old, young, others, link, folder = (
        hidden_beside(tmp_path / name) for name in ("a[1].png", "a[1].png", "a1.png", "a[1].png", "a[1].png")
    )
    look_alike = tmp_path / ".a[1].png.notes.tmp"
    dear = tmp_path / "dear"
    for path in (old, young, others, look_alike, dear):
        path.write_text("half")
    link.symlink_to(dear)
    folder.mkdir()
    for path in (old, others, look_alike, dear, folder):
        os.utime(path, times=(0, 0))
    with replacing(final) as temporary:
        temporary.write_text("whole")
    left = {path.name for path in tmp_path.iterdir()}
    kept = (final, young, others, look_alike, dear, link, folder)
    assert left == {path.name for path in kept} and final.read_text() == "whole"


def test_pictures_that_a_killed_process_has_not_finished_go_with_the_next_run(tmp_path: Path) -> None:
    half_way = (
        "import os, signal, sys; from pathlib import Path; from unit_edge.files.writing import replacing\n"
        "with replacing(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    picture = tmp_path / "latency.png"
    assert subprocess.run([sys.executable, "-c", half_way, picture]).returncode < 0
    (left,) = tmp_path.iterdir()
    os.utime(left, times=(0, 0))
    write_output(picture, b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["latency.png"]
