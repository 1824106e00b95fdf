"""A recording that is started and stopped while frames flow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType

from unit_edge.errors import UnitEdgeError
from unit_edge.frames import Frame, VideoInfo
from unit_edge.runtime.sinks.codecs import Encoding
from unit_edge.runtime.sinks.look import Look
from unit_edge.runtime.sinks.video.sink import VideoSink


class Recorder:
    """Writes nothing until `toggle` is called; each time then a new video without sound, from time 0 on.

    It never raises for a recording that fails: it says so, and what else the frames go to goes on. A
    recording that runs when all ends is finished, however that ends.
    """

    def __init__(self, next_path: Callable[[], Path], encoding: Encoding, say: Callable[[str], None]) -> None:
        """`say` gets a line when a recording starts, ends or fails, in the thread of the frames."""
        self._next_path, self._encoding, self._say = next_path, encoding, say
        self._wanted: Look | None = None
        self._sink: VideoSink | None = None
        self.info: VideoInfo | None = None

    def toggle(self, look: Look) -> None:
        """Starts a recording with that look, or stops the one that runs; from any thread."""
        self._wanted = None if self._wanted is not None else look

    @property
    def on(self) -> bool:
        return self._wanted is not None

    def __enter__(self) -> Recorder:
        return self

    def write(self, frame: Frame) -> None:
        wanted = self._wanted
        try:
            if self._sink is None and wanted is not None:
                self._start(frame, wanted)
            elif self._sink is not None and wanted is None:
                self._finish()
            if self._sink is not None:
                image = self._look.image(frame)
                self._sink.write(replace(frame, image=image, before=None, pts=frame.pts - self._first))
        except UnitEdgeError as error:
            self._wanted = None
            if self._sink is not None:
                sink, self._sink = self._sink, None
                sink.__exit__(type(error), error, None)
            self._say(str(error))

    def _start(self, frame: Frame, look: Look) -> None:
        height, width = frame.image.shape[:2]
        fallback = VideoInfo(width, height, fps=Fraction(25))
        self._look, self._first, self._path = look, frame.pts, self._next_path()
        encoding = self._encoding
        info = look.info(replace(self.info or fallback, width=width, height=height))
        sink = VideoSink(
            self._path, info, crf=encoding.crf, preset=encoding.preset, codec=encoding.codec_for(".mp4")
        )
        self._sink = sink.__enter__()
        self._say(f"recording {self._path}")

    def _finish(self) -> None:
        if self._sink is not None:
            sink, self._sink = self._sink, None
            sink.__exit__(None, None, None)
            self._say(f"recorded {self._path}")

    def cut_short(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._finish()
        except UnitEdgeError as failure:
            self._say(str(failure))
