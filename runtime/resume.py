"""Going on with a video that an earlier run has left unfinished."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from unit_edge.errors import ConfigError, SinkError, SourceError
from unit_edge.manifests.model import Manifest
from unit_edge.media.containers import missing_part, open_media, pick_stream
from unit_edge.media.images import is_image
from unit_edge.runtime.sinks.codecs import Encoding
from unit_edge.runtime.sinks.look import Look
from unit_edge.runtime.sinks.outputs import Output
from unit_edge.runtime.sinks.video.parts import ROUNDED_S, Kept, interrupted
from unit_edge.runtime.sources.excerpt import Excerpt
from unit_edge.text.address import LIVE_KINDS, Address
from unit_edge.text.printable import one_line

_COMPARED_BYTES = 2**20
_STEADY_LEAD_S = 1
_SHOWN = 200
_LAST_US = 1_000_000
_LAST_FRAMES = 2  # which the file may not say the length of
_LAST_S = 1


def making_of(
    address: Address,
    output: Path,
    manifest: Manifest,
    *,
    encoding: Encoding,
    excerpt: Excerpt,
    look: Look,
    steady: bool,
) -> dict[str, str]:
    """What a translated video is made from; only what was made from the same can be gone on with.

    A file stands for what is in it, whatever its name is by now. Nothing can be read out of the values that
    somebody to whom the video is given shouldn't know.

    Args:
        address: of the input.
        output: the video.
        manifest: of the model.
        encoding: of the video.
        excerpt: the part of the input that is translated.
        look: of the frames.
        steady: whether flicker is taken out.
    """
    return {
        "input": _content(address.path) if address.kind == "path" else _digest(address.name.encode()),
        "model": manifest.sha256,
        "--codec": encoding.codec_for(output.suffix),
        "--crf": f"{encoding.crf:g}",
        "--preset": encoding.preset,
        "--start": str(excerpt.start),
        "--duration": str(excerpt.duration),
        "--size": str(look.size),
        "--side-by-side": str(look.side_by_side),
        "--steady": str(steady),
        "--rain-drops": f"{look.weather.rain_drops:g}",
        "--snowflakes": f"{look.weather.snowflakes:g}",
    }


def _content(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_COMPARED_BYTES)
        file.seek(max(0, size - _COMPARED_BYTES))
        return f"{size} bytes, {_digest(start + file.read())}"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def skipped(kept: Kept | None, *, steady: bool) -> Fraction:
    """How much of a file needn't be read again, in seconds.

    The sink looks for the frame that was kept last; steadying wants some before it.
    """
    if kept is None:
        return Fraction(0)
    return max(Fraction(0), kept.last - ROUNDED_S - (_STEADY_LEAD_S if steady else 0))


def check_resume(address: Address, outputs: Sequence[Output]) -> None:
    """Raises ConfigError unless there is one output to go on with, of an input that can be read again."""
    again = address.kind in LIVE_KINDS or (
        address.kind == "path" and not address.path.is_dir() and not is_image(address.path)
    )
    if not again:
        raise ConfigError(f"--resume goes on with a video; {address.name} is none that can be read again")
    if len(outputs) != 1 or outputs[0].kind != "file":
        raise ConfigError("--resume goes on with one video file; give that alone with -o")


def refuse_damaged(output: Path) -> None:
    """Raises SinkError if a video that should be finished is none, or is cut off; not all of it is read."""
    try:
        with open_media(output) as container:
            why = _lacks(container, output.stat().st_size)
    except (SourceError, av.FFmpegError) as error:
        why = one_line(error, _SHOWN).removeprefix(f"{output}: ")
    if why is not None:
        raise SinkError(
            f"{output}: is there, but isn't whole ({why}); add --overwrite instead of --resume to start over"
        )


def _lacks(container: InputContainer, size: int) -> str | None:
    stream = pick_stream(container, "video")
    if not isinstance(stream, VideoStream):
        return "no video in it"
    if any(entry.pos + entry.size > size for entry in stream.index_entries):
        return "cut off"
    if container.duration is None:
        return None
    container.seek(max(0, (container.start_time or 0) + container.duration - _LAST_US))
    ends = [
        (packet.pts + (packet.duration or 0)) * packet.time_base
        for packet in container.demux()
        if packet.pts is not None and packet.time_base is not None
    ]
    last_s = Fraction(_LAST_S)
    if stream.average_rate:
        last_s = max(last_s, _LAST_FRAMES / stream.average_rate)
    return missing_part(container, stream, None, max(ends, default=Fraction(0)) + last_s)


def refuse_interrupted(output: Path) -> None:
    """Raises SinkError if starting over would throw away what an earlier run has done."""
    if interrupted(output):
        raise SinkError(
            f"{output}: an earlier run was interrupted; add --resume to go on from there, or --overwrite to "
            "start over"
        )
