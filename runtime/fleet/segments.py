"""Long clips in segments: where they are cut, and one file of the segments' translations."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av

from unit_edge.errors import SinkError, TruncatedError
from unit_edge.media.clocks import exact, timeline_start
from unit_edge.media.containers import OPEN_OPTIONS, open_media, pick_stream
from unit_edge.runtime.sinks.codecs import Encoding
from unit_edge.runtime.sinks.video.part import part_from
from unit_edge.runtime.sinks.video.parts import Kept
from unit_edge.runtime.sinks.video.sink import VideoSink
from unit_edge.runtime.sources.demux import Clock, PacketReader
from unit_edge.runtime.sources.losses import Losses
from unit_edge.runtime.sources.video import FileSource


def find_cuts(path: Path, seconds: float) -> tuple[Fraction, ...]:
    """When the segments of a clip begin, in seconds, the first at 0; none if it stays whole.

    Each other one begins at the first key frame that is `seconds` or more after the last cut; the last one
    is half as long at least. All of the file is read, nothing but its first frame decoded. A clip whose times
    aren't known before it is decoded, or go backwards, stays whole.

    Raises:
        SourceError: it is no video.
        TruncatedError: it is cut off.
    """
    least = Fraction(seconds)
    with FileSource(path) as source:
        fps, duration = source.info.fps, source.duration
    if 0 < duration < least * 3 / 2:
        return ()
    cuts, end = [Fraction(0)], Fraction(0)
    with open_media(path) as container:
        stream, audio = pick_stream(container, "video"), pick_stream(container, "audio")
        assert isinstance(stream, av.VideoStream), "it has been opened"
        start, tick = timeline_start(stream, audio), exact(stream.time_base) or 1 / fps
        clock, last_key = Clock(tick, fps), None
        packets = PacketReader(container, stream, Losses(tick, fps, start))
        for packet in packets:
            if packet.pts is None:
                return ()
            end = max(end, packet.pts * tick - start)
            if not packet.is_keyframe:
                continue
            if last_key is not None and packet.pts <= last_key:
                return ()
            last_key = packet.pts
            time = clock.next(packet.pts * tick - start)
            if time - cuts[-1] >= least:
                cuts.append(time)
        if packets.fault:
            raise TruncatedError(f"{path}: {packets.fault}")
    if end - cuts[-1] < least / 2:
        cuts.pop()
    return tuple(cuts) if len(cuts) > 1 else ()


def join_segments(
    segments: Sequence[Path], cuts: Sequence[Fraction], source: Path, output: Path, encoding: Encoding
) -> int:
    """Makes one video of translated segments and of the sound of their source.

    Args:
        segments: MP4 files without sound whose times begin at 0, in their order.
        cuts: when each begins in the source, in seconds.
        source: the clip that they are of.
        output: the file that is made.
        encoding: what the segments are encoded with.

    Returns:
        How many frames it has.

    Raises:
        SinkError: a segment is damaged, or they aren't encoded alike; or the file can't be written.
        TruncatedError: the sound broke off.
    """
    parts = tuple(part_from(path, start) for path, start in zip(segments, cuts, strict=True))
    if len({_encoded_as(path) for path in segments}) > 1:
        raise SinkError(
            f"{output}: its segments were encoded by several versions of the encoder and can't be joined; "
            "install the same version of PyAV on all nodes, or leave --segment out"
        )
    with FileSource(source) as frames:
        info = frames.info
    sink = VideoSink(
        output,
        info,
        audio_from=source if encoding.audio and info.has_audio else None,
        crf=encoding.crf,
        preset=encoding.preset,
        codec=encoding.codec,
        kept=Kept(parts, "", Fraction(0)),
        after_kept=True,
    )
    with sink:
        pass  # all frames are there already
    return sum(part.packets for part in parts)


def _encoded_as(path: Path) -> bytes:
    with av.open(f"file:{path}", **OPEN_OPTIONS) as container:
        return bytes(container.streams.video[0].codec_context.extradata or b"")
