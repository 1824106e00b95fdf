"""Videos whose making broke off, made file by file."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from unit_edge.runtime.sinks.video.parts import Kept, find_kept

FPS, GROUP, TICKS = 10, 5, 10_240
MAKING = {"input": "a", "model": "b", "--crf": "18"}
FRAGMENTED = {"movflags": "+frag_keyframe+delay_moov"}


def write_video(
    path: Path, frames: int = 20, *, fps: int = FPS, start: Fraction = Fraction(0), comment: str = ""
) -> Path:
    """Noise with a key frame every 5 frames, and frames that are stored before those that they come after."""
    options = {".mp4": FRAGMENTED, ".mov": {"movflags": "faststart"}}.get(path.suffix, {})
    with av.open(f"file:{path}", "w", options=options) as container:
        if comment:
            container.metadata["comment"] = comment
        stream: Any = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
        stream.options = {
            "preset": "ultrafast",
            "crf": "1",
            "x264-params": f"keyint={GROUP}:min-keyint={GROUP}:scenecut=0:bframes=2:b-adapt=0",
        }
        noise = np.random.default_rng(0).integers(0, 256, (frames, 48, 64, 3), dtype=np.uint8)
        for index, image in enumerate(noise):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = round((start + Fraction(index, fps)) * TICKS), Fraction(1, TICKS)
            frame.duration = TICKS // fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def stored(path: Path) -> list[tuple[int, int]]:
    """Place and size of each packet, in the order of the file."""
    with av.open(f"file:{path}") as container:
        return [(packet.pos or 0, packet.size) for packet in container.demux(video=0) if packet.size]


def left_behind(folder: Path) -> Path:
    """An output of which a run has left nothing but what it was to be made from."""
    output = folder / "out.mp4"
    folder_of(output).mkdir(mode=0o700)
    say(output, continues=False)
    return output


def folder_of(output: Path) -> Path:
    return output.parent / f".{output.name}.parts"


def say(output: Path, **about: object) -> None:
    content = {"making": MAKING, "stream": "s", **about}
    (folder_of(output) / "about.json").write_text(json.dumps(content))


def kept_of(output: Path) -> Kept:
    kept = find_kept(output, MAKING)
    assert kept is not None
    return kept
