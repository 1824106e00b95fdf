"""Files are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit_edge.errors import SinkError
from unit_edge.files.writing import replacing, write_output


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
