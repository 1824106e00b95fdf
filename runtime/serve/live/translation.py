"""The one translation that all viewers share: it goes on through faults until it is told to end."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType

from unit_edge.errors import UnitEdgeError
from unit_edge.interrupt import Interrupted, StopWish
from unit_edge.runtime.frame_times import FrameTimes
from unit_edge.runtime.pipeline import Stats, run
from unit_edge.runtime.serve.live.capture import FileCapture, SteeredCapture, Work
from unit_edge.runtime.serve.live.controls import Controls
from unit_edge.runtime.serve.live.hub import Hub
from unit_edge.runtime.serve.live.models import Models
from unit_edge.runtime.sinks.codecs import Encoding
from unit_edge.runtime.sinks.look import Look
from unit_edge.runtime.sources.capture import CameraMode, Capture, open_capture
from unit_edge.runtime.sources.live import LiveSource
from unit_edge.runtime.sources.open import SourceOptions
from unit_edge.runtime.window.recorder import Recorder
from unit_edge.text.address import LIVE_KINDS, Address
from unit_edge.text.printable import one_line
from unit_edge.text.redaction import redact

_RETRY_S = (1.0, 30.0)
_WENT_WELL_S = 60.0
_NOTICES_KEPT = 20
_FRAME_TIMES_AT_MOST = 2000
_END_S = 20.0
_ANSWERS_WITHIN_S = 60.0


@dataclass
class Totals:
    """Sums over all runs since the start.

    Attributes:
        frames: that went through the model.
        captured: frames that came.
        dropped: of these, those that gave way to newer ones.
        reconnects: how often the source came back.
        infer_s: seconds in the model.
    """

    frames: int = 0
    captured: int = 0
    dropped: int = 0
    reconnects: int = 0
    infer_s: float = 0.0

    def plus(self, stats: Stats) -> Totals:
        return Totals(
            frames=self.frames + stats.frames,
            captured=self.captured + stats.captured,
            dropped=self.dropped + stats.dropped,
            reconnects=self.reconnects + stats.reconnects,
            infer_s=self.infer_s + stats.infer_s,
        )


@dataclass(frozen=True)
class Notice:
    """A line for people.

    Attributes:
        number: counts them.
        text: without passwords.
    """

    number: int
    text: str


@dataclass(frozen=True)
class Source:
    """What is translated, and how it is asked for."""

    address: Address
    options: SourceOptions = field(default_factory=SourceOptions)


class Translation:
    """Runs the pipeline in a thread of its own; a context manager that waits for the first frame.

    What fails after that is tried again, with longer and longer pauses, and shown as `fault` meanwhile.

    Attributes:
        controls: what viewers switch.
        hub: where the frames are.
        models: which run.
        recorder: writes into the folder for recordings.
        broken: an error that isn't the user's to mend, after which nothing goes on; else None.
        hangs: whether the model or the source didn't let go at the end; then the process has to be ended.
    """

    def __init__(
        self,
        source: Source,
        models: Models,
        controls: Controls,
        *,
        recordings: Path,
        encoding: Encoding,
        say: Callable[[str], None],
    ) -> None:
        """`recordings` is the folder for recordings; `say` gets lines for the terminal, from any thread."""
        self._source, self.models, self.controls, self._say = source, models, controls, say
        self._recordings = recordings
        self.recorder = Recorder(self._next_recording, encoding, self.notice, making=source.address.name)
        self.hub = Hub(controls, self.recorder)
        self._wish, self._restart, self._closing = StopWish(), False, False
        self._past, self._stats = Totals(), Stats()
        self._frame_times: list[FrameTimes] = []
        self._work = Work()
        self._live: LiveSource | None = None
        self._fault: str | None = None
        self._first_error: BaseException | None = None
        self._begun, self._stopped = threading.Event(), threading.Event()
        self._answered_s = time.monotonic()
        self._notices: deque[Notice] = deque(maxlen=_NOTICES_KEPT)
        self.broken: BaseException | None = None
        self.hangs = False
        self._thread = threading.Thread(target=self._work_on, name="unit-edge translation", daemon=True)

    def __enter__(self) -> Translation:
        """Raises UnitEdgeError if the source or the model can't be opened, or no first frame comes out."""
        self._thread.start()
        try:
            while not self._begun.wait(0.2):
                pass
        except BaseException:
            self._end()
            raise
        if self._first_error is not None:
            self._thread.join()
            raise self._first_error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._closing = True
        self._wish.ask()
        self.controls.close()
        if self._stopped.wait(_END_S):
            self._thread.join()  # which finishes a recording, however long that takes
            return
        self.hangs = True
        self.recorder.finish()
        self._say(
            f"{self._source.address.name}: neither it nor {self.models.name} has let go for {_END_S:.0f} s; "
            "ended without waiting"
        )

    # What is shown

    @property
    def totals(self) -> Totals:
        return self._past.plus(self._stats)

    @property
    def work(self) -> Work:
        """The work of decoding."""
        return self._work

    @property
    def fault(self) -> str | None:
        """Why nothing is translated now, for people."""
        return self._fault

    @property
    def lost(self) -> bool:
        """Whether the source is being connected to again."""
        return self._live is not None and self._live.lost

    @property
    def well(self) -> bool:
        """Whether frames are translated, or held because somebody wants that."""
        answers = time.monotonic() - self._answered_s < _ANSWERS_WITHIN_S
        return self._fault is None and self.broken is None and not self.lost and answers

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the frames."""
        newest = self.hub.newest
        return None if newest is None else (newest.after.shape[1], newest.after.shape[0])

    @property
    def notices(self) -> list[Notice]:
        """The last ones, oldest first."""
        return list(self._notices)

    def take_frame_times(self) -> list[FrameTimes]:
        """The times of the frames since the last call."""
        taken = self._frame_times[:]
        del self._frame_times[: len(taken)]
        return taken

    def notice(self, text: str) -> None:
        """Keeps a line for the viewers and says it at the terminal; from any thread."""
        shown = redact(one_line(text))
        number = self._notices[-1].number + 1 if self._notices else 1
        self._notices.append(Notice(number, shown))
        self._say(shown)

    # What viewers do

    def choose(self, name: str) -> None:
        """Changes the model; takes as long as loading it. See Models.choose for its errors."""
        self.models.choose(name, self._chosen)

    def _chosen(self, fits: bool) -> None:
        if not fits:  # the pipeline looks at the model's size when it starts
            self._restart = True
            self._wish.ask()
        self.controls.again()

    def record(self, on: bool) -> None:
        """Starts a recording with both halves, or finishes the one that runs; it begins with a frame."""
        if on != self.recorder.on:
            self.recorder.toggle(Look(side_by_side=True))
            self.controls.again()  # so that a paused one ends too

    def _next_recording(self) -> Path:
        stem = f"{datetime.now():%Y%m%d-%H%M%S}-{self.models.name}"
        path, number = self._recordings / f"{stem}.mp4", 2
        while path.exists():
            path, number = self._recordings / f"{stem}-{number}.mp4", number + 1
        return path

    # The thread

    def _work_on(self) -> None:
        pause_s = _RETRY_S[0]
        try:
            while not self._closing:
                began = time.monotonic()
                try:
                    self._run_once()
                except Interrupted:
                    continue
                except UnitEdgeError as error:
                    if not self._begun.is_set():
                        raise
                    self._fail(error)
                if time.monotonic() - began > _WENT_WELL_S:
                    pause_s = _RETRY_S[0]
                self._wait(pause_s)
                pause_s = min(2 * pause_s, _RETRY_S[1])
        except BaseException as error:
            if not self._begun.is_set():
                self._first_error = error
            self.broken = error
        finally:
            self._begun.set()
            self._stopped.set()
            self.recorder.__exit__(None, None, None)

    def _run_once(self) -> None:
        self._wish = StopWish()
        if self._closing:
            return
        self._restart = False
        try:
            with self.models as runner, self._open() as live:
                self._live = live
                self.recorder.info = live.info
                run(live, runner, self.hub, self._progress, self._wish, self._frame_times)
            raise UnitEdgeError(f"{self._source.address.name}: ended")
        finally:
            self._live = None
            self._past, self._stats = self._past.plus(self._stats), Stats()

    def _fail(self, error: UnitEdgeError) -> None:
        text = redact(one_line(error))
        if text != self._fault:
            self.notice(text)
        self._fault = text

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._closing and (left_s := until - time.monotonic()) > 0:
            self.recorder.settle()
            self.controls.wait(min(left_s, 1.0))

    def _progress(self, stats: Stats) -> None:
        self._stats, self._answered_s = stats, time.monotonic()
        self.recorder.settle()
        if stats.frames:
            self._fault = None
            self._begun.set()
        with suppress(IndexError):
            while len(self._frame_times) > _FRAME_TIMES_AT_MOST:  # nobody takes them
                self._frame_times.pop(0)

    def _open(self) -> LiveSource:
        address, options = self._source.address, self._source.options
        wish, controls = self._wish, self.controls  # of this run

        def stopping() -> bool:
            return bool(wish)

        def notice(text: str) -> None:
            if not stopping():  # else the end of the frames looks like a loss
                self.notice(text)

        def capture() -> Capture:
            if address.kind in LIVE_KINDS:
                mode = CameraMode(options.camera_size, options.camera_fps, options.fourcc)
                return SteeredCapture(open_capture(address, mode), controls, stopping, self._work)
            files = FileCapture(address, options, controls, self.notice)
            self._work = files.work
            return SteeredCapture(files, controls, stopping, None)

        patience_s = options.reconnect_for if address.kind in LIVE_KINDS else 0.0
        return LiveSource(address.name, capture, reconnect_for_s=patience_s, notice=notice)
