"""A translation in a window: the pipeline on threads, the window in the main thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2  # noqa: F401  before PyAV, see display.py

from unit_edge.errors import UnitEdgeError
from unit_edge.interrupt import watch_signals
from unit_edge.manifests.model import Manifest
from unit_edge.registry import find_reverse
from unit_edge.runtime.backends.base import Opened, Runner
from unit_edge.runtime.backends.open import open_runner
from unit_edge.runtime.pipeline import Stats
from unit_edge.runtime.sinks.codecs import Encoding
from unit_edge.runtime.sinks.look import Look
from unit_edge.runtime.translate import Beside, Job, translate
from unit_edge.runtime.window.display import check_display
from unit_edge.runtime.window.hud import Numbers
from unit_edge.runtime.window.recorder import Recorder
from unit_edge.runtime.window.swap import SwapRunner
from unit_edge.runtime.window.window import Actions, Window
from unit_edge.text.address import parse_address


def translate_in_window(
    source: Path | str,
    output: Sequence[Path | str],
    model: Path,
    *,
    engine: str = "auto",
    threads: int | None = None,
    look: Look | None = None,
    encoding: Encoding | None = None,
    beside: Beside | None = None,
    started: Callable[[Job], None] | None = None,
    progress: Callable[[Stats], None] | None = None,
    **options: Any,
) -> Stats:
    """`translate` with a window beside the outputs, or alone; in the main thread only.

    The q key ends it as Ctrl-C does. Pictures and recordings that keys ask for go into the current folder.

    Raises:
        SinkError: no window can be opened here; nothing has begun then.
        UnitEdgeError: see `translate`.
    """
    check_display()
    run = _Run(engine, threads, encoding or Encoding(), look or Look())
    beside = replace(beside or Beside(), window=run.window, extra=[run.recorder], swap=run.with_reverse)
    run.window.holds = not output and not parse_address(source).live

    def begin(job: Job) -> None:
        run.recorder.info = job.info
        if started is not None:
            started(job)

    def note(stats: Stats) -> None:
        run.stats = stats
        if progress is not None:
            progress(stats)

    with watch_signals() as wish:
        run.quit = wish.ask

        def work() -> None:
            try:
                run.result = translate(
                    source,
                    output,
                    model,
                    engine=engine,
                    threads=threads,
                    look=look,
                    encoding=encoding,
                    beside=replace(beside, wish=wish),
                    started=begin,
                    progress=note,
                    **options,
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

    def __init__(self, engine: str, threads: int | None, encoding: Encoding, look: Look) -> None:
        self._engine, self._threads = engine, threads
        self._runner: Runner | None = None
        self._swap: SwapRunner | None = None
        self._no_swap = "the model is still being loaded"
        self.stats = Stats()
        self.result: Stats | None = None
        self.error: BaseException | None = None
        self.quit: Callable[[], None] = lambda: None
        self.recorder = Recorder(lambda: _free("recording", ".mp4"), encoding, self._say)
        actions = Actions(
            lambda: self.quit(), self._change_direction, self.recorder.toggle, lambda: self.recorder.on
        )
        self.window = Window(
            self._numbers, actions, look=look, snapshot_path=lambda: _free("snapshot", ".png")
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
            engine=runner.engine if runner is not None else "",
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
