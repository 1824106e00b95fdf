"""The cache of engines, which are code: nobody else's, and nothing that was changed, is handed out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unit_edge.errors import BackendError
from unit_edge.runtime.backends.onnxruntime.engine_cache import engine_folder


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "unit-edge" / "engines"


def fill(*made_for: object) -> Path:
    """An entry with two files; where it is kept."""
    with engine_folder(*made_for) as folder:
        assert not list(folder.iterdir())
        (folder / "a.engine").write_bytes(b"engine")
        (folder / "a.timing").write_bytes(b"timing")
    with engine_folder(*made_for) as folder:
        return folder


def test_an_entry_is_kept_for_what_it_was_made_for(root: Path) -> None:
    folder = fill("abc", (1, 24, 32, 3))
    assert folder.parent == root and (folder / "a.engine").read_bytes() == b"engine"
    assert fill("abc", (1, 24, 64, 3)) != folder


def test_it_is_the_users_alone(root: Path) -> None:
    folder = fill("abc")
    assert root.stat().st_mode & 0o077 == folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("change", ["content", "added", "removed", "no list", "damaged list", "empty list"])
def test_what_was_changed_is_thrown_away(change: str, root: Path) -> None:
    folder = fill("abc")
    contents = folder / "contents.json"
    {
        "content": lambda: (folder / "a.engine").write_bytes(b"other"),
        "added": lambda: (folder / "b.engine").write_bytes(b"other"),
        "removed": lambda: (folder / "a.timing").unlink(),
        "no list": contents.unlink,
        "damaged list": lambda: contents.write_text("{"),
        "empty list": lambda: contents.write_text("{}"),
    }[change]()
    fill("abc")


def test_what_is_added_by_its_user_is_kept(root: Path) -> None:
    fill("abc")
    with engine_folder("abc") as folder:
        (folder / "b.engine").write_bytes(b"another")
    with engine_folder("abc") as folder:
        assert (folder / "b.engine").read_bytes() == b"another"


@pytest.mark.parametrize("kept", [False, True])
def test_a_failure_leaves_nothing(kept: bool, root: Path) -> None:
    if kept:
        fill("abc")
    with pytest.raises(ZeroDivisionError), engine_folder("abc") as folder:
        (folder / "b.engine").write_bytes(b"half")
        raise ZeroDivisionError
    assert not list(root.iterdir())


def test_two_at_a_time(root: Path) -> None:
    with engine_folder("abc") as one, engine_folder("abc") as other:
        assert one != other
        for folder in (one, other):
            (folder / "a.engine").write_bytes(b"engine")
    (folder,) = root.iterdir()
    assert (folder / "a.engine").read_bytes() == b"engine"


def test_what_a_killed_process_left_goes_after_a_day(root: Path) -> None:
    fill("abc")
    for name, age_s in (("old", 100_000), ("new", 10)):
        (root / f".unfinished-{name}").mkdir()
        then = root.stat().st_mtime - age_s
        os.utime(root / f".unfinished-{name}", (then, then))
    fill("def")
    assert {path.name for path in root.glob(".*")} == {".unfinished-new"}


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
def test_a_folder_that_others_could_write_to_is_refused(root: Path) -> None:
    fill("abc")
    root.chmod(0o770)
    with pytest.raises(BackendError, match="others may have changed"), engine_folder("abc"):
        pass


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
def test_the_folder_above_is_closed_to_others(root: Path) -> None:
    root.parent.mkdir()
    root.parent.chmod(0o777)
    fill("abc")
    assert root.parent.stat().st_mode & 0o777 == 0o755


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_a_link_is_refused(root: Path, tmp_path: Path) -> None:
    root.parent.mkdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    root.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BackendError, match="others may have changed"), engine_folder("abc"):
        pass


def test_an_interruption_throws_no_good_engines_away(root: Path) -> None:
    folder = fill("abc")
    with pytest.raises(KeyboardInterrupt), engine_folder("abc"):
        raise KeyboardInterrupt
    assert (folder / "a.engine").exists()


def test_a_place_that_cant_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(BackendError, match="set XDG_CACHE_HOME"), engine_folder("abc"):
        pass
