"""adapt(): domain adaptation from settings to a run folder; what a step does is in loop.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unit_edge.config.adapt import AdaptConfig
from unit_edge.errors import CheckpointError
from unit_edge.interrupt import StopWish, watch_signals
from unit_edge.spread import spread_places
from unit_edge.train.adapt.digit_batches import DigitBatches
from unit_edge.train.adapt.digits import Digits, read_all
from unit_edge.train.adapt.evaluate import UNLABELLED, Accuracy, accuracy, without_labels
from unit_edge.train.adapt.sheet import COLUMNS, digit_grid, digit_sheet
from unit_edge.train.adapt.state import AdaptState, load_run_settings
from unit_edge.train.evaluation import samples
from unit_edge.train.group import pick_device
from unit_edge.train.run import checkpoint
from unit_edge.train.run.log import RunLog
from unit_edge.train.run.steps import run_steps
from unit_edge.train.state import differences


def adapt(
    config: AdaptConfig, run: Path, *, data_root: Path, resume: bool = False, device: str = "auto"
) -> Accuracy | None:
    """Trains a classifier for digits without labels, and leaves weights, checkpoints, samples and a log.

    Args:
        config: the settings.
        run: the folder; it must be new unless `resume`.
        data_root: what the domains' paths are relative to.
        resume: go on from the newest checkpoint of the run.
        device: "cpu", "cuda" or "auto".

    Returns:
        The accuracy of the last step's weights on the target's test set; None if it has none. No label of
        the target is used before.

    Raises:
        ConfigError, DataError, CheckpointError: see their messages.
        TrainingError: terms were NaN or Inf again and again.
        Interrupted: SIGTERM or Ctrl-C came; a checkpoint is written.
    """
    if resume:
        _refuse_other_run(run, config)
    else:
        checkpoint.refuse_existing(run)
    target = pick_device(device)
    training, tests = load_digits(config, data_root)
    with watch_signals() as wish:
        state = _train(config, run, training, resume, target, wish)
    nets = state.ema.eval()
    shown = [spread_images(part, COLUMNS) for part in training]
    names = [domain.name for domain in config.domains]
    samples.write_png(run / "contact-sheet.png", digit_sheet(nets, shown, names, config.loss.adapts))
    return accuracy(nets, config, tests) if tests else None


def load_digits(config: AdaptConfig, root: Path) -> tuple[list[list[Digits]], list[Digits]]:
    """Both domains' training sets, and the target's test sets.

    Raises:
        DataError: one is missing or unusable; nothing has been written by then.
    """
    channels = config.network.channels
    training = [
        read_all(config.source.train, root, channels),
        read_all(config.target.train, root, channels, labelled=False),
    ]
    tests = read_all(config.target.test, root, channels) if config.target.test else []
    return training, tests


def _train(
    config: AdaptConfig,
    run: Path,
    training: list[list[Digits]],
    resume: bool,
    device: torch.device,
    wish: StopWish,
) -> AdaptState:
    state = AdaptState(config, device)
    if resume and checkpoint.checkpoints(run):
        state.restore(run)
    checkpoint.save_config(run, config)
    checkpoint.remove_leftovers(run)
    (run / "samples").mkdir(exist_ok=True)
    batches = DigitBatches(config, training, device)
    left = (batches[step] for step in range(state.step, config.optim.steps))
    run_steps(state, left, run, DigitViewer(state, training, run), wish)
    return state


class DigitViewer:
    """What an adaptation shows of itself: samples, and what can be said of the classifier without labels."""

    def __init__(self, state: AdaptState, training: list[list[Digits]], run: Path) -> None:
        self.state, self.run = state, run
        self.adapts = state.config.loss.adapts
        self.unlabelled = spread_images(training[1], UNLABELLED)
        self.shown = [spread_images(part, COLUMNS) for part in training]

    def summary(self, terms: dict[str, float], bar: Any) -> dict[str, str]:
        """Some terms, for the bar."""
        shown = ("class1", "features", "translated", "consistency", "reconstruction2", "gan2", "gan2_d")
        return {name: f"{terms[name]:.2f}" for name in shown if name in terms}

    def show(self, log: RunLog) -> None:
        """Writes a grid of digits and their translations, if there are any."""
        if self.adapts:
            grid = digit_grid(self.state.ema.eval(), self.shown)
            samples.write_png(self.run / "samples" / f"{self.state.step:07d}.png", grid)
            log.picture(self.state.step, grid)

    def score(self, log: RunLog, bar: Any) -> bool:
        """Says what can be said without labels; that decides of no best."""
        if self.adapts:
            values = without_labels(self.state.ema.eval(), self.unlabelled)
            log.scalars(self.state.step, values, "unlabelled")
            bar.write(f"step {self.state.step}: " + ", ".join(f"{k} {v:.3f}" for k, v in values.items()))
        return False


def spread_images(sets: list[Digits], count: int) -> NDArray[np.uint8]:
    """At most `count` images at equal distances in a domain's sets, uint8[N,32,32,C]."""
    ends = np.cumsum([len(part) for part in sets])
    places = spread_places(int(ends[-1]), count)
    which = np.searchsorted(ends, places, side="right")
    return np.stack([sets[w].images[place - ends[w]] for w, place in zip(which, places, strict=True)])


def _refuse_other_run(run: Path, config: AdaptConfig) -> None:
    earlier = load_run_settings(run)
    differing = differences("network", earlier.network, config.network)
    for name in ("source", "target"):
        there, here = getattr(earlier, name), getattr(config, name)
        differing += differences(name, there, replace(here, test=there.test))
    if differing:
        raise CheckpointError(
            f"{run}: was trained with other settings ({'; '.join(differing)}); train into another folder"
        )
