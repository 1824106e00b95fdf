"""The loop of `train` and of `adapt`: step after step, with what is logged, shown and saved between them."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from unit_edge.config import LogConfig, RunConfig
from unit_edge.config.adapt import AdaptConfig
from unit_edge.errors import TrainingError
from unit_edge.interrupt import Interrupted, StopWish
from unit_edge.train.group import Group
from unit_edge.train.run import checkpoint
from unit_edge.train.run.learner import Batch, Learner
from unit_edge.train.run.log import RunLog

SETTLE_EVERY = 20
"""Steps that a GPU is given before this process waits for what came of them."""


class Viewer(Protocol):
    """What a run shows of itself, in the process that writes."""

    def summary(self, terms: dict[str, float], bar: Any) -> dict[str, str]:
        """What stands beside the bar."""

    def show(self, log: RunLog) -> None:
        """Writes samples of what the networks do now."""

    def score(self, log: RunLog, bar: Any) -> bool:
        """Scores the networks; whether they are the best so far, which must then be saved."""


def run_steps(
    state: Learner[Any, Any, Batch],
    batches: Iterable[Batch],
    run: Path,
    viewer: Viewer | None,
    wish: StopWish,
) -> None:
    """Makes all steps that are left.

    Args:
        state: what learns.
        batches: one for each step that is left.
        run: the run's folder.
        viewer: shows the run; None in processes that don't write.
        wish: of the user, for an end.

    Raises:
        TrainingError: losses or gradients were NaN or Inf again and again.
        Interrupted: SIGTERM or Ctrl-C came; a checkpoint is written.
    """
    config: RunConfig | AdaptConfig = state.config
    steps = config.optim.steps
    bar = progress_bar(state.group, total=steps, initial=state.step)
    log = RunLog(run, state.step, config.log.tensorboard) if viewer else None
    unsaved = False
    if viewer and state.step >= steps:
        bar.write(checkpoint.finished(run, state.step), file=sys.stderr)
        state.save_weights(run)  # it may have been killed after its last checkpoint, before they were written
    try:
        for batch in batches:
            with _telling_how_to_go_on(run):
                terms = state.advance(batch)
            bar.update()
            last = state.step == steps
            stopping = state.group.any(bool(wish))
            due = {name: last or state.step % every == 0 for name, every in _intervals(config.log).items()}
            if state.unseen and (stopping or any(due.values()) or state.step % SETTLE_EVERY == 0):
                with _telling_how_to_go_on(run):
                    terms = state.settle()
            if log and viewer:
                for step, fault in state.take_faulty():
                    log.note(step, f"{fault}; the update was skipped")
                    bar.write(f"step {step}: {fault}; the update was skipped", file=sys.stderr)
                if due["print"]:
                    log.scalars(state.step, terms, "loss")
                    bar.set_postfix(viewer.summary(terms, bar), refresh=False)
                if due["sample"]:
                    viewer.show(log)
                best = due["evaluate"] and viewer.score(log, bar)
                unsaved = due["checkpoint"] or best or stopping or unsaved
                # after a fault the weights may be on their way out, so the last good checkpoint stays
                if unsaved and not state.faults:
                    state.save(run)
                    unsaved = False
            if (last or stopping) and state.faults:
                raise TrainingError(
                    f"step {state.step}: {state.faults[0]}, so the last steps are not saved; "
                    f"{checkpoint.how_to_go_on(run)}"
                )
            if stopping:
                if viewer:
                    bar.write(f"step {state.step} is saved; go on with --resume", file=sys.stderr)
                raise Interrupted(wish.signal_number)
    finally:
        bar.close()
        if log:
            log.close()


@contextmanager
def _telling_how_to_go_on(run: Path) -> Iterator[None]:
    try:
        yield
    except TrainingError as error:
        raise TrainingError(f"{error}; {checkpoint.how_to_go_on(run)}") from None


class _Lines(io.TextIOBase):
    """Stderr for a bar that isn't redrawn: what it draws is a line each, and what it wipes out none."""

    def write(self, text: str) -> int:
        line = text.strip()
        return sys.stderr.write(f"{line}\n") if line else 0

    def flush(self) -> None:
        sys.stderr.flush()


def progress_bar(group: Group, **options: Any) -> Any:
    """A bar of steps, in the process that writes alone; where nobody watches, a line every 30 s."""
    watched = sys.stderr.isatty()
    return tqdm(
        unit="step",
        file=None if watched else _Lines(),
        dynamic_ncols=True,
        mininterval=1.0 if watched else 30.0,
        disable=not group.is_main_process,
        **options,
    )


def _intervals(log: LogConfig) -> dict[str, float]:
    return {
        "print": log.print_every,
        "sample": log.sample_every,
        "evaluate": log.evaluate_every or float("inf"),
        "checkpoint": log.checkpoint_every,
    }
