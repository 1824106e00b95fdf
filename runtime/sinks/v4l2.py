"""Frames into a virtual camera: a Linux video device of v4l2loopback, which calls and browsers can open."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from types import TracebackType

import numpy as np

from unit_edge.errors import SinkError
from unit_edge.frames import Frame, VideoInfo
from unit_edge.media.colour import FromBgr
from unit_edge.media.containers import reason
from unit_edge.runtime.sinks.video.sink import even_sized

# From linux/videodev2.h, on 64-bit systems.
_QUERYCAP, _QUERYCAP_BYTES = 0x80685600, 104
_S_FMT, _FORMAT_BYTES = 0xC0D05605, 208
_CAPABILITIES_AT = 84
_CAN_OUTPUT = 0x2
_VIDEO_OUTPUT = 2
_YU12 = int.from_bytes(b"YU12", "little")
_PROGRESSIVE = 1
_ADVICE = "`sudo modprobe v4l2loopback exclusive_caps=1` makes one, where v4l2loopback is installed"


class VirtualCameraSink:
    """Writes planar YUV 4:2:0; what reads the device sees the newest frame. No times, no sound."""

    def __init__(self, device: Path, info: VideoInfo) -> None:
        """`info` is of the frames to come."""
        self._device, self._info = device, info

    def __enter__(self) -> VirtualCameraSink:
        if not self._device.exists():
            raise SinkError(f"{self._device}: there is no such device; {_ADVICE}")
        try:
            self._descriptor = os.open(self._device, os.O_RDWR)
        except OSError as error:
            raise SinkError(f"{self._device}: can't be opened ({reason(error)})") from None
        try:
            self._set_up()
        except BaseException:
            os.close(self._descriptor)
            raise
        return self

    def _set_up(self) -> None:
        import fcntl  # not on Windows, where there are no such devices either

        about = bytearray(_QUERYCAP_BYTES)
        try:
            fcntl.ioctl(self._descriptor, _QUERYCAP, about)
        except OSError:
            raise SinkError(f"{self._device}: is no video device; {_ADVICE}") from None
        # The device's own capabilities, after those of the whole driver.
        _, capabilities = struct.unpack_from("=II", about, _CAPABILITIES_AT)
        if not capabilities & _CAN_OUTPUT:
            raise SinkError(f"{self._device}: is a camera, nothing can be sent to it; {_ADVICE}")
        width, height = (side + side % 2 for side in (self._info.width, self._info.height))
        wanted = bytearray(_FORMAT_BYTES)
        struct.pack_into("=I", wanted, 0, _VIDEO_OUTPUT)
        fields = width, height, _YU12, _PROGRESSIVE, width, width * height * 3 // 2
        struct.pack_into("=6I", wanted, 8, *fields)  # the union is aligned to 8 bytes
        try:
            fcntl.ioctl(self._descriptor, _S_FMT, wanted)
        except OSError as error:
            raise SinkError(
                f"{self._device}: doesn't take {width}x{height} ({reason(error)}); close what reads it"
            ) from None
        if struct.unpack_from("=3I", wanted, 8) != (width, height, _YU12):
            raise SinkError(f"{self._device}: is set to another format; close what reads it and try again")
        self._from_bgr = FromBgr(self._info.colour.matrix)

    def write(self, frame: Frame) -> None:
        planes = self._from_bgr(even_sized(frame.image)).to_ndarray()
        try:
            os.write(self._descriptor, np.ascontiguousarray(planes).data)
        except OSError as error:
            raise SinkError(f"{self._device}: can't be written ({reason(error)})") from None

    def cut_short(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
