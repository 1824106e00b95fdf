"""What a person at a terminal sees of a running translation."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from unit_edge.cli.terminal.say import echo
from unit_edge.errors import PartialError, TruncatedError
from unit_edge.interrupt import Interrupted
from unit_edge.text.printable import printable
from unit_edge.text.redaction import redact

if TYPE_CHECKING:
    from unit_edge.runtime.fleet.dispatch import Standing
    from unit_edge.runtime.pipeline import Stats
    from unit_edge.runtime.translate import StartedRun

_REDRAW_S = 0.2
_LINE_S = 30.0
"""Between two lines where nobody watches: in a log, a pipe."""
_CLEAR_LINE = "\r\x1b[K"


class Progress:
    """A line that is redrawn on a terminal, and one in the end that says what was made."""

    def __init__(
        self,
        *,
        quiet: bool,
        reason: str = "",
        to_stderr: bool = False,
        prefix: str = "",
        resumable: bool = True,
    ) -> None:
        """Says nothing yet.

        Args:
            quiet: say nothing but errors.
            reason: why that backend runs the model, if there is something to say.
            to_stderr: where frames go to stdout.
            prefix: of the line that is redrawn, which clip of several it is.
            resumable: what is interrupted can be gone on with, if it is a video.
        """
        self._quiet, self._reason = quiet, f"; {reason}" if reason else ""
        self._to_stderr, self._prefix, self._resumable = to_stderr, prefix, resumable
        self._redraw = not quiet and sys.stderr.isatty()
        self._drawn_at = 0.0 if self._redraw else time.monotonic()
        self._every_s = _REDRAW_S if self._redraw else _LINE_S
        self._job: StartedRun | None = None
        self._stats: Stats | None = None

    def start(self, job: StartedRun) -> None:
        """Takes what is known before the first frame."""
        self._job = job
        if self._redraw:
            echo(f"{job.backend}{self._reason}", err=True)

    def update(self, stats: Stats) -> None:
        """Redraws the line, a few times a second; where that isn't seen, a line every 30 s."""
        self._stats = stats
        now = time.monotonic()
        if self._quiet or self._job is None or now - self._drawn_at < self._every_s:
            return
        self._drawn_at = now
        live = _live_text(stats)
        total, done = self._job.info.frame_count, stats.frames
        if total and stats.fps:
            left = _left(max(0, total - done) / stats.fps)
            line = f"{done}/{total} frames  {min(100, 100 * done // total):3}%  {stats.fps:.1f} FPS  {left}"
        else:
            line = f"{done} frames  {stats.fps:.1f} FPS{live and '  '}{live}"
        _show(self._prefix + line, redraw=self._redraw)

    @contextmanager
    def reporting(self, output: str, model: str) -> Iterator[None]:
        """Around a run: `finish` where it has left something finished, even if it raised."""
        try:
            yield
        except (TruncatedError, PartialError):
            self.finish(output, model)
            raise
        except Interrupted:
            self.finish(output, model)
            job = self._job
            if job is not None and job.output_size and job.info.frame_count and self._resumable:
                self.notice("the same command with --resume goes on from there")
            raise
        self.finish(output, model)

    def notice(self, text: str) -> None:
        """A line that stays, from any thread."""
        if not self._quiet:
            self._line(text)

    def warn(self, text: str) -> None:
        """The same, even if quiet, of what went wrong and the run survives."""
        self._line(f"warning: {text}")

    def _line(self, text: str) -> None:
        sys.stderr.write(f"{_CLEAR_LINE if self._redraw else ''}{printable(redact(text))}\n")
        sys.stderr.flush()

    def finish(self, output: Path | str, model: str) -> None:
        """Clears the line, and says what `output` holds if any frame got there."""
        if self._redraw:
            sys.stderr.write(_CLEAR_LINE)
            sys.stderr.flush()
        if self._quiet or self._job is None or self._stats is None:
            return
        info, size = self._job.info, self._job.output_size
        count = self._stats.shown if self._stats.captured else self._stats.frames
        what = f"{count} {'image' if size is None else 'frame'}{'' if count == 1 else 's'}"
        if size is not None:
            what += ", {}x{}".format(*size)
            if (
                size
                == (info.width + info.width % 2, info.height + info.height % 2)
                != (info.width, info.height)
            ):
                what += f" (from {info.width}x{info.height}: codecs need even sizes)"
        line = f"{output}: {what}, {self._stats.fps:.1f} FPS with {model} ({self._job.backend}{self._reason})"
        ages = self._stats.ages
        if ages.count:
            middle_ms, most_ms = (round(1e3 * ages.percentile(percent)) for percent in (50, 95))
            line += f", {self._stats.dropped} dropped, age {middle_ms} ms (95 % below {most_ms} ms)"
        if self._stats.reconnects:
            line += f", connected again {self._stats.reconnects}x"
        # before an error that may follow on the other stream
        echo(line, err=self._to_stderr)


