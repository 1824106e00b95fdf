"""Which files are pairs, and what is told of the others."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from unit_edge.errors import ConfigError, TruncatedError
from unit_edge.runtime.check.pairs import Selection, count_frames, find, pairs, raise_faults


def write(folder: Path, *names: str, size: tuple[int, int] = (64, 48)) -> str:
    folder.mkdir(exist_ok=True)
    for place, name in enumerate(names):
        assert cv2.imwrite(str(folder / name), np.full((size[1], size[0], 3), 10 * place, np.uint8))
    return str(folder)


def test_by_name_first_and_then_by_stem(tmp_path: Path) -> None:
    before = write(tmp_path / "in", "a.jpg", "a.png", "b.png", "c.png")
    after = write(tmp_path / "out", "a.jpg", "a.png", "b.jpg", "d.png")
    work = find(before, after)
    assert [(x.name, y.name) for x, y in work.items if y] == [
        ("a.jpg", "a.jpg"),
        ("a.png", "a.png"),
        ("b.png", "b.jpg"),
    ]
    assert [fault.partition(":")[0] for fault in work.faults] == ["c.png", "d.png"]


def test_each_picture_is_read_once_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unit_edge.runtime.check import pairs as module

    source, read = write(tmp_path / "in", "1.png", "2.png", "10.png"), []
    original = module.read_image
    monkeypatch.setattr(module, "read_image", lambda path: read.append(path.name) or original(path))
    work = find(source, None)
    found = list(pairs(work, Selection(limit=2), lambda image: 255 - image))
    assert read == [pair.name for pair in found] == ["1.png", "10.png"]
    assert count_frames(work, Selection(limit=2)) == 2
    assert found[0].after[0, 0, 0] == 255


def test_one_pixel_more_is_an_encoders_and_half_the_size_is_fine(tmp_path: Path) -> None:
    before = write(tmp_path / "in", "a.png", "b.png", "c.png", size=(63, 47))
    write(tmp_path / "out", "a.png", size=(64, 48))
    write(tmp_path / "out", "b.png", size=(126, 94))
    after = write(tmp_path / "out", "c.png", size=(47, 63))
    work = find(before, after)
    assert [pair.name for pair in pairs(work, Selection(), None)] == ["a.png", "b.png"]
    assert "c.png: is 63x47 and its translation" in work.faults[0]
    with pytest.raises(TruncatedError, match="1 left out, 2 frames compared"):
        raise_faults(work.faults, 2)


def test_scenes_are_what_a_group_matches(tmp_path: Path) -> None:
    source = write(tmp_path / "in", "x1-a.png", "x1-b.png", "y.png")
    found = pairs(find(source, source), Selection(scene=r"^(x\d)-"), None)
    assert [pair.scene for pair in found] == ["x1", "x1", "y.png"]


def test_videos_and_pictures_together_are_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "in", "a.png")
    (tmp_path / "in" / "b.mp4").touch()
    with pytest.raises(ConfigError, match="1 videos and 1 images"):
        find(source, None)
