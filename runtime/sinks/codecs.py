"""How videos are stored: codecs, what encodes them, and which file types hold them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
from av.video.stream import VideoStream

from unit_edge.errors import ConfigError, SinkError
from unit_edge.media.containers import reason
from unit_edge.runtime.backends.cores import usable_cores
from unit_edge.runtime.sinks.scheduling import scheduling_kept

# x264's, fastest first
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
AUTO = "auto"
_FEW_CORES = 4
_CRF = range(0, 52)
_MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
VIDEO_OUTPUTS = tuple(_MUXERS)
# What players expect in these file types; FFmpeg would write more there than they play.
_HOLDS = {
    ".mp4": ("h264", "hevc", "av1"),
    ".m4v": ("h264", "hevc"),
    ".mov": ("h264", "hevc"),
    ".mkv": ("h264", "hevc", "av1"),
    ".webm": ("av1",),
}
_SVT_PRESETS = dict(zip(PRESETS, (12, 11, 10, 9, 8, 7, 6, 5, 4), strict=True))
_NVENC_PRESETS = dict(zip(PRESETS, ("p1", "p1", "p2", "p3", "p4", "p4", "p5", "p6", "p7"), strict=True))


def preset_here(cores: int) -> str:
    """superfast where the encoder shares few cores with the decoder and the model, else veryfast.

    At 1280x720 and crf 18 the one takes 15 ms of a Zen 3 core a frame, the other 26, and makes a fifth less.
    """
    return "superfast" if cores <= _FEW_CORES else "veryfast"


@dataclass(frozen=True)
class Encoding:
    """How a translated video is stored.

    Attributes:
        crf: constant quality on x264's scale, 0 (best) to 51, whatever the codec; 18 is hard to tell from the
            original. The codec's own scale is stretched so that its default falls on x264's.
        preset: x264's name for the effort, one of PRESETS; slower ones give smaller files. "auto" becomes
            what `preset_here` says.
        audio: whether the sound comes along.
        codec: one of CODECS, or None for h264, and for av1 in a .webm.
    """

    crf: float = 18
    preset: str = AUTO
    audio: bool = True
    codec: str | None = None

    def __post_init__(self) -> None:
        if not _CRF[0] <= self.crf <= _CRF[-1]:
            raise ConfigError(f"crf {self.crf}: expected {_CRF[0]} (best) to {_CRF[-1]}")
        if self.preset == AUTO:
            object.__setattr__(self, "preset", preset_here(usable_cores()))
        if self.preset not in PRESETS:
            raise ConfigError(f"unknown preset {self.preset!r}; known: {AUTO}, {', '.join(PRESETS)}")
        if self.codec is not None and self.codec not in CODECS:
            raise ConfigError(f"unknown codec {self.codec!r}; known: {', '.join(CODECS)}")

    def codec_for(self, suffix: str) -> str:
        """The codec for a file with this suffix.

        Raises:
            SinkError: files of that type don't hold it, or there is no such type.
        """
        suffix = suffix.lower()
        if suffix not in _HOLDS:
            raise SinkError(f"{suffix or 'no suffix'}: unknown video format; expected {', '.join(_MUXERS)}")
        codec = self.codec or _HOLDS[suffix][0]
        if CODECS[codec].format not in _HOLDS[suffix]:
            fits = [name for name, held in _HOLDS.items() if CODECS[codec].format in held]
            raise SinkError(
                f"{suffix} files don't hold {codec}, only {' or '.join(_HOLDS[suffix])}; "
                f"name the output {' or '.join(fits)}, or give another --codec"
            )
        return codec


def muxer_of(path: Path) -> str:
    """FFmpeg's name for the file type that a name's suffix stands for.

    Raises:
        SinkError: it stands for none.
    """
    muxer = _MUXERS.get(path.suffix.lower())
    if muxer is None:
        raise SinkError(f"{path}: unknown video format; expected one of {', '.join(_MUXERS)}")
    return muxer


@dataclass(frozen=True)
class Codec:
    """A codec and the one encoder that is used for it.

    Attributes:
        format: of the stream: h264, hevc or av1.
        encoder: FFmpeg's name of what encodes it.
        live_options: more of them, for frames that come once: none is held back, and each frame can be a key
            frame.
        tag: that the MP4 and MOV file types shall carry, where FFmpeg's own isn't what players want.
        options: of the encoder, from crf and preset on x264's scales.
    """

    format: str
    encoder: str
    options: Callable[[float, str], dict[str, str]]
    live_options: dict[str, str]
    tag: str | None = None

    @property
    def on_gpu(self) -> bool:
        return self.encoder.endswith("_nvenc")

    def check(self) -> None:
        """Raises SinkError if this build of PyAV has no such encoder."""
        if self.encoder not in av.codecs_available:
            raise SinkError(
                f"this build of PyAV has no {self.encoder}; `pip install av` installs one that has"
            )

    def open(self, stream: VideoStream) -> None:
        """Opens the encoder of a stream that is set up; so that it fails now, not at the first frame.

        Raises:
            SinkError: it can't work here.
        """
        if self.encoder == "libsvtav1":
            os.environ.setdefault("SVT_LOG", "1")  # it would print its settings to stderr
        try:
            with scheduling_kept():
                stream.codec_context.open()
        except (av.FFmpegError, OSError, ValueError) as error:
            needs = "; it needs an NVIDIA GPU with an encoder, and its driver" if self.on_gpu else ""
            other = f"; --codec {self.format} encodes on the CPU" if self.on_gpu else ""
            raise SinkError(f"{self.encoder} can't be opened here ({reason(error)}){needs}{other}") from None


def _x264(crf: float, preset: str) -> dict[str, str]:
    options = {"crf": f"{crf:g}", "preset": preset}
    if preset == "superfast":
        # a third of its time, for smaller files; docs/experiments/frame-speed.md has the figures
        options["x264-params"] = "b-adapt=0:scenecut=0:subme=0:aq-strength=0.5"
    return options


def _x265(crf: float, preset: str) -> dict[str, str]:
    # x265's default of 28 is meant to look like x264's 23.
    return {
        "crf": f"{min(51, crf * 28 / 23):.1f}",
        "preset": preset,
        "x265-params": "log-level=none:open-gop=0",
    }


def _svt(crf: float, preset: str) -> dict[str, str]:
    # 35 of 63 is its default; 0 would mean "not set".
    return {"crf": str(min(63, max(1, round(crf * 35 / 23)))), "preset": str(_SVT_PRESETS[preset])}


def _nvenc(scale: float, highest: int) -> Callable[[float, str], dict[str, str]]:
    def options(crf: float, preset: str) -> dict[str, str]:
        quality = min(highest, max(1, round(crf * scale)))  # 0 would mean "automatic"
        return {"preset": _NVENC_PRESETS[preset], "rc": "vbr", "cq": str(quality), "b": "0"}

    return options


_X26X_LIVE = {"tune": "zerolatency", "forced-idr": "1"}
_SVT_LIVE = {"svtav1-params": "pred-struct=1"}  # low delay
_NVENC_LIVE = {"delay": "0", "zerolatency": "1", "forced-idr": "1"}

CODECS: Final = {
    "h264": Codec(format="h264", encoder="libx264", options=_x264, live_options=_X26X_LIVE),
    "hevc": Codec(format="hevc", encoder="libx265", options=_x265, live_options=_X26X_LIVE, tag="hvc1"),
    "av1": Codec(format="av1", encoder="libsvtav1", options=_svt, live_options=_SVT_LIVE),
    "h264-nvenc": Codec(format="h264", encoder="h264_nvenc", options=_nvenc(1, 51), live_options=_NVENC_LIVE),
    "hevc-nvenc": Codec(
        format="hevc", encoder="hevc_nvenc", options=_nvenc(28 / 23, 51), live_options=_NVENC_LIVE, tag="hvc1"
    ),
    "av1-nvenc": Codec(
        format="av1", encoder="av1_nvenc", options=_nvenc(35 / 23, 63), live_options=_NVENC_LIVE
    ),
}
