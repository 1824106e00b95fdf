"""adapt(): the loop of domain adaptation, from settings to a run folder. Read it top to bottom."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from unit_edge.adapt_config import AdaptConfig
from unit_edge.errors import CheckpointError, TrainingError
from unit_edge.interrupt import Interrupted, StopWish, watch_signals
from unit_edge.train import checkpoint
from unit_edge.train.adapt.digit_batches import DigitBatches
from unit_edge.train.adapt.digits import Digits, read_all
from unit_edge.train.adapt.evaluate import UNLABELLED, Accuracy, accuracy, without_labels
from unit_edge.train.adapt.sheet import COLUMNS, digit_grid, digit_sheet
from unit_edge.train.adapt.state import AdaptState, load_run_settings
from unit_edge.train.evaluation import samples
from unit_edge.train.group import pick_device
from unit_edge.train.run_log import RunLog
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
    nets = state.average.eval()
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
    unlabelled = spread_images(training[1], UNLABELLED)
    shown = [spread_images(part, COLUMNS) for part in training]
    bar = tqdm(
        total=config.optim.steps,
        initial=state.step,
        unit="step",
        dynamic_ncols=True,
        mininterval=1.0 if sys.stderr.isatty() else 30.0,
    )
    log = RunLog(run, state.step, config.log.tensorboard)
    try:
        while state.step < config.optim.steps:
            state.nets.train()
            terms = state.advance(batches[state.step])
            bar.update()
            for fault in state.update.faults:
                log.note(state.step, f"{fault}; the update was skipped")
                bar.write(f"step {state.step}: {fault}; the update was skipped", file=sys.stderr)
            last = state.step == config.optim.steps
            due = {name: last or state.step % every == 0 for name, every in _intervals(config).items()}
            if due["print"]:
                log.scalars(state.step, terms, "loss")
                bar.set_postfix(_summary(terms), refresh=False)
            if due["sample"] and config.loss.adapts:
                grid = digit_grid(state.average.eval(), shown)
                samples.write_png(run / "samples" / f"{state.step:07d}.png", grid)
                log.picture(state.step, grid)
            if due["evaluate"] and config.loss.adapts:
                values = without_labels(state.average.eval(), unlabelled)
                log.scalars(state.step, values, "unlabelled")
                bar.write(f"step {state.step}: " + ", ".join(f"{k} {v:.3f}" for k, v in values.items()))
            # after a fault the weights may be on their way out, so the last good checkpoint stays
            if (due["checkpoint"] or wish) and not state.update.faults:
                state.save(run)
            if (last or wish) and state.update.faults:
                raise TrainingError(
                    f"step {state.step}: {state.update.faults[0]}, so the last steps are not saved; "
                    f"{checkpoint.how_to_go_on(run)}"
                )
            if wish:
                bar.write(f"step {state.step} is saved; go on with --resume", file=sys.stderr)
                raise Interrupted(wish.signal_number)
    finally:
        bar.close()
        log.close()
    return state


def spread_images(sets: list[Digits], count: int) -> NDArray[np.uint8]:
    """At most `count` images at equal distances in a domain's sets, uint8[N,32,32,C]."""
    ends = np.cumsum([len(part) for part in sets])
    places = np.linspace(0, ends[-1] - 1, min(count, int(ends[-1]))).round().astype(int)
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


def _intervals(config: AdaptConfig) -> dict[str, float]:
    log = config.log
    return {
        "print": log.print_every,
        "sample": log.sample_every,
        "evaluate": log.evaluate_every or float("inf"),
        "checkpoint": log.checkpoint_every,
    }


def _summary(terms: dict[str, float]) -> dict[str, str]:
    shown = ("class1", "features", "translated", "consistency", "reconstruction2", "gan2", "gan2_d")
    return {name: f"{terms[name]:.2f}" for name in shown if name in terms}
