"""From an input path to an output path: checks first, then source → runner → sink."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from unit_edge.errors import ConfigError, SinkError, SourceError
from unit_edge.frames import VideoInfo
from unit_edge.media import IMAGE_SUFFIXES, is_image
from unit_edge.runtime.codecs import VIDEO_OUTPUTS, Encoding
from unit_edge.runtime.excerpt import Excerpt, ExcerptSource
from unit_edge.runtime.images import ImageSink, ImageSource
from unit_edge.runtime.look import Look, LookSink
from unit_edge.runtime.pipeline import Stats, run
from unit_edge.runtime.runner import open_runner
from unit_edge.runtime.sink import FrameSink, VideoSink
from unit_edge.runtime.source import FrameSource


@dataclass(frozen=True)
class Job:
    """A translation that is about to run.

    Attributes:
        info: of the frames.
        engine: what runs the model, for people.
        output_size: width and height that will be written, or None for pictures, which keep theirs.
    """

    info: VideoInfo
    engine: str
    output_size: tuple[int, int] | None


def default_output(source: Path, target: str) -> Path:
    """Where a translation goes if nobody says: `clip-night.mp4` in the current folder."""
    if source.is_dir():
        return Path(f"{source.resolve().name}-{target}")
    return Path(f"{source.stem}-{target}{source.suffix.lower() if is_image(source) else '.mp4'}")


def check_output(source: Path, output: Path, *, overwrite: bool) -> None:
    """Refuses what could only fail, or destroy something, after the work is done.

    Raises:
        SourceError: there is no input.
        SinkError: the output is the input, exists, is of another kind, or has no folder.
    """
    if not source.exists():
        raise SourceError(f"{source}: no such file; expected a video, an image or a folder of images")
    if output.exists() and output.samefile(source):
        raise SinkError(f"{output}: is the input; give another output with -o")
    if not output.absolute().parent.is_dir():
        raise SinkError(f"{output}: there is no folder {output.parent}; make it first")
    if source.is_dir():
        if output.exists() and not output.is_dir():
            raise SinkError(f"{output}: is a file; the output for a folder of images is a folder")
        if output.is_dir() and any(output.iterdir()) and not overwrite:
            raise SinkError(f"{output}: exists already and isn't empty; add --overwrite, or give another -o")
        return
    if output.is_dir():
        raise SinkError(f"{output}: is a folder; give the name of a file with -o")
    kind, suffixes = ("an image", IMAGE_SUFFIXES) if is_image(source) else ("a video", VIDEO_OUTPUTS)
    if output.suffix.lower() not in suffixes:
        raise SinkError(f"{output}: the output for {kind} must be named {', '.join(suffixes)}")
    if output.exists() and not overwrite:
        raise SinkError(f"{output}: exists already; add --overwrite to replace it, or give another -o")


def translate(
    source: Path,
    output: Path,
    model: Path,
    *,
    engine: str = "auto",
    threads: int | None = None,
    encoding: Encoding | None = None,
    excerpt: Excerpt | None = None,
    look: Look | None = None,
    overwrite: bool = False,
    started: Callable[[Job], None] | None = None,
    progress: Callable[[Stats], None] | None = None,
) -> Stats:
    """Translates a video, an image or a folder of images.

    `started` is called once when all is open, `progress` after each frame.

    Raises:
        UnitEdgeError: see `check_output`, `open_runner` and `pipeline.run`; nothing is left behind but
            what a TruncatedError or an Interrupted says is finished.
    """
    encoding, excerpt, look = encoding or Encoding(), excerpt or Excerpt(), look or Look()
    check_output(source, output, overwrite=overwrite)
    pictures = source.is_dir() or is_image(source)
    if pictures and excerpt:
        raise ConfigError(
            f"{source}: only videos have a start and a duration; leave --start and --duration out"
        )
    if not pictures:
        encoding.codec_for(output.suffix)
    with ExitStack() as stack:
        runner = stack.enter_context(open_runner(model, engine, threads=threads))
        frames: FrameSource
        if pictures:
            images = ImageSource(source)
            frames = stack.enter_context(images)
            info = frames.info
            names = [path.name for path in images.paths]
            sink: FrameSink = ImageSink([output / name for name in names] if source.is_dir() else [output])
            size = None
            if look.size is not None:
                look.info(info)
        else:
            frames = stack.enter_context(ExcerptSource(source, excerpt))
            info = look.info(frames.info)
            audio = source if encoding.audio and info.has_audio else None
            sink = video = VideoSink(
                output,
                info,
                audio_from=audio,
                excerpt=excerpt,
                crf=encoding.crf,
                preset=encoding.preset,
                codec=encoding.codec,
            )
            size = video.width, video.height
        if look:
            sink = LookSink(look, sink)
        if started is not None:
            started(Job(info, runner.engine, size))
        return run(frames, runner, sink, progress)
