"""fit(): the training loop, from settings to a run folder. Read it top to bottom."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from unit_edge.config import RunConfig
from unit_edge.errors import ConfigError, DataError, TrainingError
from unit_edge.interrupt import Interrupted, StopWish, watch_signals
from unit_edge.train import checkpoint
from unit_edge.train.data.dataset import Domain, Pairs, batches, domain_images
from unit_edge.train.draw import Draw, Part, mix
from unit_edge.train.evaluation import samples
from unit_edge.train.evaluation.evaluate import read_images, spread, translation_scores
from unit_edge.train.evaluation.translate_image import ImageTranslator, short_side
from unit_edge.train.group import Group, join_group
from unit_edge.train.guides import open_guide
from unit_edge.train.run_log import RunLog
from unit_edge.train.speed import memory_format
from unit_edge.train.state import TrainingState, fall, refuse_other_run
from unit_edge.train.update import WARM_UP
from unit_edge.train.warm_up import Autoencoder, copy_halves

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
    if not group.leads:
        group.wait()  # rank 0 fills the cache of videos' frames
    domains, held_out = load_domains(config, root)
    if group.leads:
        group.wait()
    state = TrainingState(config, group)
    begun = resume and bool(checkpoint.checkpoints(run))
    if begun:
        state.restore(run)
    group.wait()
    if group.leads:
        checkpoint.save_config(run, config)
        checkpoint.remove_leftovers(run)
        (run / "samples").mkdir(exist_ok=True)
    if not begun:
        _warm_up(state, domains, group, wish)
    viewer = Viewer(state, held_out, run) if group.leads else None

    optim, log_config = config.optim, config.log
    loader = _loader(domains, config, group, state.step, optim.steps)
    bar = _bar(group, total=optim.steps, initial=state.step)
    log = RunLog(run, state.step, log_config.tensorboard) if group.leads else None
    unsaved = False
    if group.leads and state.step >= optim.steps:
        bar.write(checkpoint.finished(run, state.step), file=sys.stderr)
    try:
        for images in loader:
            terms = state.advance(images)
            bar.update()
            last = state.step == optim.steps
            stopping = group.any(bool(wish))
            due = {n: last or state.step % e == 0 for n, e in _intervals(config).items()}
            if log and viewer:
                for fault in state.update.faults:
                    log.note(state.step, f"{fault}; the update was skipped")
                    bar.write(f"step {state.step}: {fault}; the update was skipped", file=sys.stderr)
                if due["print"]:
                    log.scalars(state.step, terms, "loss")
                    bar.set_postfix(_summary(terms, bar, optim.batch), refresh=False)
                if due["sample"]:
                    viewer.show(log)
                best = due["evaluate"] and viewer.score(log, bar)
                unsaved = due["checkpoint"] or best or stopping or unsaved
                # after a fault the weights may be on their way out, so the last good checkpoint stays
                if unsaved and not state.update.faults:
                    state.save(run)
                    unsaved = False
            if (last or stopping) and state.update.faults:
                raise TrainingError(
                    f"step {state.step}: {state.update.faults[0]}, so the last steps are not saved; "
                    f"{checkpoint.how_to_go_on(run)}"
                )
            if stopping:
                raise Interrupted(wish.signal_number)
        if viewer:
            viewer.contact_sheet()
    except Interrupted:
        if group.leads:
            bar.write(f"step {state.step} is saved; go on with --resume", file=sys.stderr)
        raise
    finally:
        bar.close()
        if log:
            log.close()


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


class Viewer:
    """What rank 0 shows of a run: sample grids, scores, the contact sheet."""

    def __init__(self, state: TrainingState, held_out: list[list[NDArray[np.uint8]]], run: Path) -> None:
        config = state.config
        self.state, self.held_out, self.run = state, held_out, run
        self.names = [config.domain1.name, config.domain2.name]
        self.side = short_side(config)
        device = state.update.group.device
        self.shown = [[x.to(device) for x in samples.pick(images, self.side)] for images in held_out]
        self.scores = translation_scores(held_out) if config.log.evaluate_every else []

    def show(self, log: RunLog) -> None:
        """Writes a grid of all streams, and histograms of the codes."""
        step, unit = self.state.step, self.state.average.eval()
        grid = samples.grid(unit, self.shown)
        samples.write_png(self.run / "samples" / f"{step:07d}.png", grid)
        log.picture(step, grid)
        log.codes(step, samples.codes(unit, self.shown))
        self.state.unit.train()

    def score(self, log: RunLog, bar: Any) -> bool:
        """Scores translations of held-out images; whether they are the best so far, which is then kept."""
        if not self.scores:
            return False
        step = self.state.step
        results: dict[str, float] = {}
        for domain, score in enumerate(self.scores):
            values = score(self._translator(domain))
            results |= {f"{self.names[domain]}_{self.names[1 - domain]}_{k}": v for k, v in values.items()}
        self.state.unit.train()
        log.scalars(step, results, "score")
        bar.write(f"step {step}: " + ", ".join(f"{k} {v:.3f}" for k, v in results.items()))
        ratios = [value for name, value in results.items() if name.endswith("kernel_distance_ratio")]
        mean = float(np.mean(ratios))
        if self.state.best is not None and mean >= self.state.best[0]:
            return False
        self.state.best = mean, step
        checkpoint.save_weights(self.run, self.state.average, step, checkpoint.BEST)
        return True

    def contact_sheet(self) -> None:
        """Writes RUN/contact-sheet.png: held-out images of both domains and their translations."""
        if not self.state.config.network.encoders:
            return
        pairs = [[(x, self._translator(d)(x)) for x in spread(self.held_out[d], 6)] for d in (0, 1)]
        samples.write_contact_sheet(self.run / "contact-sheet.png", pairs, self.names)
        self.state.unit.train()

    def _translator(self, domain: int) -> ImageTranslator:
        device = self.state.update.group.device
        return ImageTranslator(self.state.average.eval(), domain, self.side, self.state.head, device)


def _warm_up(state: TrainingState, domains: list[Domain], group: Group, wish: StopWish) -> None:
    """A run that ends in here starts its warm-up again: it is short, and gives the same."""
    config, optim = state.config, state.config.optim
    if not optim.warmup_steps:
        return
    model = group.wrap(Autoencoder(state.unit, config))
    optimiser = torch.optim.Adam(model.parameters(), optim.warmup_lr)
    count = optim.batch // group.size
    part = Part(optim.batch, group.rank * count, count)
    loader = _loader(domains, config, group, 0, optim.warmup_steps)
    torch.manual_seed(mix(optim.seed, WARM_UP, group.rank))  # for dropout
    for step, images in enumerate(bar := _bar(group, loader, total=optim.warmup_steps, desc="warm-up")):
        optimiser.param_groups[0]["lr"] = optim.warmup_lr * fall(step, optim.warmup_steps, 0.5)
        draws = [Draw((optim.seed, step, WARM_UP + domain), part, group.device) for domain in (0, 1)]
        optimiser.zero_grad(set_to_none=True)
        loss = torch.stack(list(model(images[:2], draws).values())).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % config.log.print_every == 0:
            value = float(group.mean(loss.detach()))
            if not math.isfinite(value):
                raise TrainingError(
                    f"warm-up step {step + 1}: the loss is {value}; lower optim.warmup_lr and start anew"
                )
            bar.set_postfix({"loss": f"{value:.2f}"}, refresh=False)
        if group.any(bool(wish)):
            raise Interrupted(wish.signal_number)
    copy_halves(state.unit)
    state.restart_average()


def _loader(
    domains: list[Domain], config: RunConfig, group: Group, first: int, steps: int
) -> Iterator[list[Tensor]]:
    """This process's share of the batches of the steps from `first` on.

    Yields:
        Images of X1, of X2 and, with a guide, its rendering of those of X1; float[N,3,H,W].
    """
    batch, layout = config.optim.batch, memory_format(config.speed)
    pairs = Pairs(domains[0], domains[1], first * batch, max(0, steps - first) * batch)
    for of_domain1, of_domain2 in batches(pairs, batch, config.data.workers, group.rank, group.size):
        x1, *guided = torch.split(of_domain1, 3, dim=1)
        yield [x.to(group.device, memory_format=layout, non_blocking=True) for x in (x1, of_domain2, *guided)]


def _intervals(config: RunConfig) -> dict[str, float]:
    log = config.log
    return {
        "print": log.print_every,
        "sample": log.sample_every,
        "evaluate": log.evaluate_every or float("inf"),
        "checkpoint": log.checkpoint_every,
    }


def _bar(group: Group, *arguments: Any, **options: Any) -> Any:
    interval = 1.0 if sys.stderr.isatty() else 30.0
    return tqdm(
        *arguments,
        unit="step",
        dynamic_ncols=True,
        mininterval=interval,
        disable=not group.leads,
        **options,
    )


def _summary(terms: dict[str, float], bar: Any, batch: int) -> dict[str, str]:
    shown = {
        name: f"{value:.2f}"
        for name, value in terms.items()
        if name.startswith(("reconstruction", "cycle1", "cycle2", "gan", "critic", "guide"))
        and "_d" not in name
    }
    rate = bar.format_dict["rate"]
    return {"images/s": f"{2 * batch * rate:.1f}", **shown} if rate else shown
