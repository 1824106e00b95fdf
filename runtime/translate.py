"""Carries out a request: source → runner → sink."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unit_edge.errors import SourceError
from unit_edge.frames import ELONGATED, VideoInfo, elongated
from unit_edge.interrupt import StopWish
from unit_edge.runtime.backends.base import Opened, Runner
from unit_edge.runtime.backends.open import CheckedModel, open_runner
from unit_edge.runtime.pipeline import Stats, run
from unit_edge.runtime.request import TranslateRequest, parse_outputs
from unit_edge.runtime.resume import refuse_damaged, skipped
from unit_edge.runtime.sinks.base import FrameSink
from unit_edge.runtime.sinks.images import ImageSink
from unit_edge.runtime.sinks.outputs import together
from unit_edge.runtime.sinks.steady import SteadySink
from unit_edge.runtime.sinks.video.parts import complete, find_kept, interrupted
from unit_edge.runtime.sinks.video.sink import VideoSink
from unit_edge.runtime.sinks.weather import WeatherSink
from unit_edge.runtime.sources.images import ImageSource
from unit_edge.runtime.sources.open import open_source
from unit_edge.text.address import parse_address


@dataclass(frozen=True)
class StartedRun:
    """A translation that is about to run.

    Attributes:
        info: of the frames.
        backend: what runs the model, for people.
        output_size: width and height that will be written, or None for pictures, which keep theirs.
    """

    info: VideoInfo
    backend: str
    output_size: tuple[int, int] | None


@dataclass(frozen=True)
class RunExtras:
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
    extras: RunExtras | None = None,
    notice: Callable[[str], None] | None = None,
    started: Callable[[StartedRun], None] | None = None,
    progress: Callable[[Stats], None] | None = None,
    **settings: Any,
) -> Stats:
    """Translates a video, an image, a folder of images, or what a camera or stream gives.

    Args:
        source: a Path of a file or folder, or whatever `parse_address` understands.
        output: one or several of: a file, a folder for images, "-" for raw frames, a URL, /dev/videoN.
        model: a file, or a runner that is open, and stays so.
        extras: see `carry_out`, as `notice`, `started` and `progress`.
        settings: the other attributes of a `TranslateRequest`.

    Raises:
        UnitEdgeError: see `carry_out`.
    """
    request = TranslateRequest(
        address=parse_address(source), outputs=parse_outputs(output), model=model, **settings
    )
    return carry_out(request, extras=extras, notice=notice, started=started, progress=progress)


def carry_out(
    request: TranslateRequest,
    *,
    extras: RunExtras | None = None,
    notice: Callable[[str], None] | None = None,
    started: Callable[[StartedRun], None] | None = None,
    progress: Callable[[Stats], None] | None = None,
) -> Stats:
    """Carries out what a translation is asked for.

    Args:
        request: what is translated, into what and how.
        extras: what there is beside the files.
        notice: gets a line when an interrupted run is gone on with, and when a live source is lost or back,
            from any thread.
        started: is called once when all is open.
        progress: is called after each frame.

    Raises:
        UnitEdgeError: see `TranslateRequest.check`, `open_runner` and `pipeline.run`; nothing is left behind
            but what a TruncatedError or an Interrupted says is finished.
    """
    extras = extras or RunExtras()
    notice = notice or (lambda _: None)
    request.check(shown=extras.window is not None)
    address, outputs, encoding, look = request.address, request.outputs, request.encoding, request.look
    if request.resume and complete(outputs[0].path):
        refuse_damaged(outputs[0].path)
        notice(f"{outputs[0].name}: is complete already")
        return Stats()
    with ExitStack() as stack:
        model = request.model
        if isinstance(model, (Path, CheckedModel)):
            closed = open_runner(model, request.backend, threads=request.threads)
        else:
            closed = Opened(model)
        manifest = closed.manifest
        kept = None
        if request.resume:
            kept = find_kept(outputs[0].path, request.making(outputs[0].path, manifest))
        if kept is not None:
            notice(f"{outputs[0].name}: goes on after {float(kept.end):.1f} s, {kept.frames} frames")
        runner = stack.enter_context(closed)
        skip = skipped(None if request.live else kept, steady=request.steady)
        frames = stack.enter_context(open_source(address, request.options, notice, request.excerpt, skip))
        width, height = frames.info.width, frames.info.height
        if runner.manifest.frame_size is None and elongated(width, height):
            raise SourceError(f"{address.name}: {width}x{height}: {ELONGATED}")
        names = [path.name for path in frames.paths] if isinstance(frames, ImageSource) else []
        has_audio = encoding.audio and frames.info.has_audio

        def file_sink(path: Path, info: VideoInfo) -> FrameSink:
            if request.pictures:
                return ImageSink([path / name for name in names] if request.many else [path])
            return VideoSink(
                path,
                info,
                audio_from=address.path if has_audio else None,
                excerpt=request.excerpt,
                crf=encoding.crf,
                preset=encoding.preset,
                codec=encoding.codec,
                making=request.making(path, manifest),
                kept=kept,
                after_kept=request.live,
                live=request.live,
            )

        sink = together(
            outputs,
            frames.info,
            file_sink=file_sink,
            encoding=encoding,
            look=look,
            live=frames.live,
            raw_to=extras.raw_to,
            raw_format=extras.raw_format,
            window=extras.window,
            extra=extras.extra,
            notice=extras.notice,
        )
        if look.weather:
            sink = WeatherSink(look.weather, sink)
        if request.steady and not request.pictures:
            sink = SteadySink(sink)
        if extras.swap is not None:
            runner = stack.enter_context(extras.swap(runner))
        if started is not None:
            shown = look.info(frames.info)
            size = shown.width + shown.width % 2, shown.height + shown.height % 2
            started(StartedRun(frames.info, runner.backend, None if request.pictures else size))
        try:
            return run(frames, runner, sink, progress, extras.wish)
        except Exception:
            for item in outputs:
                if item.kind == "file" and interrupted(item.path):
                    notice(f"{item.name}: what is done of it is kept; --resume goes on from there")
            raise
