"""The packets of a file against a plain PyAV loop, and what is said of one that ends too early."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from unit_edge.errors import TruncatedError
from unit_edge.media.containers import open_media, pick_stream
from unit_edge.media.demux import StoredPackets
from unit_edge.runtime.sources.video import FileSource
from unit_edge.train.data.video import SampledFrames

WriteClip = Callable[..., Path]
FRAMES = 40


def noisy(write_clip: WriteClip, name: str, **arguments: object) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (FRAMES, 48, 64, 3), dtype=np.uint8)
    codec = {"flv": "flv1", "webm": "libvpx"}.get(name.partition(".")[2], "mpeg4")
    options = {"movflags": "faststart"} if name.endswith("mp4") else {}
    values = {"codec": codec, "options": options, "time_base": Fraction(1, 25), **arguments}
    return write_clip(name, frames=FRAMES, paint=lambda index: noise[index], **values)


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def stored(path: Path, *, from_s: int | None = None) -> tuple[int, StoredPackets]:
    """How many packets of the video there are, and what is said of the file then."""
    with open_media(path) as container:
        stream = pick_stream(container, "video")
        assert isinstance(stream, VideoStream)
        if from_s is not None:
            container.seek(from_s * av.time_base)
        packets = StoredPackets(container, stream, whole=from_s is None)
        return sum(packet.stream_index == stream.index for packet in packets), packets


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_the_packets_of_all_streams_and_when_the_last_one_ends(write_clip: WriteClip, name: str) -> None:
    path = noisy(write_clip, name, audio="aac", audio_start=Fraction(1))
    with av.open(str(path)) as container:
        expected = [(p.stream_index, p.pts, p.size) for p in container.demux() if p.size]
    with av.open(str(path)) as container:
        end = max((p.pts + (p.duration or 0)) * p.time_base for p in container.demux() if p.pts is not None)
    with open_media(path) as container:
        stream = pick_stream(container, "video")
        assert isinstance(stream, VideoStream)
        packets = StoredPackets(container, stream)
        assert [(p.stream_index, p.pts, p.size) for p in packets] == expected
    assert (packets.fault, packets.end) == ("", end)
    assert end > Fraction(FRAMES + 20, 25), "the sound is the longer one"


def test_an_mp4_file_that_is_cut_off_lacks_packets(write_clip: WriteClip) -> None:
    path = noisy(write_clip, "cut.mp4")
    halve(path)
    count, packets = stored(path)
    assert 0 < count < FRAMES
    assert packets.fault == f"cut off: {count} of {FRAMES} packets"


@pytest.mark.parametrize("name", ["cut.mkv", "cut.webm", "cut.flv"])
def test_others_that_are_cut_off_lack_seconds(write_clip: WriteClip, name: str) -> None:
    path = noisy(write_clip, name)
    halve(path)
    count, packets = stored(path)
    assert packets.end == pytest.approx(count / 25, abs=0.05)
    assert packets.fault == f"cut off: {float(packets.end):.1f} of 1.6 s"


def test_what_follows_a_jump_is_not_counted(write_clip: WriteClip) -> None:
    count, packets = stored(noisy(write_clip, "a.mp4"), from_s=1)
    assert 0 < count < FRAMES
    assert packets.fault == ""


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.avi"])
def test_training_and_the_runtime_miss_the_same_of_a_file(write_clip: WriteClip, name: str) -> None:
    path = noisy(write_clip, name)
    halve(path)
    sampled = SampledFrames(path, 0.01)
    count = len(list(sampled))
    assert sampled.fault.startswith("it is cut off: ")
    shown = 0
    with (
        pytest.raises(TruncatedError, match=f"reading broke off after {count} .*cut off"),
        FileSource(path) as source,
    ):
        for _ in source:
            shown += 1
    assert shown == count > 5
