"""Opening cameras, streams and pipelines through OpenCV, and why that failed, in one line."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import SourceError
from unit_edge.media.containers import reason
from unit_edge.media.quiet import quiet_libraries
from unit_edge.runtime.sources.gst_elements import missing_elements
from unit_edge.text.address import Address

_OPEN_TIMEOUT_S = 8
_READ_TIMEOUT_S = 5
_PROBE_TIMEOUT_S = 2
_PORTS = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "http": 80, "https": 443}
_CONNECTED = ("rtsp", "rtsps", "rtmp", "http", "https", "tcp")
_PLAUSIBLE_FPS = (1, 240)
_QUIET = "-8"  # FFmpeg's level for no messages at all: they may hold addresses with passwords


class Capture(Protocol):
    """An open live source. All its methods are called in one thread at a time."""

    @property
    def fps(self) -> float | None:
        """Frames a second, as far as it says."""

    def grab(self) -> bool:
        """Waits for the next frame; False if there will be none."""

    def retrieve(self) -> NDArray[np.uint8] | None:
        """uint8[H,W,3] BGR: the frame that was grabbed last; None if it is damaged."""

    def release(self) -> None:
        """Closes the camera or stream."""


@dataclass(frozen=True)
class CameraMode:
    """What is asked of a local camera; None leaves it as the camera has it.

    Attributes:
        size: width and height in pixels.
        fps: frames a second.
        fourcc: pixel format, such as MJPG.
    """

    size: tuple[int, int] | None = None
    fps: float | None = None
    fourcc: str | None = None


class OpenCvCapture:
    """A capture of OpenCV's, with one of its back ends."""

    def __init__(self, target: str, backend: int, parameters: Sequence[int] = ()) -> None:
        """Raises SourceError without a text if it can't be opened."""
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _QUIET)
        try:
            self._capture = cv2.VideoCapture(target, backend, list(parameters))
        except cv2.error:
            raise SourceError from None
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceError

    @property
    def fps(self) -> float | None:
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        return fps if _PLAUSIBLE_FPS[0] <= fps <= _PLAUSIBLE_FPS[1] else None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = (
            self._capture.get(cv2.CAP_PROP_FRAME_WIDTH),
            self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT),
        )
        return round(width), round(height)

    @property
    def stated_frames(self) -> int:
        """How many there are in all; 0 or less where that isn't known, as in a live stream."""
        return round(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))

    def grab(self) -> bool:
        try:
            return self._capture.grab()
        except cv2.error:
            return False

    def retrieve(self) -> NDArray[np.uint8] | None:
        try:
            with quiet_libraries():  # cheap cameras send JPEGs that libjpeg complains about
                good, image = self._capture.retrieve()
        except cv2.error:
            return None
        if not good or image is None or image.ndim != 3 or image.dtype != np.uint8:
            return None
        return np.asarray(image, dtype=np.uint8)

    def release(self) -> None:
        self._capture.release()


def open_capture(address: Address, mode: CameraMode | None = None) -> Capture:
    """Opens a camera, network stream or pipeline.

    Raises:
        SourceError: why not, as far as that can be found out.
    """
    if address.kind == "camera":
        return _camera(address, mode or CameraMode())
    if address.kind == "network":
        return _network(address)
    return _gstreamer(address, mode or CameraMode())


def _camera(address: Address, mode: CameraMode) -> Capture:
    device = Path(address.target)
    if sys.platform == "linux":
        if not device.exists():
            there = ", ".join(str(path) for path in sorted(Path("/dev").glob("video*"))) or "none"
            raise SourceError(f"{address.name}: there is no {device}; cameras here: {there}")
        if not os.access(device, os.R_OK | os.W_OK):
            raise SourceError(
                f"{address.name}: no permission for {device}; add yourself to the group `video`"
            )
    parameters: list[int] = []
    if mode.fourcc is not None:  # first, for it decides which sizes there are
        parameters += [cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*mode.fourcc)]
    if mode.size is not None:
        parameters += [cv2.CAP_PROP_FRAME_WIDTH, mode.size[0], cv2.CAP_PROP_FRAME_HEIGHT, mode.size[1]]
    if mode.fps is not None:
        parameters += [cv2.CAP_PROP_FPS, round(mode.fps)]
    linux = sys.platform == "linux"
    try:
        capture = OpenCvCapture(str(device), cv2.CAP_V4L2 if linux else cv2.CAP_ANY, parameters)
    except SourceError:
        asked = "no camera, in use by another program, or without the mode that was asked for"
        raise SourceError(f"{address.name}: {device} can't be opened: {asked}") from None
    if mode.size is not None and capture.size != mode.size:
        given = "{}x{}".format(*capture.size)
        asked = "{}x{}".format(*mode.size)
        capture.release()
        raise SourceError(
            f"{address.name}: gives {given}, not {asked}; "
            f"`v4l2-ctl -d {device} --list-formats-ext` lists its sizes"
        )
    return capture


