"""One video file out of parts and the sound that belongs to them; nothing is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.video.stream import VideoStream

from unit_edge.errors import SinkError
from unit_edge.media.containers import OPEN_OPTIONS
from unit_edge.runtime.sinks.video.audio import AudioCopy
from unit_edge.runtime.sinks.video.part import VideoPart


def join(
    parts: Sequence[VideoPart],
    target: Path,
    muxer: str,
    *,
    time_base: Fraction,
    rate: Fraction,
    tag: str | None = None,
    audio: AudioCopy | None = None,
    until: Fraction | None = None,
    comment: str = "",
) -> None:
    """Writes the packets of the parts one after the other.

    Args:
        parts: at least one, all encoded alike.
        muxer: FFmpeg's name of the file type.
        time_base: of the written video, in seconds.
        rate: nominal frames a second.
        tag: of the codec, where FFmpeg's own isn't what players want.
        audio: opened; its sound ends at `until`, or where it ends itself.
        comment: kept in the file's metadata.

    Raises:
        SinkError: a part has become shorter.
        av.FFmpegError, OSError: it can't be read or written.
    """
    options = {}
    if muxer in ("mp4", "mov"):
        # The default movie_timescale would round the start of picture and sound to milliseconds.
        options = {"movflags": "+faststart", "movie_timescale": str(time_base.denominator)}
    with av.open(f"file:{target}", "w", format=muxer, options=options) as container:
        if comment:
            container.metadata["comment"] = comment
        with av.open(f"file:{parts[0].path}", **OPEN_OPTIONS) as template:
            stream = container.add_stream_from_template(template.streams.video[0], opaque=True)
        assert isinstance(stream, VideoStream)
        stream.time_base = time_base
        stream.codec_context.framerate = rate
        if tag is not None:
            stream.codec_context.codec_tag = tag
        if audio is not None:
            audio.attach(container)
        last_dts: int | None = None
        for part in parts:
            count = 0
            for packet in part:
                count += 1
                packet.stream = stream
                if packet.dts is not None and last_dts is not None and packet.dts <= last_dts:
                    packet.dts = last_dts + 1  # where two parts meet
                last_dts = packet.dts
                moment = (packet.dts or 0) * packet.time_base
                container.mux_one(packet)
                if audio is not None:
                    audio.advance(moment)
            if count < part.packets:
                raise SinkError(f"{part.path}: is damaged, after {count} of {part.packets} frames")
        if audio is not None:
            audio.advance(until)
