"""Inputs of extreme shapes, pipes that nobody writes to, pictures that claim too much, killed recordings."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from unit_edge.errors import ModelError, SourceError, TruncatedError
from unit_edge.registry import bundled_models
from unit_edge.runtime.backends.open import open_runner
from unit_edge.runtime.sinks.video.parts import find_kept
from unit_edge.runtime.sources.images import read_image
from unit_edge.runtime.translate import translate

Write = Callable[..., Path]


def png_that_claims(path: Path, width: int, height: int) -> Path:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body)
    return path


@pytest.mark.parametrize("size", [(8, 4000), (4000, 8)])
def test_frames_of_extreme_shape_are_refused_before_they_take_the_memory(
    size: tuple[int, int], write_clip: Write, tmp_path: Path
) -> None:
    clip = write_clip("clip.mkv", frames=2, size=size, codec="ffv1")
    model, _ = bundled_models()[0]
    with pytest.raises(SourceError, match="more than 16 times the other; crop it first"):
        translate(clip, tmp_path / "out.mp4", model)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mkv"]
    with open_runner(model, "onnxruntime") as runner, pytest.raises(ModelError, match="more than 16 times"):
        runner.infer(np.zeros((1, size[1], size[0], 3), np.uint8))


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (65_535, 65_535)])
def test_a_gif_of_extreme_shape_is_refused(size: tuple[int, int], write_model: Write, tmp_path: Path) -> None:
    """One with a frame of that size, and one whose header claims it for a picture of one pixel."""
    header = b"GIF89a" + struct.pack("<HHBBB", *size, 0x80, 0, 0) + bytes(3) + b"\xff\xff\xff"
    pixel = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00\x3b"
    (tmp_path / "a.gif").write_bytes(header + pixel)
    with pytest.raises(SourceError, match=r"crop it first|no frame in it that can be decoded"):
        translate(tmp_path / "a.gif", tmp_path / "out.mp4", write_model())
    assert not (tmp_path / "out.mp4").exists()


def test_a_long_frame_that_cameras_give_passes() -> None:
    with open_runner(bundled_models()[0][0], "onnxruntime", threads=1) as runner:
        assert runner.infer(np.zeros((1, 60, 60 * 8, 3), np.uint8)).shape == (1, 60, 480, 3)


@pytest.mark.parametrize(("width", "height"), [(2**20 + 8, 4), (40_000, 40_000)])
def test_a_picture_that_claims_too_many_pixels_is_one_line(width: int, height: int, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"claims more pixels|can't be read as an image"):
        read_image(png_that_claims(tmp_path / "a.png", width, height))


def test_a_picture_that_would_take_more_than_2_gb_is_one_line(write_model: Write, tmp_path: Path) -> None:
    """The command line has a lower limit than OpenCV."""
    picture = png_that_claims(tmp_path / "a.png", 8192, 6400)
    command = [sys.executable, "-m", "unit_edge.cli", "translate", picture, "--model", write_model()]
    environment = {name: value for name, value in os.environ.items() if name != "OPENCV_IO_MAX_IMAGE_PIXELS"}
    done = subprocess.run(
        [*command, "-o", tmp_path / "b.png"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 1 and "it claims more pixels" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(("width", "height"), [(2**20 + 1, 1), (16, 2**24), (2**31 - 1, 2**31 - 1)])
def test_a_tiff_that_claims_a_side_too_long_is_one_line(width: int, height: int, tmp_path: Path) -> None:
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 2, 273: 8, 277: 3, 278: height, 279: 100}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    header = b"II*\0" + struct.pack("<I", 108) + bytes(100)
    (tmp_path / "a.tif").write_bytes(header + struct.pack("<H", len(tags)) + entries + bytes(4))
    with pytest.raises(SourceError, match=r"wider or higher than OpenCV allows|damaged, cut off"):
        read_image(tmp_path / "a.tif")


def test_a_folder_goes_on_behind_pictures_that_cant_be_read(write_model: Write, tmp_path: Path) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    png_that_claims(folder / "a.png", 40_000, 40_000)
    cv2.imwrite(str(folder / "b.png"), np.zeros((2, 100, 3), np.uint8))
    cv2.imwrite(str(folder / "c.png"), np.full((8, 8, 3), 7, np.uint8))
    with pytest.raises(TruncatedError, match=r"2 of 3 images were left out: .*a\.png.*b\.png"):
        translate(folder, output, write_model())
    assert [path.name for path in output.iterdir()] == ["c.png"]


@pytest.mark.parametrize("name", ["pipe", "pipe.mp4", "pipe.png"])
def test_a_pipe_without_a_writer_is_not_waited_for(name: str, write_model: Write, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(SourceError, match="is a pipe, expected a file"):
        translate(tmp_path / name, tmp_path / "out.mp4", write_model())


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{clip}\nnone\n",  # live: read anew for ever
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{clip}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {clip.name}\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    ],
    ids=["live", "ended", "concat", "sdp"],
)
@pytest.mark.parametrize("name", ["list.m3u8", "clip.mp4"])
def test_a_list_of_other_files_is_not_opened(
    name: str, text: str, write_clip: Write, write_model: Write, tmp_path: Path
) -> None:
    """FFmpeg would open whatever it names, or wait for more of it."""
    path = tmp_path / "in" / name
    path.parent.mkdir()
    path.write_text(text.format(clip=write_clip("a.mp4", frames=3)))
    with pytest.raises(SourceError, match="a list of other files"):
        translate(path, tmp_path / "out.mp4", write_model())


def test_a_part_that_is_a_list_is_not_gone_on_with(
    write_clip: Write, write_model: Write, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    done = subprocess.run([sys.executable, "-c", KILLED, output, "h264"], capture_output=True)
    assert done.returncode == -signal.SIGKILL and find_kept(output, {"input": "camera 0"}) is not None
    for part in (tmp_path / ".out.mp4.parts").glob("*.mp4"):
        part.write_text(f"ffconcat version 1.0\nfile {write_clip('a.mp4', frames=3)}\n")
    assert find_kept(output, {"input": "camera 0"}) is None


def test_a_video_of_more_pixels_than_fit_the_memory_is_one_line(write_model: Write, tmp_path: Path) -> None:
    """A small file: its frames are black."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 8192, 6400, "gray"
        frame = av.VideoFrame(8192, 6400, "gray")
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(SourceError, match="8192x6400: expected 50331648 pixels at most"):
        translate(path, tmp_path / "out.mp4", write_model())