def _network(address: Address) -> Capture:
    parameters = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        _OPEN_TIMEOUT_S * 1000,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        _READ_TIMEOUT_S * 1000,
    ]
    # A decoder on several threads holds back as many frames as it has threads.
    one_thread = getattr(cv2, "CAP_PROP_N_THREADS", None)
    if one_thread is not None:
        parameters += [one_thread, 1]
    try:
        capture = OpenCvCapture(address.target, cv2.CAP_FFMPEG, parameters)
    except SourceError:
        raise SourceError(f"{address.name}: {_why_not(address.target)}") from None
    if capture.stated_frames > 0:
        capture.release()
        raise SourceError(
            f"{address.name}: a file on a server, not a live stream; download it and translate the file, "
            "so that no frame of it is dropped"
        )
    return capture


def _why_not(url: str) -> str:
    """Why a URL could not be opened."""
    scheme = url.partition("://")[0].lower()
    nothing = "no video came; is something sending to it?"
    if scheme not in _CONNECTED:
        return nothing
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS.get(scheme)
    except ValueError:
        return "not a valid address"
    if port is None:
        return f"no port in it; expected {scheme}://HOST:PORT"
    try:
        socket.create_connection((host, port), _PROBE_TIMEOUT_S).close()
    except socket.gaierror:
        return f"there is no host {host}"
    except TimeoutError:
        return f"{host} port {port} doesn't answer"
    except OSError as error:
        return f"{host} port {port} can't be reached: {reason(error)}"
    if scheme == "tcp":
        return nothing
    return "the server answers, but gives no video: a wrong path, user name or password, or a busy camera"


def _gstreamer(address: Address, mode: CameraMode) -> Capture:
    if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        where = Path(cv2.__file__).parent
        raise SourceError(
            f"{address.name}: needs OpenCV with GStreamer, which OpenCV {cv2.__version__} in {where} lacks; "
            "take the one of JetPack or of your Linux (python3-opencv) and `pip uninstall opencv-python`"
        )
    pipeline = csi_pipeline(int(address.target), mode) if address.kind == "csi" else address.target
    missing = missing_elements(pipeline)
    if missing:
        hint = "; CSI cameras need a Jetson" if address.kind == "csi" else ""
        raise SourceError(f"{address.name}: GStreamer here has no {', '.join(missing)}{hint}")
    try:
        return OpenCvCapture(pipeline, cv2.CAP_GSTREAMER)
    except SourceError:
        what = "the camera can't be opened" if address.kind == "csi" else "GStreamer can't run this pipeline"
        raise SourceError(f"{address.name}: {what}; try it with gst-launch-1.0 first") from None


def csi_pipeline(number: int, mode: CameraMode) -> str:
    """A Jetson's CSI camera through its image signal processor, as BGR, newest frame only."""
    wanted = "video/x-raw(memory:NVMM),format=NV12"
    if mode.size is not None:
        wanted += ",width={},height={}".format(*mode.size)
    if mode.fps is not None:
        wanted += f",framerate={round(mode.fps)}/1"
    return " ! ".join(
        (
            f"nvarguscamerasrc sensor-id={number}",
            wanted,
            "nvvidconv",
            "video/x-raw,format=BGRx",
            "videoconvert",
            "video/x-raw,format=BGR",
            "appsink drop=true max-buffers=1 sync=false",
        )
    )
