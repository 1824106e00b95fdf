"""The documentation's example for Ray Datasets, and what it does with what isn't as expected."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from probe import frame_times

from unit_edge.errors import ConfigError
from unit_edge.runtime.fleet import UnitEdge, UnitEdgeVideos

pytest.importorskip("fsspec")

WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]
PAGE = Path(__file__).parents[3] / "docs" / "fleet.md"


def example() -> dict[str, Any]:
    """What the page's Python defines."""
    found: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(block, found)
    return found


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_the_example_makes_pictures_and_videos(
    ray_cluster: None,
    write_model: WriteModel,
    write_clip: WriteClip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("pandas")
    monkeypatch.setattr(
        pytest.importorskip("ray").data.DataContext.get_current(), "enable_progress_bars", False
    )
    model = str(write_model("invert"))
    (tmp_path / "in").mkdir()
    for value in (10, 90):
        cv2.imwrite(str(tmp_path / "in" / f"{value}.png"), np.full((48, 64, 3), (value, 0, 255), np.uint8))
    example()["night_pictures"](str(tmp_path / "in"), str(tmp_path / "out"), model, actors=1)
    made = [cv2.imread(str(path)) for path in (tmp_path / "out").iterdir()]
    assert sorted(picture[0, 0].tolist() for picture in made) == [[165, 255, 0], [245, 255, 0]]
    assert all((picture == picture[0, 0]).all() and picture.shape == (48, 64, 3) for picture in made)

    (tmp_path / "none.mp4").write_bytes(b"no video")
    paths = [str(write_clip("a.mp4", frames=5)), str(tmp_path / "none.mp4")]
    failed = example()["night_videos"](paths, str(tmp_path / "videos"), model, actors=1)
    assert [(row["path"], row["frames"]) for row in failed] == [(paths[1], 0)]
    assert failed[0]["error"].startswith("none.mp4: not a video")
    assert len(frame_times(tmp_path / "videos" / "a.mp4")) == 5


def test_pictures_of_several_sizes_keep_theirs(write_model: WriteModel) -> None:
    translate = UnitEdge(write_model("invert"), column="frame")
    pictures = np.empty(3, object)
    pictures[:] = [np.full((32 + 4 * n, 64, 3), n, np.uint8) for n in range(3)]
    made = translate({"frame": pictures, "id": np.arange(3)})
    assert [picture.shape for picture in made["frame"]] == [(32, 64, 3), (36, 64, 3), (40, 64, 3)]
    assert [int(picture[0, 0, 0]) for picture in made["frame"]] == [255, 254, 253]
    assert made["id"].tolist() == [0, 1, 2]
    assert len(translate({"frame": np.zeros((0, 32, 32, 3), np.uint8)})["frame"]) == 0


def test_what_is_no_picture_is_named(write_model: WriteModel) -> None:
    translate = UnitEdge(write_model())
    with pytest.raises(ConfigError, match="no column 'image' in the dataset; it has 'img'"):
        translate({"img": np.zeros((1, 32, 32, 3), np.uint8)})
    with pytest.raises(ConfigError, match=r"has uint8\[32, 32\], expected pictures"):
        translate({"image": np.zeros((1, 32, 32), np.uint8)})
    with pytest.raises(ConfigError, match="has str, expected pictures"):
        translate({"image": np.array(["a.png"], object)})


def test_videos_keep_to_the_destination(
    write_model: WriteModel, write_clip: WriteClip, tmp_path: Path
) -> None:
    clip = str(write_clip("a.mp4", frames=5))
    translate = UnitEdgeVideos(write_model(), tmp_path / "out", names="name")
    names = ["front/a.mkv", "../a.mp4", "a.txt", "front/a.mkv"]
    made = translate({"path": np.array([clip] * 4), "name": np.array(names)})
    assert made["frames"].tolist() == [5, 0, 0, 0]
    assert made["error"][1].startswith("../a.mp4: has an empty part, . or ..")
    assert "is no video and no picture" in made["error"][2]
    assert (made["error"][0], made["error"][3]) == ("", "")  # the second time it was there
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert files == [tmp_path / "out" / "front" / "a.mkv"]