@contextmanager
def heartbeat(what: str) -> Iterator[None]:
    """Around what says nothing of itself: a line every 30 s says that it goes on."""
    done, began = threading.Event(), time.monotonic()

    def beat() -> None:
        while not done.wait(_LINE_S):
            _show(printable(f"{what}: {time.monotonic() - began:.0f} s so far"), redraw=False)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class _Redrawn:
    """A line that is drawn anew a few times a second on a terminal; elsewhere there is one every 30 s."""

    def __init__(self, *, quiet: bool) -> None:
        self._redraw, self._shown = sys.stderr.isatty(), not quiet
        self._every_s = _REDRAW_S if self._redraw else _LINE_S
        self._drawn_at = time.monotonic()

    def _due(self) -> bool:
        """Whether it is time to draw; asked once a drawing."""
        now = time.monotonic()
        if not self._shown or now - self._drawn_at < self._every_s:
            return False
        self._drawn_at = now
        return True

    def _draw(self, text: str) -> None:
        _show(text, redraw=self._redraw)

    def clear(self) -> None:
        """Makes place for another line."""
        if self._shown and self._redraw:
            print(_CLEAR_LINE, end="", file=sys.stderr, flush=True)


class Line(_Redrawn):
    """Says how far it is and how long it will take."""

    def __init__(self, total: int | None, unit: str, *, quiet: bool) -> None:
        """`total` units are to be done, frames or pictures; None if nobody knows."""
        super().__init__(quiet=quiet)
        self._total, self._unit, self._began = total, unit, time.monotonic()

    def draw(self, done: int) -> None:
        """Redraws it, if it is time."""
        if not self._due():
            return
        fps = done / max(time.monotonic() - self._began, 1e-9)
        text = f"{done} {self._unit}  {fps:.1f}/s"
        if self._total:
            percent = min(100, 100 * done // self._total)
            left = _left(max(0, self._total - done) / fps)
            text = f"{done}/{self._total} {self._unit}  {percent:3}%  {fps:.1f}/s  {left}"
        self._draw(text)


class FleetLine(_Redrawn):
    """Says how far a fleet is."""

    def draw(self, standing: Standing) -> None:
        """Redraws it, if it is time."""
        if not self._due():
            return
        fps = standing.frames / max(standing.seconds, 1e-9)
        left = f"  {_left(standing.seconds * (1 / standing.share - 1))}" if standing.share else ""
        failed = f"  {standing.failed} failed" if standing.failed else ""
        self._draw(
            f"{standing.done + standing.failed}/{standing.total} clips  {standing.frames} frames  "
            f"{fps:.1f} FPS  {standing.workers} workers{left}{failed}"
        )


def _left(seconds: float) -> str:
    return f"{round(seconds) // 60}:{round(seconds) % 60:02} left"


def _show(line: str, *, redraw: bool) -> None:
    sys.stderr.write(f"{_CLEAR_LINE}{line}" if redraw else f"{line}\n")
    sys.stderr.flush()


def _live_text(stats: Stats) -> str:
    """What concerns a live source; "" for others."""
    if stats.ages.last_s is None:
        return ""
    lost = "  connecting again" if stats.lost else ""
    return f"age {round(1e3 * stats.ages.last_s)} ms  {stats.dropped} dropped{lost}"
