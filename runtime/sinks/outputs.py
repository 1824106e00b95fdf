"""What an output argument means, and all outputs of a run as one sink."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from unit_edge.errors import ConfigError, SinkError
from unit_edge.frames import VideoInfo
from unit_edge.runtime.sinks.base import FrameSink
from unit_edge.runtime.sinks.codecs import Encoding
from unit_edge.runtime.sinks.look import Look, LookSink
from unit_edge.runtime.sinks.multi import MultiSink
from unit_edge.runtime.sinks.pace import PacedSink
from unit_edge.runtime.sinks.raw import RAW_FORMATS, RawSink
from unit_edge.runtime.sinks.stream import STREAM_SCHEMES, StreamSink
from unit_edge.runtime.sinks.v4l2 import VirtualCameraSink
from unit_edge.text.address import refuse_mistyped
from unit_edge.text.redaction import redact_address

Kind = Literal["file", "raw", "stream", "camera"]


@dataclass(frozen=True)
class Output:
    """Where translated frames go.

    Attributes:
        kind: a file or folder, raw frames on stdout, a URL, or a virtual camera.
        target: path, "-", URL or device; may hold a password.
        name: the same for people, without one.
    """

    kind: Kind
    target: str = field(repr=False)
    name: str

    @property
    def path(self) -> Path:
        return Path(self.target)


def parse_output(text: str | Path) -> Output:
    """What an output argument means; a Path is a file or folder whatever its name.

    Raises:
        ConfigError: a URL that nothing can be sent to, or a pipeline.
    """
    if isinstance(text, Path):
        return Output("file", str(text), str(text))
    if text == "-":
        return Output("raw", text, text)
    if " ! " in text:
        raise ConfigError(
            f"{redact_address(text)}: a pipeline can't be an output; expected a file, folder, URL, "
            "/dev/videoN or -, and ./ in front of a file's name"
        )
    if "://" in text:
        scheme, _, rest = text.partition("://")
        known = ", ".join(f"{name}://" for name in STREAM_SCHEMES)
        if scheme.lower() not in STREAM_SCHEMES or not rest:
            raise ConfigError(f"{redact_address(text)}: no such output; expected one of {known} with a host")
        return Output("stream", text, redact_address(text))
    if re.fullmatch(r"/dev/video\d+", text):
        return Output("camera", text, text)
    refuse_mistyped(text, "rtmp://HOST/APPLICATION/KEY")
    return Output("file", text, text)


def together(
    outputs: Sequence[Output],
    info: VideoInfo,
    *,
    file_sink: Callable[[Path, VideoInfo], FrameSink],
    encoding: Encoding,
    look: Look,
    live: bool = False,
    raw_to: int = 1,
    raw_format: str = RAW_FORMATS[-1],
    window: FrameSink | None = None,
    extra: Sequence[FrameSink] = (),
    notice: Callable[[str], None] | None = None,
) -> FrameSink:
    """All outputs as one sink, still to be entered.

    Files get every frame. Where there are files, nothing else may hold them up; where there are none, the
    first other output gets every frame, a file's at their times.

    Args:
        outputs: none twice.
        info: of the source's frames.
        file_sink: makes the sink of a file from its path and the frames that it gets.
        encoding: of streams; files' is in `file_sink`.
        look: of all outputs but the window, which has its own.
        live: whether the source itself keeps time.
        raw_to: a file descriptor for "-".
        raw_format: for "-".
        window: shows frames; it gets them with what they were before.
        extra: more sinks that get every frame; as the window does, with what it was before.
        notice: gets a line when an output fails that others don't depend on.

    Raises:
        ConfigError: an output is named twice, or there is none.
    """
    if len({output.target for output in outputs}) < len(outputs):
        raise ConfigError("an output is given twice")
    look_of = look.info(info)
    files = [output for output in outputs if output.kind == "file"]
    others = [output for output in outputs if output.kind != "file"]

    def shown(sink: FrameSink) -> FrameSink:
        return LookSink(look, sink) if look else sink

    def sink_of(output: Output, *, pace: bool) -> FrameSink:
        if output.kind == "file":
            return file_sink(output.path, look_of)
        if output.kind == "raw":
            return RawSink(raw_to, look_of, raw_format)
        if output.kind == "camera":
            camera = VirtualCameraSink(output.path, look_of)
            return PacedSink(camera) if pace else camera
        return StreamSink(output.target, look_of, encoding, pace=pace)

    essential = files or others[:1]
    sinks = [shown(sink_of(output, pace=not live)) for output in essential]
    sides = [
        (output.name, shown(sink_of(output, pace=False))) for output in others if output not in essential
    ]
    if window is not None and sinks:
        sides.append(("window", window))
    elif window is not None:
        sinks = [window if live else PacedSink(window)]
    if not sinks:
        raise ConfigError("there is no output; expected at least one")
    sinks.extend(extra)
    if len(sinks) == 1 and not sides:
        return sinks[0]
    return MultiSink(sinks, sides, notice)


def check_others(outputs: Sequence[Output], *, pictures: bool) -> None:
    """Refuses outputs that only a video can go to.

    Raises:
        SinkError: the input is pictures.
    """
    for output in outputs:
        if pictures and output.kind != "file":
            raise SinkError(f"{output.name}: only videos can go there; images go to a file or folder")
