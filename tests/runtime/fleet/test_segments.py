"""Long clips in segments: joined, they are what `translate` makes of the whole clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from probe import frame_times, grey, packets

from unit_edge.errors import ConfigError
from unit_edge.runtime.fleet.fleet import translate_many
from unit_edge.runtime.fleet.items import Item, Outcome, Work
from unit_edge.runtime.fleet.segments import find_cuts
from unit_edge.runtime.fleet.worker import Worker
from unit_edge.runtime.sinks.codecs import Encoding
from unit_edge.runtime.translate import translate

pytest.importorskip("fsspec")

WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]
NTSC = Fraction(30_000, 1001)
LOSSLESS = Encoding(crf=0)
"""Nothing that the encoder does differs with where it began."""


def numbered(index: int) -> Any:
    """A picture whose left half tells its number in ten stripes, and whose right half moves."""
    image = grey(index)
    for bit in range(10):
        image[:, 3 * bit : 3 * bit + 3] = 255 * (index >> bit & 1)
    image[index % 48, 40:] = 255
    return image


def pictures(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


def key_times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [p.pts * p.time_base for p in container.demux(stream) if p.size and p.is_keyframe]


@pytest.fixture
def worker(write_model: WriteModel, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """worker(seconds, ...) → one that cuts, opened in this process, and writes to tmp_path / "out"."""
    opened: list[Worker] = []

    def open_one(seconds: float, **work: Any) -> Worker:
        (tmp_path / "out").mkdir(exist_ok=True)
        model = write_model("invert")
        settings = {"backend": "onnxruntime", "encoding": LOSSLESS, **work}
        destination = str(tmp_path / "out")
        one = Worker(
            Work(model=str(model), suffix=".onnx", destination=destination, segment_s=seconds, **settings)
        )
        assert one.open()["error"] == ""
        opened.append(one)
        return one

    yield open_one
    for one in opened:
        one.close()


def in_steps(one: Worker, item: Item) -> list[Outcome]:
    """All steps that a clip takes, its segments backwards."""
    [first] = one.translate([item])
    outcomes = [first]
    if first.cuts:
        item = replace(item, cuts=first.cuts)
        for segment in reversed(range(len(first.cuts))):
            outcomes += one.translate([replace(item, segment=segment)])
        outcomes += one.translate([item])
    return outcomes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fps", "fields", "codec"),
    [
        ("a.mp4", 25, {"audio": "aac"}, None),
        ("b.mkv", NTSC, {"audio": "aac"}, None),  # rounds times to milliseconds
        ("c.ts", NTSC, {"audio": "aac", "time_base": Fraction(1, 90_000)}, None),
        ("d.mov", 30, {"audio": "aac", "audio_start": Fraction(1, 3)}, "hevc"),
        ("e.mp4", 30, {"times": [Fraction(n * n, 1200) for n in range(150)]}, None),  # slower and slower
    ],
)
def test_segments_joined_are_the_whole_clip(
    name: str,
    fps: Fraction | int,
    fields: dict[str, Any],
    codec: str | None,
    worker: Callable[..., Worker],
    write_clip: WriteClip,
    tmp_path: Path,
) -> None:
    clip = write_clip(name, frames=150, fps=fps, paint=numbered, key_every=20, **fields)
    one = worker(1, encoding=replace(LOSSLESS, codec=codec))
    output = str(Path(name).with_suffix(".mp4")) if name.endswith("ts") else name
    outcomes = in_steps(one, Item(name, str(clip), output, clip.stat().st_size))
    assert [outcome.error for outcome in outcomes] == [""] * len(outcomes)
    cuts = outcomes[0].cuts
    assert len(cuts) >= 4 and len(outcomes) == len(cuts) + 2
    assert outcomes[-1].frames == 150 == sum(outcome.frames for outcome in outcomes[1:-1])

    made, whole = tmp_path / "out" / output, tmp_path / f"whole{Path(output).suffix}"
    with_codec = replace(LOSSLESS, codec=codec)
    translate(clip, whole, tmp_path / "invert.onnx", backend="onnxruntime", encoding=with_codec)
    assert frame_times(made) == frame_times(whole)
    assert len(frame_times(made)) == 150
    if fields.get("audio"):
        assert packets(made, "audio") == packets(whole, "audio")
    if codec is None:  # x265 has no crf that loses nothing
        assert pictures(made) == pictures(whole)
    hidden = [path for path in (tmp_path / "out" / ".unit-edge-fleet").rglob("*") if path.is_file()]
    assert hidden == []


def test_cuts_are_at_key_frames_and_far_enough_apart(write_clip: WriteClip, tmp_path: Path) -> None:
    clip = write_clip("a.mp4", frames=200, key_every=15)
    keys = key_times(clip)
    cuts = find_cuts(clip, 2)
    assert cuts[0] == 0 and set(cuts) <= set(keys)
    assert list(cuts[1:]) == [Fraction(12, 5), Fraction(24, 5)]  # what is left is added to the last one
    assert find_cuts(clip, 6) == () == find_cuts(clip, 100)
    assert find_cuts(write_clip("b.mp4", frames=200, key_every=1000), 2) == ()


def test_a_clip_that_is_cut_off_is_not_begun(write_clip: WriteClip, worker: Callable[..., Worker]) -> None:
    clip = write_clip("a.mp4", frames=200, key_every=15, options={"movflags": "+faststart"})
    clip.write_bytes(clip.read_bytes()[:-2000])
    [outcome] = in_steps(worker(1), Item("a.mp4", str(clip), "a.mp4", clip.stat().st_size))
    assert outcome.error.startswith("a.mp4: the file is damaged or cut off"), outcome


def test_segments_that_are_there_are_not_made_again(
    worker: Callable[..., Worker], write_clip: WriteClip, tmp_path: Path
) -> None:
    clip = write_clip("a.mp4", frames=100, paint=numbered, key_every=20)
    item = Item("a.mp4", str(clip), "a.mp4", clip.stat().st_size)
    first, second = worker(1), worker(1)
    item = replace(item, cuts=first.translate([item])[0].cuts)
    for segment in range(2):
        assert first.translate([replace(item, segment=segment)])[0].frames > 0
    assert not (tmp_path / "out" / "a.mp4").exists()
    outcomes = [second.translate([replace(item, segment=n)])[0] for n in range(len(item.cuts))]
    assert [outcome.frames > 0 for outcome in outcomes] == [False, False] + [True] * (len(item.cuts) - 2)
    assert second.translate([item])[0].frames == 100 == len(frame_times(tmp_path / "out" / "a.mp4"))
    [again] = first.translate([item])  # as if the first answer had been lost with its worker
    assert (again.error, again.frames) == ("", 0)


def test_steadying_and_cutting_are_refused_together(write_model: WriteModel, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="each frame is steadied after the one before"):
        translate_many(tmp_path / "in", tmp_path / "out", write_model(), steady=True, segment_s=60)
    with pytest.raises(ConfigError, match="--segment 0: expected 1 or more seconds"):
        translate_many(tmp_path / "in", tmp_path / "out", write_model(), segment_s=0)


@pytest.mark.slow
def test_several_workers_make_one_clip(
    ray_cluster: None, write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write_clip("long.mp4", frames=300, key_every=20, audio="aac").rename(folder / "long.mp4")
    write_clip("short.mp4", frames=10).rename(folder / "short.mp4")
    damaged = write_clip("damaged.mp4", frames=300, paint=numbered, key_every=20)
    content = bytearray(damaged.read_bytes())
    half = len(content) // 2
    content[half : half + 3000] = bytes(np.random.default_rng(3).integers(0, 256, 3000, np.uint8))
    (folder / "damaged.mp4").write_bytes(content)
    model = write_model()
    report = translate_many(folder, tmp_path / "out", model, segment_s=2, encoding=LOSSLESS)
    assert [one.name for one in report.failed] == ["damaged.mp4"], report.outcomes
    assert sorted((one.name, one.frames) for one in report.done) == [("long.mp4", 300), ("short.mp4", 10)]
    assert sum(node["frames"] for node in report.content()["nodes"]) == 310
    translate(folder / "long.mp4", tmp_path / "whole.mp4", model, encoding=LOSSLESS)
    made = tmp_path / "out" / "long.mp4"
    assert frame_times(made) == frame_times(tmp_path / "whole.mp4")
    assert pictures(made) == pictures(tmp_path / "whole.mp4")
    assert packets(made, "audio") == packets(tmp_path / "whole.mp4", "audio")
    left = [path.name for path in (tmp_path / "out").rglob("*") if path.is_file() and path.suffix != ".json"]
    assert sorted(left) == ["long.mp4", "short.mp4"]
