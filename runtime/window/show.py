"""A translation in a window: the pipeline on threads, the window in the main thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2  # noqa: F401  before PyAV, see display.py

from unit_edge.errors import UnitEdgeError
from unit_edge.interrupt import PATIENCE_S, watch_signals
from unit_edge.manifests.model import Manifest
from unit_edge.registry import find_reverse
from unit_edge.runtime.backends.base import Opened, Runner
from unit_edge.runtime.backends.open import open_runner
from unit_edge.runtime.pipeline import Stats
from unit_edge.runtime.request import TranslateRequest
from unit_edge.runtime.translate import RunExtras, StartedRun, carry_out
from unit_edge.runtime.window.display import check_display
from unit_edge.runtime.window.hud import Numbers
from unit_edge.runtime.window.recorder import Recorder
from unit_edge.runtime.window.swap import SwapRunner
from unit_edge.runtime.window.window import Actions, Window


def translate_in_window(
    request: TranslateRequest,
    *,
    extras: RunExtras | None = None,
    notice: Callable[[str], None] | None = None,
    started: Callable[[StartedRun], None] | None = None,
    progress: Callable[[Stats], None] | None = None,
) -> Stats:
    """`carry_out` with a window beside the outputs, or alone; in the main thread only.

    The q key ends it as Ctrl-C does. Pictures and recordings that keys ask for go into the current folder.

    Args:
        request: what is translated, into what and how.
        extras: see `carry_out`, as `notice`, `started` and `progress`.

    Raises:
        SinkError: no window can be opened here; nothing has begun then.
        UnitEdgeError: see `carry_out`.
    """
    check_display()
    run = _Run(request)
    extras = replace(extras or RunExtras(), window=run.window, extra=[run.recorder], swap=run.with_reverse)
    run.window.holds = not request.outputs and not request.address.live

    def begin(job: StartedRun) -> None:
        run.recorder.info = job.info
        if started is not None:
            started(job)

    def note(stats: Stats) -> None:
        run.stats = stats
        if progress is not None:
            progress(stats)

    with watch_signals(PATIENCE_S) as wish:
        run.quit = wish.ask

        def work() -> None:
            try:
                run.result = carry_out(
                    request,
                    extras=replace(extras, wish=wish),
                    notice=notice,
                    started=begin,
                    progress=note,
                )
            except BaseException as error:
                run.error = error

        thread = threading.Thread(target=work, name="unit-edge pipeline", daemon=True)
        thread.start()
        try:
            run.window.loop(lambda: not thread.is_alive(), lambda: bool(wish))
        except BaseException:
            wish.ask()
            raise
        finally:
            while thread.is_alive():
                thread.join(0.1)
    if run.error is not None:
        raise run.error
    assert run.result is not None
    return run.result


class _Run:
    """What the window, the keys and the pipeline share."""

    def __init__(self, request: TranslateRequest) -> None:
        self._threads = request.threads
        self._runner: Runner | None = None
        self._swap: SwapRunner | None = None
        self._no_swap = "the model is still being loaded"
        self.stats = Stats()
        self.result: Stats | None = None
        self.error: BaseException | None = None
        self.quit: Callable[[], None] = lambda: None
        self.recorder = Recorder(lambda: _free("recording", ".mp4"), request.encoding, self._say)
        actions = Actions(
            quit=lambda: self.quit(),
            swap=self._change_direction,
            record=self.recorder.toggle,
            recording=lambda: self.recorder.on,
        )
        self.window = Window(
            self._numbers, actions, look=request.look, snapshot_path=lambda: _free("snapshot", ".png")
        )

    def _say(self, message: str) -> None:
        self.window.say(message)

    def with_reverse(self, runner: Runner) -> Runner:
        """The runner, with the model of the other direction loaded beside it, if there is one."""
        self._runner = runner
        manifest = runner.manifest
        reverse = find_reverse(manifest)
        if reverse is None:
            self._no_swap = f"no bundled model from {manifest.target} to {manifest.source}"
            return Opened(runner)
        try:
            self._swap = SwapRunner(runner, open_runner(reverse, threads=self._threads))
        except UnitEdgeError as error:
            self._no_swap = str(error)
            return Opened(runner)
        self._runner = self._swap
        return self._swap

    def _change_direction(self) -> str:
        if self._swap is None:
            return self._no_swap
        self._swap.swap()
        return _direction(self._swap.manifest)

    def _numbers(self) -> Numbers:
        stats, runner = self.stats, self._runner
        return Numbers(
            fps=stats.fps,
            latency_ms=1000 * stats.infer_s / stats.frames if stats.frames else None,
            direction=_direction(runner.manifest) if runner is not None else "",
            backend=runner.backend if runner is not None else "",
            age_ms=None if stats.ages.last_s is None else 1000 * stats.ages.last_s,
            dropped=stats.dropped if stats.captured else None,
        )


def _direction(manifest: Manifest) -> str:
    return f"{manifest.source} to {manifest.target}"


def _free(stem: str, suffix: str) -> Path:
    """The first name that isn't taken in the current folder: snapshot-1.png."""
    number = 1
    while (path := Path(f"{stem}-{number}{suffix}")).exists():
        number += 1
    return path
