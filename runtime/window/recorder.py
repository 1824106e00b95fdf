"""A recording that is started and stopped while frames flow."""

from __future__ import annotations

import shutil
import threading
import time
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

_LOOK_AT_DISK_S = 1.0
_KEPT_FREE = 64 << 20
_KEPT_FREE_SHARE = 0.05


class Recorder:
    """Writes nothing until `toggle` is called; each time then a new video without sound, from time 0 on.

    It never raises for a recording that fails: it says so, and what else the frames go to goes on. A
    recording that runs when all ends is finished, however that ends, and one that has nearly filled the
    disk is finished while there is still room for that. Frames of another size begin another video.

    Attributes:
        info: of the frames that will come, as far as it is known; their size is the frames' own.
        path: of the recording that runs, or of the last one; None before the first.
        seconds: that it has recorded.
    """

    def __init__(
        self,
        next_path: Callable[[], Path],
        encoding: Encoding,
        say: Callable[[str], None],
        *,
        making: str | None = None,
    ) -> None:
        """`say` gets a line when a recording starts, ends or fails, in the thread of the frames.

        `making` says what it is of; then what could be written stays in a hidden folder if writing fails.
        """
        self._next_path, self._encoding, self._say = next_path, encoding, say
        self._making = None if making is None else {"recording": making}
        self._wanted: Look | None = None
        self._lock = threading.Lock()
        self._sink: VideoSink | None = None
        self.info: VideoInfo | None = None
        self.path: Path | None = None
        self.seconds = 0.0

    def toggle(self, look: Look) -> None:
        """Starts a recording with that look, or stops the one that runs; from any thread."""
        self._wanted = None if self._wanted is not None else look

    @property
    def on(self) -> bool:
        return self._wanted is not None

    @property
    def size_bytes(self) -> int:
        """The size of the recording that runs, or of the last one, as far as it is on the disk."""
        sink = self._sink
        return sink.size_bytes if sink is not None else self._size_bytes

    _size_bytes = 0

    def __enter__(self) -> Recorder:
        return self

    def write(self, frame: Frame) -> None:
        with self._lock:
            self._write(frame)

    def settle(self) -> None:
        """Finishes a recording that has been stopped, where no frame comes that would; from any thread."""
        if self._wanted is None and self._sink is not None:
            with self._lock:
                self.__exit__(None, None, None)

    def finish(self) -> None:
        """Finishes the recording that runs, and takes no more; from any thread."""
        self._wanted = None
        self.settle()

    def _write(self, frame: Frame) -> None:
        wanted = self._wanted
        try:
            if self._sink is not None and (wanted is None or self._frame_size != frame.image.shape):
                self._finish()
            if self._sink is None and wanted is not None:
                self._start(frame, wanted)
            if self._sink is not None:
                image = self._look.image(frame)
                self.seconds = float(frame.pts - self._first)
                self._sink.write(replace(frame, image=image, before=None, pts=frame.pts - self._first))
                if self._disk_is_nearly_full():
                    self._wanted = None
                    self._finish("; the disk is nearly full, so it ends here")
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
        self._frame_size, self._looked_s = frame.image.shape, 0.0
        encoding = self._encoding
        info = look.info(replace(self.info or fallback, width=width, height=height))
        sink = VideoSink(
            self._path,
            info,
            crf=encoding.crf,
            preset=encoding.preset,
            codec=encoding.codec_for(".mp4"),
            making=self._making,
        )
        self._sink = sink.__enter__()
        self.path, self.seconds = self._path, 0.0
        self._say(f"recording {self._path}")

    def _disk_is_nearly_full(self) -> bool:
        """Whether finishing, which writes the file once more, could fail soon."""
        now = time.monotonic()
        if self._sink is None or now - self._looked_s < _LOOK_AT_DISK_S:
            return False
        self._looked_s = now
        try:
            disk = shutil.disk_usage(self._path.absolute().parent)
        except OSError:
            return False
        return disk.free < self._sink.size_bytes + min(_KEPT_FREE, _KEPT_FREE_SHARE * disk.total)

    def _finish(self, why: str = "") -> None:
        if self._sink is not None:
            sink, self._sink = self._sink, None
            self._size_bytes = sink.size_bytes
            sink.__exit__(None, None, None)
            self._say(f"recorded {self._path}{why}")

    def cut_short(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._finish()
        except UnitEdgeError as failure:
            self._say(str(failure))
