"""Files are there whole or not at all."""

from __future__ import annotations

import os
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
