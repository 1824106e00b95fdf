"""From an input path to an output path: checks first, then source → runner → sink."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from unit_edge.address import LIVE_KINDS, Address, parse_address
from unit_edge.errors import ConfigError, SinkError, SourceError
from unit_edge.frames import ELONGATED, VideoInfo, elongated
from unit_edge.interrupt import StopWish
from unit_edge.media.containers import refuse_pipe
from unit_edge.media.images import IMAGE_SUFFIXES, is_image
from unit_edge.runtime.backends.base import Opened, Runner
from unit_edge.runtime.backends.open import open_runner
from unit_edge.runtime.pipeline import Stats, run
from unit_edge.runtime.resume import check_resume, making_of, refuse_interrupted, skipped
from unit_edge.runtime.sinks.base import FrameSink
from unit_edge.runtime.sinks.codecs import VIDEO_OUTPUTS, Encoding
from unit_edge.runtime.sinks.images import ImageSink
from unit_edge.runtime.sinks.look import Look
from unit_edge.runtime.sinks.outputs import Output, check_others, parse_output, together
from unit_edge.runtime.sinks.steady import SteadySink
from unit_edge.runtime.sinks.video.parts import complete, find_kept, interrupted
from unit_edge.runtime.sinks.video.sink import VideoSink
from unit_edge.runtime.sinks.weather import WeatherSink
from unit_edge.runtime.sources.excerpt import Excerpt
from unit_edge.runtime.sources.images import ImageSource, matching_images
from unit_edge.runtime.sources.open import SourceOptions, open_source


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


def default_output(source: Path | str, target: str) -> Path:
    """Where a translation goes if nobody says: `clip-night.mp4` in the current folder."""
    address = parse_address(source)
    if _many(address):
        return Path(f"{address.stem}-{target}")
    suffix = address.path.suffix.lower() if _picture(address) else ".mp4"
    return Path(f"{address.stem}-{target}{suffix}")


def _many(address: Address) -> bool:
    """Whether the output is a folder of images."""
    return address.kind == "images" or (address.kind == "path" and address.path.is_dir())


def _picture(address: Address) -> bool:
    return address.kind == "path" and is_image(address.path)


def check_output(source: Path | str, output: Path, *, overwrite: bool) -> None:
    """Refuses what could only fail, or destroy something, after the work is done.

    Raises:
        ConfigError: the input is no file and nothing else that is known.
        SourceError: there is no input.
        SinkError: the output is the input, exists, is of another kind, or has no folder.
    """
    address = parse_address(source)
    inputs: list[Path] = []
    if address.kind == "path":
        inputs = [address.path]
        if not address.path.exists():
            raise SourceError(f"{source}: no such file; expected a video, an image or a folder of images")
    elif address.kind == "images":
        inputs = sorted({path.parent for path in matching_images(address.target)})
    if output.exists() and any(output.samefile(path) for path in inputs):
        raise SinkError(f"{output}: is the input; give another output with -o")
    if not output.absolute().parent.is_dir():
        raise SinkError(f"{output}: there is no folder {output.parent}; make it first")
    if _many(address):
        if output.exists() and not output.is_dir():
            raise SinkError(f"{output}: is a file; the output for a folder of images is a folder")
        if output.is_dir() and any(output.iterdir()) and not overwrite:
            raise SinkError(f"{output}: exists already and isn't empty; add --overwrite, or give another -o")
        return
    if output.is_dir():
        raise SinkError(f"{output}: is a folder; give the name of a file with -o")
    kind, suffixes = ("an image", IMAGE_SUFFIXES) if _picture(address) else ("a video", VIDEO_OUTPUTS)
    if output.suffix.lower() not in suffixes:
        raise SinkError(f"{output}: the output for {kind} must be named {', '.join(suffixes)}")
    if output.exists() and not overwrite:
        raise SinkError(f"{output}: exists already; add --overwrite to replace it, or give another -o")


@dataclass(frozen=True)
class Beside:
    """What a run has beside its files.

    Attributes:
        raw_to: the file descriptor for frames that go to "-".
        raw_format: of these, one of RAW_FORMATS.
        window: shows the frames, with what they were before.
        extra: more sinks that get every frame.
        notice: gets a line when one of several outputs fails, from another thread.
        swap: turns the opened runner into another, as one that can change direction.
        wish: ends the run when it is set; None for SIGINT and SIGTERM alone.
    """

    raw_to: int = 1
    raw_format: str = "yuv4mpegpipe"
    window: FrameSink | None = None
    extra: Sequence[FrameSink] = ()
    notice: Callable[[str], None] | None = None
    swap: Callable[[Runner], Runner] | None = None
    wish: StopWish | None = None


def translate(
    source: Path | str,
    output: Path | str | Sequence[Path | str],
    model: Path | Runner,
    *,
    engine: str = "auto",
    threads: int | None = None,
    encoding: Encoding | None = None,
    excerpt: Excerpt | None = None,
    look: Look | None = None,
    beside: Beside | None = None,
    steady: bool = False,
    overwrite: bool = False,
    resume: bool = False,
    options: SourceOptions | None = None,
    notice: Callable[[str], None] | None = None,
    started: Callable[[Job], None] | None = None,
    progress: Callable[[Stats], None] | None = None,
) -> Stats:
    """Translates a video, an image, a folder of images, or what a camera or stream gives.

    `source` is a Path of a file or folder, or whatever `parse_address` understands; `output` is one or
    several of: a file, a folder for images, "-" for raw frames, a URL, /dev/videoN. `model` may be a runner
    that is open, and stays so. `steady` takes flicker out. `resume` goes on with what an interrupted run has
    left, or begins if there is nothing. `notice` gets a line when that is so and when a live source is
    lost or back, from any thread. `started` is called once when all is open, `progress` after each frame.

    Raises:
        UnitEdgeError: see `check_output`, `open_runner` and `pipeline.run`; nothing is left behind but
            what a TruncatedError or an Interrupted says is finished.
    """
    encoding, excerpt, look = encoding or Encoding(), excerpt or Excerpt(), look or Look()
    beside = beside or Beside()
    address = parse_address(source)
    (options or SourceOptions()).check(address)
    outputs = [parse_output(item) for item in ([output] if isinstance(output, (Path, str)) else output)]
    check_outputs(source, outputs, overwrite=overwrite, resume=resume, encoding=encoding)
    notice = notice or (lambda _: None)
    if resume and complete(outputs[0].path):
        notice(f"{outputs[0].name}: is complete already")
        return Stats()
    pictures = _many(address) or _picture(address)
    if pictures and beside.window is not None:
        raise SinkError("only videos can be shown in a window; images go to a file or folder")
    if excerpt and (pictures or address.kind != "path"):
        raise ConfigError(
            f"{address.name}: only video files have a start and a duration; leave --start and --duration out"
        )
    with ExitStack() as stack:
        closed = open_runner(model, engine, threads=threads) if isinstance(model, Path) else Opened(model)

        def making(path: Path) -> dict[str, str]:
            return making_of(
                address,
                path,
                closed.manifest,
                encoding=encoding,
                excerpt=excerpt,
                look=look,
                steady=steady,
            )

        kept = find_kept(outputs[0].path, making(outputs[0].path)) if resume else None
        if kept is not None:
            notice(f"{outputs[0].name}: goes on after {float(kept.end):.1f} s, {kept.frames} frames")
        runner = stack.enter_context(closed)
        live = address.kind in LIVE_KINDS
        skip = skipped(None if live else kept, steady=steady)
        frames = stack.enter_context(open_source(address, options, notice, excerpt, skip))
        width, height = frames.info.width, frames.info.height
        if runner.manifest.frame_size is None and elongated(width, height):
            raise SourceError(f"{address.name}: {width}x{height}: {ELONGATED}")
        names = [path.name for path in frames.paths] if isinstance(frames, ImageSource) else []
        has_audio = encoding.audio and frames.info.has_audio

        def file_sink(path: Path, info: VideoInfo) -> FrameSink:
            if pictures:
                return ImageSink([path / name for name in names] if _many(address) else [path])
            return VideoSink(
                path,
                info,
                audio_from=address.path if has_audio else None,
                excerpt=excerpt,
                crf=encoding.crf,
                preset=encoding.preset,
                codec=encoding.codec,
                making=making(path),
                kept=kept,
                after_kept=live,
                live=live,
            )

        sink = together(
            outputs,
            frames.info,
            file_sink=file_sink,
            encoding=encoding,
            look=look,
            live=frames.live,
            raw_to=beside.raw_to,
            raw_format=beside.raw_format,
            window=beside.window,
            extra=beside.extra,
            notice=beside.notice,
        )
        if look.weather:
            sink = WeatherSink(look.weather, sink)
        if steady and not pictures:
            sink = SteadySink(sink)
        if beside.swap is not None:
            runner = stack.enter_context(beside.swap(runner))
        if started is not None:
            shown = look.info(frames.info)
            size = shown.width + shown.width % 2, shown.height + shown.height % 2
            started(Job(frames.info, runner.engine, None if pictures else size))
        try:
            return run(frames, runner, sink, progress, beside.wish)
        except Exception:
            for item in outputs:
                if item.kind == "file" and interrupted(item.path):
                    notice(f"{item.name}: what is done of it is kept; --resume goes on from there")
            raise


def check_outputs(
    source: Path | str,
    outputs: Sequence[Output],
    *,
    overwrite: bool,
    encoding: Encoding,
    resume: bool = False,
) -> None:
    """Refuses what could only fail, or destroy something, after the work is done.

    Raises:
        ConfigError: the input is no file and nothing else that is known.
        SourceError: there is no input.
        SinkError: see `check_output`; or an output can't take what the input has.
    """
    address = parse_address(source)
    pictures = _many(address) or _picture(address)
    if address.kind == "path" and not address.path.exists():
        raise SourceError(f"{source}: no such file; expected a video, an image or a folder of images")
    if address.kind == "path":
        refuse_pipe(address.path)
    check_others(outputs, pictures=pictures)
    if resume:
        check_resume(address, outputs)
    for output in outputs:
        if output.kind == "file":
            check_output(source, output.path, overwrite=overwrite or resume)
            if not pictures and not overwrite and not resume:
                refuse_interrupted(output.path)
            if not pictures:
                encoding.codec_for(output.path.suffix)
