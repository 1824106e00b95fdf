"""A folder of parts that somebody else has prepared destroys nothing and isn't gone on from."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from unit_edge.errors import SinkError
from unit_edge.files.writing import open_unlinked, replacing
from unit_edge.runtime.translate import translate

PRECIOUS = "nobody else's business"


def prepared(folder: Path) -> Path:
    parts = folder / ".out.mp4.parts"
    parts.mkdir(mode=0o700)
    return parts


@pytest.mark.parametrize("name", ["lock", "about.json", "1.mp4", "2.mp4", "joined.mp4"])
@pytest.mark.parametrize("flags", [{}, {"overwrite": True}, {"resume": True}])
def test_a_link_among_the_parts_empties_nothing(
    write_clip: Callable[..., Path],
    write_model: Callable[..., Path],
    tmp_path: Path,
    name: str,
    flags: dict[str, bool],
) -> None:
    victim = tmp_path / "victim"
    victim.write_text(PRECIOUS)
    clip, model = write_clip(frames=3), write_model()
    (prepared(tmp_path) / name).symlink_to(victim)
    try:
        translate(clip, tmp_path / "out.mp4", model, **flags)
    except SinkError as error:
        assert ".out.mp4.parts" in str(error)
    assert victim.read_text() == PRECIOUS


def test_a_pipe_among_the_parts_is_not_waited_for(
    write_clip: Callable[..., Path], write_model: Callable[..., Path], tmp_path: Path
) -> None:
    clip, model, parts = write_clip(frames=3), write_model(), prepared(tmp_path)
    os.mkfifo(parts / "1.mp4")
    os.mkfifo(parts / "lock")
    with pytest.raises(SinkError, match="lock"):
        translate(clip, tmp_path / "out.mp4", model)


def test_a_folder_that_others_may_write_to_is_refused(
    write_clip: Callable[..., Path], write_model: Callable[..., Path], tmp_path: Path
) -> None:
    clip, model = write_clip(frames=3), write_model()
    prepared(tmp_path).chmod(0o777)
    with pytest.raises(SinkError, match="others may write there; remove it"):
        translate(clip, tmp_path / "out.mp4", model)


def test_a_folder_of_another_user_is_refused(
    write_clip: Callable[..., Path],
    write_model: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clip, model = write_clip(frames=3), write_model()
    prepared(tmp_path)
    another = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: another)
    with pytest.raises(SinkError, match="belongs to another user"):
        translate(clip, tmp_path / "out.mp4", model)


def test_the_name_that_is_written_to_first_cant_be_foreseen(tmp_path: Path) -> None:
    seen = set()
    for _ in range(2):
        with replacing(tmp_path / "out.json") as temporary:
            assert temporary.is_file() and not temporary.is_symlink()
            assert str(os.getpid()) not in temporary.name.split(".")
            seen.add(temporary.name)
    assert len(seen) == 2


def test_a_log_that_is_a_link_is_not_added_to(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text(PRECIOUS)
    (tmp_path / "log.jsonl").symlink_to(victim)
    with pytest.raises(OSError, match="is a link"):
        open_unlinked(tmp_path / "log.jsonl", os.O_WRONLY | os.O_APPEND)
    assert victim.read_text() == PRECIOUS
