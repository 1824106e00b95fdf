"""Tiny models and clips, made where tests want them; conftest.py has them as fixtures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from probe import grey, yuv420

from unit_edge.manifests.model import Manifest, TensorSpec, sha256_of

Painter = Callable[[int], NDArray[np.uint8]]
_SAMPLE_RATE = 48_000


def make_model(
    folder: Path, kind: str = "identity", shape: Sequence[int | None] = (None, None, None, 3), **fields: Any
) -> Path:
    """A tiny .onnx and its manifest in a folder; `write_model` has the kinds."""
    onnx = pytest.importorskip("onnx", reason="building test models needs the export extra")
    from onnx import TensorProto, helper

    dtype, constants = TensorProto.UINT8, []
    nodes = [helper.make_node("Identity", ["frame"], ["translated"])]
    if kind == "invert":
        constants = [helper.make_tensor("white", TensorProto.FLOAT, [], [255])]
        nodes = [
            helper.make_node("Cast", ["frame"], ["a"], to=TensorProto.FLOAT),
            helper.make_node("Sub", ["white", "a"], ["b"]),
            helper.make_node("Cast", ["b"], ["translated"], to=TensorProto.UINT8),
        ]
    elif kind == "slow":
        nodes = [
            helper.make_node("Cast", ["frame"], ["a"], to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["a"], ["b"], perm=[0, 3, 1, 2]),
            *(
                helper.make_node("AveragePool", [a], [b], kernel_shape=[31, 31], pads=[15] * 4)
                for a, b in pairwise(["b", *(f"blur{turn}" for turn in range(16))])
            ),
            helper.make_node("Transpose", ["blur15"], ["d"], perm=[0, 2, 3, 1]),
            helper.make_node("Cast", ["d"], ["translated"], to=TensorProto.UINT8),
        ]
    elif kind == "fails":
        slices = {"from": [0] * 4, "to": [1] * 4, "axes": [0, 1, 2, 3]}
        constants = [helper.make_tensor(k, TensorProto.INT64, [4], v) for k, v in slices.items()]
        constants.append(helper.make_tensor("table", TensorProto.UINT8, [200], [0] * 200))
        nodes = [
            helper.make_node("Slice", ["frame", *slices], ["pixel"]),
            helper.make_node("Cast", ["pixel"], ["index"], to=TensorProto.INT64),
            helper.make_node("Gather", ["table", "index"], ["zero"]),
            helper.make_node("Add", ["frame", "zero"], ["translated"]),
        ]
    elif kind == "nchw":
        shape = (None, 3, None, None)
    elif kind == "float":
        dtype = TensorProto.FLOAT
    dims = [name if size is None else size for name, size in zip("NHWC", shape, strict=True)]
    tensors = [[helper.make_tensor_value_info(name, dtype, dims)] for name in ("frame", "translated")]
    graph = helper.make_graph(nodes, "test", *tensors, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path = folder / f"{fields.get('name', kind)}.onnx"
    onnx.save(model, path)
    dtype_name = "float32" if kind == "float" else "uint8"
    values: dict[str, Any] = {
        "name": path.stem,
        "source": "day",
        "target": "night",
        "preset": "edge-test",
        "precision": "fp32",
        "input": TensorSpec("frame", dtype_name, tuple(shape)),
        "output": TensorSpec("translated", dtype_name, tuple(shape)),
        "network_short_side": 192,
        "network_size": None,
        "detail": "none",
        "sha256": sha256_of(path),
    }
    Manifest(**{**values, **fields}).write(path.with_suffix(".json"))
    return path


def make_clip(
    folder: Path,
    name: str = "clip.mp4",
    *,
    frames: int = 12,
    size: tuple[int, int] = (64, 48),
    fps: Fraction | int = 25,
    times: Sequence[Fraction] | None = None,
    paint: Painter | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    audio: str | None = None,
    audio_start: Fraction = Fraction(0),
    rotation: tuple[int, bool] | None = None,
    colour: tuple[int, int, int, int] | None = None,
    time_base: Fraction | None = None,
    key_every: int | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """A clip in a folder; `write_clip` has the arguments."""
    path = folder / name
    fps = Fraction(fps)
    times = times if times is not None else [index / fps for index in range(frames)]
    ticks = time_base or Fraction(1, fps.numerator * 1000)
    with av.open(str(path), "w", options=options or {}) as container:
        video: Any = container.add_stream(codec, rate=fps)
        video.width, video.height, video.pix_fmt = *size, pix_fmt
        video.time_base = video.codec_context.time_base = ticks
        if codec == "libx264":
            video.options = {"preset": "ultrafast", "crf": "10"}
        if key_every is not None:
            video.codec_context.gop_size = key_every
        if rotation is not None:
            video.set_display_rotation(rotation[0], hflip=rotation[1])
        if colour is not None:
            video.colorspace, video.color_primaries, video.color_trc, video.color_range = colour
        sound: Any = container.add_stream(audio, rate=_SAMPLE_RATE) if audio else None
        for index, time in enumerate(times):
            image = paint(index) if paint is not None else grey(index, size)
            if colour is None:
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            else:
                planes = yuv420(image, colour[0], full_range=colour[3] == 2)
                frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = round(time / ticks), ticks
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None:
            for frame in _tone(times[-1] + 1 / fps, audio_start, sound):
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
    return path


def _tone(seconds: Fraction, start: Fraction, stream: Any) -> list[av.AudioFrame]:
    count = round(seconds * _SAMPLE_RATE)
    wave = (8000 * np.sin(2 * np.pi * 440 * np.arange(count) / _SAMPLE_RATE)).astype(np.int16)
    frames = []
    for begin in range(0, count, 1024):
        piece = wave[begin : begin + 1024]
        frame = av.AudioFrame.from_ndarray(np.stack([piece, piece], axis=1).reshape(1, -1), "s16", "stereo")
        frame.sample_rate, frame.time_base = _SAMPLE_RATE, Fraction(1, _SAMPLE_RATE)
        frame.pts = begin + round(start * _SAMPLE_RATE)
        frames.append(frame)
    return frames