KILLED = """
import os, signal, sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from unit_edge.frames import Frame, VideoInfo
from unit_edge.runtime.sinks.video.sink import VideoSink
info = VideoInfo(64, 48, Fraction(30), time_base=Fraction(1, 90_000))
sink = VideoSink(Path(sys.argv[1]), info, codec=sys.argv[2], making={"input": "camera 0"}, live=True)
sink.__enter__()
rng = np.random.default_rng(0)
for index in range(60):  # at 5 frames a second, of a camera that says 30
    sink.write(Frame(rng.integers(0, 255, (48, 64, 3)).astype(np.uint8), index, Fraction(index, 5)))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_a_kill_loses_two_seconds_of_a_recording_at_most(codec: str, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    done = subprocess.run([sys.executable, "-c", KILLED, output, codec], capture_output=True)
    assert done.returncode == -signal.SIGKILL
    kept = find_kept(output, {"input": "camera 0"})
    assert kept is not None and kept.end >= 60 / 5 - 2


def test_names_that_arent_utf_8(write_clip: Write, write_model: Write, tmp_path: Path) -> None:
    """All along the way: input, output, sheet, and a run that is repeated."""
    raw = os.fsencode(tmp_path)
    clip, output, sheet = (os.fsdecode(raw + name) for name in (b"/a\xff.mp4", b"/b\xfe.mp4", b"/c\xe4.png"))
    try:
        write_clip("a.mp4", frames=3).rename(clip)
    except OSError:
        pytest.skip("names here are always UTF-8")
    command = [
        sys.executable,
        "-m",
        "unit_edge.cli",
        "translate",
        clip,
        "--model",
        write_model(),
        "-o",
        output,
    ]
    for more, said in ((["--sheet", sheet], ": 3 frames"), (["--resume"], "is complete already")):
        done = subprocess.run([*command, *more], capture_output=True)
        assert done.returncode == 0, done.stderr
        assert said.encode() in done.stdout + done.stderr
    default = subprocess.run(command[:-2], capture_output=True, cwd=tmp_path)
    assert default.returncode == 0, default.stderr
    names = {os.fsencode(path.name) for path in tmp_path.iterdir()}
    assert {b"a\xff.mp4", b"b\xfe.mp4", b"c\xe4.png", b"a\xff-night.mp4"} < names


def test_damaged_pictures_are_one_line_and_nothing_of_their_libraries(
    write_model: Write, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 255, (6, 8, 3)).astype(np.uint8), (64, 48))
    for suffix in (".png", ".jpg", ".tif", ".bmp", ".webp"):
        good = cv2.imencode(suffix, picture)[1].tobytes()
        for index in range(20):
            bad = bytearray(good)
            for _ in range(4):
                bad[rng.integers(8, len(bad))] ^= int(rng.integers(1, 256))
            (folder / f"{index}{suffix}").write_bytes(bad)
    command = [sys.executable, "-m", "unit_edge.cli", "translate", folder, "--model", write_model()]
    done = subprocess.run([*command, "-o", tmp_path / "out", "-q"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert " of 100 images were left out" in done.stderr
