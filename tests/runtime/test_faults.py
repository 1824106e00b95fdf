"""What goes wrong in a car: full disks, damaged files, many cameras; and what was good stays."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from doubles import files_in
from live_servers import LiveServer
from probe import frame_times

from unit_edge.errors import TruncatedError, UnitEdgeError
from unit_edge.runtime.sinks.codecs import Encoding
from unit_edge.runtime.sinks.video.parts import find_kept
from unit_edge.runtime.sources.open import SourceOptions
from unit_edge.runtime.translate import translate

WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]
MAIN = [sys.executable, "-m", "unit_edge.cli"]
NOISE = np.random.default_rng(0).integers(0, 256, (25, 96, 128, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    before = threading.active_count(), _open_files()
    yield
    deadline = time.monotonic() + 5
    while threading.active_count() > before[0] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= before[0], threading.enumerate()
    assert _open_files() <= before[1] + 2  # what libraries open once for themselves


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return (
        subprocess.run(
            ["unshare", "-rm", "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True
        ).returncode
        == 0
    )


def test_a_full_disk_keeps_what_is_done(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    if not _may_mount():
        pytest.skip("needs unshare and the right to mount a tmpfs")
    clip = write_clip(frames=50, fps=5, size=(128, 96), paint=lambda i: NOISE[i % 25])
    small = tmp_path / "small"
    small.mkdir()
    one = " ".join(
        [*MAIN, "translate", str(clip), "--model", str(write_model()), "--crf 1", f"-o {small}/out.mp4"]
    )
    script = f"""
        mount -t tmpfs -o size=1m tmpfs {small}
        {one}; echo "first: $?"
        ls -A {small}
        mount -o remount,size=9m {small}
        {one} --resume; echo "second: $?"
        ls -A {small}
        cp {small}/out.mp4 {tmp_path}/out.mp4
    """
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, timeout=120)
    lines = done.stdout.splitlines()
    assert lines[:2] == ["first: 1", ".out.mp4.parts"]
    assert lines[-2:] == ["second: 0", "out.mp4"]
    kept, error, goes_on = done.stderr.splitlines()
    assert kept == f"{small}/out.mp4: what is done of it is kept; --resume goes on from there"
    assert error == f"error: {small}/out.mp4: can't be written: No space left on device"
    assert goes_on.startswith(f"{small}/out.mp4: goes on after ")
    assert int(lines[2].partition(": ")[2].split()[0]) < 50
    assert frame_times(tmp_path / "out.mp4") == [Fraction(index, 5) for index in range(50)]


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv", "in.ts"])
def test_flipped_bits_never_hang_or_crash(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path, name: str
) -> None:
    clip = write_clip(name, frames=25, size=(128, 96), paint=lambda i: NOISE[i], audio="aac")
    good, model = clip.read_bytes(), write_model()
    ends = {"whole": 0, "shorter": 0, "refused": 0}
    for seed in range(12):
        rng, damaged = np.random.default_rng(seed), bytearray(good)
        for at in rng.integers(0, len(good), 4):
            damaged[at] ^= 1 << int(rng.integers(8))
        clip.write_bytes(damaged)
        output = tmp_path / "out" / f"{seed}.mp4"
        output.parent.mkdir(exist_ok=True)
        try:
            translate(clip, output, model, encoding=Encoding(preset="ultrafast"))
            ends["whole"] += 1
        except TruncatedError as error:
            assert str(clip) in str(error)
            ends["shorter"] += 1
        except UnitEdgeError as error:
            assert str(clip) in str(error)
            ends["refused"] += 1
        if output.exists():
            assert 0 < len(frame_times(output)) <= 25
    assert ends["whole"] + ends["shorter"] > ends["refused"], ends
    assert {path for path in files_in(tmp_path / "out") if path.startswith(".")} == set()


def test_eight_streams_at_once(write_model: WriteModel, tmp_path: Path) -> None:
    model = write_model("invert")

    def record(server: LiveServer) -> tuple[int, float]:
        output = tmp_path / f"{server.port}.mp4"
        options = SourceOptions(duration=2)
        stats = translate(
            server.url, output, model, threads=1, options=options, encoding=Encoding(preset="ultrafast")
        )
        assert stats.captured == stats.shown + stats.dropped
        return len(frame_times(output)), stats.ages.percentile(95)

    servers = [LiveServer(("mpegts", "mjpeg")[index % 2], fps=15) for index in range(8)]
    try:
        for server in servers:
            server.__enter__()
        with ThreadPoolExecutor(8) as pool:
            ends = list(pool.map(record, servers))
    finally:
        for server in servers:
            server.kill()
    assert min(frames for frames, _ in ends) >= 5, "each got its share"
    assert max(age for _, age in ends) < 1.5, "and none lags behind"


def test_a_backend_that_fails_in_the_middle(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    model = write_model("fails")
    clip = write_clip(
        frames=50, fps=5, paint=lambda index: np.full((48, 64, 3), 100 if index < 40 else 250, np.uint8)
    )
    command = [*MAIN, "translate", str(clip), "--model", str(model), "-o", str(tmp_path / "out.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    kept, error = done.stderr.splitlines()
    assert "is kept; --resume" in kept
    assert error.startswith(f"error: {model}: onnxruntime") and "failed" in error
    found = find_kept(tmp_path / "out.mp4", {})
    assert found is not None and 35 <= found.frames <= 40  # less the frames that waited to be written


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv422p10le", "yuv444p"])
def test_ten_bits_and_other_chroma_become_what_they_show(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path, pix_fmt: str
) -> None:
    colours = np.array([[30, 60, 200], [200, 80, 20], [90, 200, 90], [128, 128, 128]], np.uint8)
    picture = np.repeat(np.repeat(colours.reshape(2, 2, 3), 24, 0), 32, 1)
    clip = write_clip("in.mkv", frames=4, pix_fmt=pix_fmt, codec="ffv1", paint=lambda _: picture)
    translate(clip, tmp_path / "out.mp4", write_model("invert"), encoding=Encoding(crf=1))
    with av.open(str(tmp_path / "out.mp4")) as container:
        shown = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert len(shown) == 4
    middles = shown[0][12::24, 16::32].astype(int).reshape(-1, 3)
    assert np.abs(middles - (255 - colours.astype(int))).max() <= 6


def test_of_several_sounds_the_first_comes_along(
    write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    one, other = write_clip("1.mkv", audio="aac"), write_clip("2.mkv", audio="libopus")
    with (
        av.open(str(one)) as first,
        av.open(str(other)) as second,
        av.open(str(tmp_path / "in.mkv"), "w") as both,
    ):
        streams = [first.streams.video[0], first.streams.audio[0], second.streams.audio[0]]
        copies = [both.add_stream_from_template(stream) for stream in streams]
        for source, stream, copied in zip((first, first, second), streams, copies, strict=True):
            source.seek(0)
            for packet in source.demux(stream):
                if packet.dts is not None:
                    packet.stream = copied
                    both.mux(packet)
    translate(tmp_path / "in.mkv", tmp_path / "out.mp4", write_model())
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [stream.codec_context.name for stream in container.streams.audio] == ["aac"]
        assert len(list(container.decode(video=0))) == 12
