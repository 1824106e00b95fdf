"""fit(): from settings to a run folder; what a step does is in loop.py."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unit_edge.config import RunConfig
from unit_edge.errors import ConfigError, DataError
from unit_edge.interrupt import Interrupted, StopWish, watch_signals
from unit_edge.spread import spread
from unit_edge.train.data.dataset import Domain, Pairs, batches, domain_images
from unit_edge.train.evaluation.evaluate import read_images
from unit_edge.train.evaluation.viewer import Viewer
from unit_edge.train.group import Group, join_group
from unit_edge.train.guides import open_guide
from unit_edge.train.run import checkpoint
from unit_edge.train.run.steps import progress_bar, run_steps
from unit_edge.train.speed import memory_format
from unit_edge.train.state import TrainingState, refuse_other_run

EVALUATION_IMAGES = 60
"""At most so many held-out images of a domain are scored."""


def fit(config: RunConfig, run: Path, *, data_root: Path, resume: bool = False, device: str = "auto") -> None:
    """Trains UNIT and leaves weights, checkpoints, sample grids and a log in a run folder.

    Args:
        config: the settings.
        run: the folder; it must be new unless `resume`.
        data_root: what the domains' paths are relative to.
        resume: go on from the newest checkpoint of the run.
        device: "cpu", "cuda" or "auto".

    Raises:
        ConfigError, DataError, CheckpointError: see their messages.
        TrainingError: losses or gradients were NaN or Inf again and again.
        Interrupted: SIGTERM or Ctrl-C came; a checkpoint is written.
    """
    if resume:
        refuse_other_run(run, config)
    else:
        checkpoint.refuse_existing(run)
    with join_group(device) as group, watch_signals() as wish:
        _fit(config, run, data_root, resume, group, wish)


def _fit(config: RunConfig, run: Path, root: Path, resume: bool, group: Group, wish: StopWish) -> None:
    if config.optim.batch % (group.size * config.speed.accumulate):
        raise ConfigError(
            f"optim.batch {config.optim.batch} can't be shared by {group.size} processes with "
            f"speed.accumulate {config.speed.accumulate}; expected a multiple of their product"
        )
    if not group.is_main_process:
        group.wait()  # rank 0 fills the cache of videos' frames
    domains, held_out = load_domains(config, root)
    if group.is_main_process:
        group.wait()
    state = TrainingState(config, group)
    if resume and checkpoint.checkpoints(run):
        state.restore(run)
    elif config.optim.weights:
        state.begin_from(Path(config.optim.weights))
    group.wait()
    if group.is_main_process:
        checkpoint.save_config(run, config)
        checkpoint.save_data_root(run, root)
        checkpoint.remove_leftovers(run)
        (run / "samples").mkdir(exist_ok=True)
    _warm_up(state, domains, run, group, wish)
    viewer = Viewer(state, held_out, run) if group.is_main_process else None

    run_steps(state, loader(domains, config, group, state.step, config.optim.steps), run, viewer, wish)
    if viewer:
        viewer.contact_sheet()


def load_domains(config: RunConfig, root: Path) -> tuple[list[Domain], list[list[NDArray[np.uint8]]]]:
    """Both domains' training samples, and held-out images to look at and to score.

    Raises:
        DataError: too few images, or none that is usable; nothing has been written by then.
    """
    domains, held_out = [], []
    guides = open_guide(config.guide, root), None
    few = 2 if config.log.evaluate_every else 1
    for index, domain in enumerate((config.domain1, config.domain2)):
        training, validation = domain_images(domain, root, config.data)
        seed = config.optim.seed + index
        domains.append(Domain(domain.name, training, config.data, seed, guides[index]))
        domains[-1][0]
        chosen = spread(validation, EVALUATION_IMAGES)
        pictures = read_images(chosen) or read_images(spread(training, EVALUATION_IMAGES))
        if len(pictures) < few:
            raise DataError(
                f"domain {domain.name}: {few} or more held-out images are needed; raise data.validation"
            )
        held_out.append(pictures)
    return domains, held_out


def _warm_up(state: TrainingState, domains: list[Domain], run: Path, group: Group, wish: StopWish) -> None:
    """Makes the steps that are left of the warm-up; its checkpoints are of step 0."""
    config, warm_up = state.config, state.warm_up
    if warm_up is None:
        return
    steps = config.optim.warmup_steps
    bar = progress_bar(group, total=steps, initial=warm_up.step, desc="warm-up")
    try:
        for images in loader(domains, config, group, warm_up.step, steps):
            loss = warm_up.advance(images)
            bar.update()
            bar.set_postfix({"loss": f"{loss:.2f}"}, refresh=False)
            stopping = group.any(bool(wish))
            if group.is_main_process and (stopping or warm_up.step % config.log.checkpoint_every == 0):
                state.save(run)
            if stopping:
                if group.is_main_process:
                    text = f"step {warm_up.step} of the warm-up is saved; go on with --resume"
                    bar.write(text, file=sys.stderr)
                raise Interrupted(wish.signal_number)
    finally:
        bar.close()
    state.end_warm_up()


def loader(
    domains: list[Domain], config: RunConfig, group: Group, first: int, steps: int
) -> Iterator[list[Tensor]]:
    """This process's share of the batches of the steps from `first` on.

    Args:
        domains: the training images of both.
        config: the run's settings.
        group: the processes that share a batch.
        first: the first step, from 0.
        steps: the step before which it ends.

    Yields:
        Images of X1, of X2 and, with a guide, its rendering of those of X1; float[N,3,H,W].
    """
    batch, layout = config.optim.batch, memory_format(config.speed)
    pairs = Pairs(domains[0], domains[1], first * batch, max(0, steps - first) * batch)
    workers, device = config.data.workers, group.device
    for of_domain1, of_domain2 in batches(pairs, batch, workers, group.rank, group.size, device):
        x1, *guided = torch.split(of_domain1, 3, dim=1)
        yield [x.to(group.device, memory_format=layout, non_blocking=True) for x in (x1, of_domain2, *guided)]
