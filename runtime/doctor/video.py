"""Probes of what reads and writes video: PyAV's encoders, OpenCV's back ends, cameras. All by doing it."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from unit_edge.machine.gpu import find_gpu
from unit_edge.runtime.doctor.finding import BROKEN, MISSING, OK, SHORT, WARNING, Finding, Problem, load
from unit_edge.runtime.doctor.remedies import is_jetson, remedy
from unit_edge.runtime.sinks.scheduling import scheduling_kept
from unit_edge.runtime.sources.cameras import CameraNode, camera_nodes
from unit_edge.text.printable import one_line

# each with what is lost without it
_ENCODERS = {
    "libx264": "H.264 video",
    "aac": "sound that is encoded anew",
    "libx265": "HEVC video",
    "libsvtav1": "AV1 video",
    "libopus": "Opus sound",
    "h264_nvenc": "H.264 video by an NVIDIA GPU",
}
_FASTEST = {
    "libx264": {"preset": "ultrafast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libsvtav1": {"preset": "12"},
}
_SIZE = (256, 144)  # NVENC's and SVT-AV1's least sizes are a little smaller
_WHEELS = (
    "opencv-python",
    "opencv-contrib-python",
    "opencv-python-headless",
    "opencv-contrib-python-headless",
)
# one 16x16 frame of H.264, of about this colour
_CLIP = "AAAAAWdCwAraehAAAAMAEAAAAwMg8SJqAAAAAWjOBvIAAAABZYiEOhGKAAIGccAAQaY4AAhJYA=="
_CLIP_BGR, _CLIP_TOLERANCE = (37, 89, 197), 16


def pyav_probes() -> dict[str, Callable[[], list[Finding]]]:
    return {"pyav": _pyav, **{name: partial(_encoder, name) for name in _ENCODERS}}


def _pyav() -> list[Finding]:
    av = load("av", "av")
    load("numpy", "numpy")
    ffmpeg = getattr(av, "ffmpeg_version_info", None)
    return [Finding("pyav", OK, f"{av.__version__}" + (f", FFmpeg {ffmpeg}" if ffmpeg else ""))]


def _encoder(name: str) -> list[Finding]:
    import av

    try:
        context: Any = av.CodecContext.create(name, "w")
    except ValueError:  # PyAV's for a codec that it was built without
        raise Problem(MISSING, f"not in this PyAV: no {_ENCODERS[name]}", remedy("av-anew")) from None
    try:
        with scheduling_kept():
            packets = _encoded(av, context, _FASTEST.get(name, {}))
    except Exception as error:
        if name.endswith("_nvenc"):
            if find_gpu() is None:
                raise Problem(MISSING, "needs an NVIDIA GPU") from None
            raise Problem(MISSING, f"this GPU or its driver has none ({one_line(error, SHORT)})") from None
        raise Problem(BROKEN, f"encodes nothing: {one_line(error, SHORT)}", remedy("av-anew")) from None
    if not any(packet.size for packet in packets):
        raise Problem(BROKEN, "encodes nothing", remedy("av-anew"))
    return [Finding(name, OK, f"encodes {_ENCODERS[name]}")]


def _encoded(av: Any, context: Any, options: dict[str, str]) -> list[Any]:
    import numpy as np

    if context.type == "video":
        context.width, context.height = _SIZE
        context.pix_fmt, context.time_base, context.framerate = "yuv420p", Fraction(1, 25), 25
        context.options = options
        frame = av.VideoFrame.from_ndarray(np.full((_SIZE[1] * 3 // 2, _SIZE[0]), 128, np.uint8), "yuv420p")
    else:
        context.sample_rate, context.layout = 48_000, "stereo"
        context.format = context.codec.audio_formats[0]
        context.time_base = Fraction(1, 48_000)
        context.open()
        count = context.frame_size or 1024
        silence = av.AudioFrame(format=context.format, layout="stereo", samples=count)
        for plane in silence.planes:
            plane.update(bytes(plane.buffer_size))
        frame, silence.sample_rate, silence.time_base = silence, 48_000, Fraction(1, 48_000)
    frame.pts = 0
    return [*context.encode(frame), *context.encode(None)]


def opencv_probes() -> dict[str, Callable[[], list[Finding]]]:
    return {"opencv": _opencv, "opencv ffmpeg": _ffmpeg, "opencv gstreamer": _gstreamer}


def _opencv() -> list[Finding]:
    cv2 = load("cv2", "opencv")
    wheels = _wheels_of(cv2)
    version = cv2.__version__
    if len(wheels) > 1:
        fact = f"{version}, of {' and '.join(wheels)}, which overwrite one another"
        return [Finding(name="opencv", status=WARNING, fact=fact, fix=remedy("one-opencv"))]
    if not wheels:
        return [Finding("opencv", OK, f"{version}, the system's ({cv2.__file__})")]
    if is_jetson():
        fact = f"{version}, pip's {wheels[0]}, which hides JetPack's with GStreamer"
        return [Finding(name="opencv", status=WARNING, fact=fact, fix=f"pip uninstall -y {wheels[0]}")]
    return [Finding("opencv", OK, f"{version}, pip's {wheels[0]}")]


def _wheels_of(cv2: Any) -> list[str]:
    """The distributions of pip that have their files where the module is."""
    found, file = [], Path(cv2.__file__).resolve()
    folder = file.parent.parent if file.stem == "__init__" else file.parent
    for name in _WHEELS:
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        if Path(str(distribution.locate_file("cv2"))).resolve().parent == folder:
            found.append(name)
    return found


def _ffmpeg() -> list[Finding]:
    import cv2

    with tempfile.TemporaryDirectory(prefix="unit-edge-") as folder:
        clip = Path(folder) / "clip.h264"
        clip.write_bytes(base64.b64decode(_CLIP))
        capture = cv2.VideoCapture(str(clip), cv2.CAP_FFMPEG)
        opened = capture.isOpened()
        good, image = capture.read()
        capture.release()
    if not opened:
        raise Problem(MISSING, "this OpenCV can't read H.264 through FFmpeg", remedy("opencv"))
    if not good:
        raise Problem(BROKEN, "opens a clip of H.264, but reads no frame", remedy("opencv"))
    off = max(
        abs(int(value) - known) for value, known in zip(image.mean(axis=(0, 1)), _CLIP_BGR, strict=True)
    )
    if off > _CLIP_TOLERANCE:
        raise Problem(BROKEN, f"reads H.264 in wrong colours, off by {off} levels", remedy("opencv"))
    return [Finding("opencv ffmpeg", OK, "reads H.264")]


def _gstreamer() -> list[Finding]:
    import cv2

    pipeline = "videotestsrc num-buffers=1 ! videoconvert ! video/x-raw,format=BGR ! appsink"
    capture = cv2.VideoCapture(pipeline, cv2.CAP_GSTREAMER)
    opened = capture.isOpened()
    good, _ = capture.read()
    capture.release()
    if good:
        return [Finding("opencv gstreamer", OK, "runs a pipeline")]
    if opened:
        raise Problem(BROKEN, "opens a pipeline, but reads no frame", remedy("gstreamer"))
    if _wheels_of(cv2):
        fact = "pip's OpenCV has none; the system's has, seen by `python3 -m venv --system-site-packages`"
        raise Problem(MISSING, fact, remedy("gstreamer-wheel"))
    raise Problem(MISSING, "this OpenCV runs no pipeline of GStreamer", remedy("gstreamer"))


def camera_probes() -> dict[str, Callable[[], list[Finding]]]:
    nodes = camera_nodes()
    if not nodes:
        return {"cameras": _no_camera}
    return {node.path.name: partial(_camera, node) for node in nodes}


def _no_camera() -> list[Finding]:
    raise Problem(MISSING, "no /dev/video* that captures")


def _camera(node: CameraNode) -> list[Finding]:
    name = node.path.name
    if node.fault == "permission":
        raise Problem(MISSING, f"{node.title}: no permission; log in again after", remedy("video-group"))
    if node.fault:
        raise Problem(BROKEN, f"{node.title}: {node.fault}")
    try:
        import cv2
    except Exception:  # a broken one may raise anything
        return [Finding(name, WARNING, f"{node.title}; not opened, for want of OpenCV")]
    capture = cv2.VideoCapture(str(node.path), cv2.CAP_V4L2)
    if not capture.isOpened():
        raise Problem(BROKEN, f"{node.title}: OpenCV can't open it; another program may hold it")
    width, height = (int(capture.get(what)) for what in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    capture.release()
    return [Finding(name, OK, f"{node.title}, opens at {width}x{height}")]
