"""fit(): the training loop, from settings to a run folder. Read it top to bottom."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from unit_edge.config import RunConfig
from unit_edge.errors import CheckpointError, ConfigError, DataError, TrainingError
from unit_edge.train import checkpoint, samples
from unit_edge.train.data import Domain, Pairs, batches, domain_images, to_image, to_tensor, whole
from unit_edge.train.evaluate import TranslationScore, read_images
from unit_edge.train.guided import GuidedHead
from unit_edge.train.networks import DOMAINS, UNIT
from unit_edge.train.step import Adversaries, update, warm_up

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
        TrainingError: a loss became NaN or Inf.
    """
    target = _device(device)
    names = [config.domain1.name, config.domain2.name]
    if resume:
        earlier = checkpoint.load_run_config(run)
        if earlier.network != config.network:
            raise CheckpointError(
                f"{run}: was trained with other network settings; train into another folder"
            )
        if [earlier.domain1.name, earlier.domain2.name] != names:
            raise CheckpointError(
                f"{run}: was trained on {earlier.domain1.name} and {earlier.domain2.name}, in this order, "
                f"not on {' and '.join(names)}; train into another folder"
            )
    if not resume and (run / "config.json").exists():
        raise CheckpointError(
            f"{run}: there is a run already; add --resume to continue it, or give another --run"
        )

    # data
    files = [domain_images(d, data_root, config.data.validation) for d in (config.domain1, config.domain2)]
    seed = config.optim.seed
    domains = [
        Domain(name, training, config.data, seed + index)
        for index, (name, (training, _)) in enumerate(zip(names, files, strict=True))
    ]
    for name, (training, _) in zip(names, files, strict=True):
        if not training:
            raise DataError(f"domain {name}: no images left to train on; lower data.validation")
    for domain in domains:
        domain[0]  # if no image is usable, this raises before anything is written
    held_out = [
        read_images(_spread(validation)) or read_images(_spread(training)) for training, validation in files
    ]
    for name, pictures in zip(names, held_out, strict=True):
        few = 2 if config.log.evaluate_every else 1
        if len(pictures) < few:
            raise DataError(f"domain {name}: {few} or more held-out images are needed; raise data.validation")
    side = round(sum(config.data.short_side) / 2)
    shown = [[x.to(target) for x in samples.pick(images, side)] for images in held_out]

    # networks and optimisers
    torch.manual_seed(seed)
    unit = UNIT(config.network).to(target)
    adversaries = Adversaries(config).to(target)
    for module in (unit, adversaries):
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(unit).eval().requires_grad_(False) if config.optim.ema else unit
    head = GuidedHead(config.detail).to(target) if config.loss.judged == "guided" else None
    optim = config.optim
    optimiser_g = torch.optim.Adam(unit.parameters(), optim.lr, optim.betas)
    optimiser_d = torch.optim.Adam(
        [p for p in adversaries.parameters() if p.requires_grad],
        optim.lr_discriminator or optim.lr,
        optim.betas,
    )
    rates = [optimiser.param_groups[0]["lr"] for optimiser in (optimiser_g, optimiser_d)]

    # where the run begins
    step = 0
    rng: dict[str, Tensor] = {}
    if resume:
        step, rng = _restore(run, unit, average, adversaries, optimiser_g, optimiser_d)
        checkpoint.save_config(run, config)
    else:
        checkpoint.save_config(run, config)
        (run / "samples").mkdir(exist_ok=True)
        _warm_up(unit, domains, config, target)
        average.load_state_dict(unit.state_dict())
    score = _scores(held_out) if config.log.evaluate_every else None

    # steps
    pairs = Pairs(domains[0], domains[1], step * optim.batch, max(0, optim.steps - step) * optim.batch)
    loader = batches(pairs, optim.batch, config.data.workers)
    _restore_rng(rng)  # last, as making networks draws from it
    bar = tqdm(total=optim.steps, initial=step, unit="step", dynamic_ncols=True, mininterval=1.0)
    with bar, (run / "log.jsonl").open("a", encoding="utf-8") as log:
        for batch in loader:
            rate = _decay(step, optim.steps, optim.decay_from)
            for optimiser, full in zip((optimiser_g, optimiser_d), rates, strict=True):
                optimiser.param_groups[0]["lr"] = full * rate
            images = [x.to(target, memory_format=torch.channels_last, non_blocking=True) for x in batch]
            terms = update(unit, adversaries, optimiser_g, optimiser_d, images, config.loss, head)
            step += 1
            if optim.ema:
                _follow(average, unit, min(optim.ema, step / (step + 10)))
            bar.update()

            last = step == optim.steps
            if step % config.log.print_every == 0 or last:
                values = _finite(terms, step)
                bar.set_postfix(_summary(values), refresh=False)
                print(json.dumps({"step": step, **values}), file=log, flush=True)
            if step % config.log.sample_every == 0 or last:
                samples.write_grid(run / "samples" / f"{step:07d}.png", average.eval(), shown)
                unit.train()
            if score and (step % config.log.evaluate_every == 0 or last):
                result = _evaluate(average.eval(), score, side, target, names, head)
                unit.train()
                print(json.dumps({"step": step, **result}), file=log, flush=True)
                bar.write(f"step {step}: " + ", ".join(f"{k} {v:.3f}" for k, v in result.items()))
            if step % config.log.checkpoint_every == 0 or last:
                _finite(terms, step)
                _save(run, step, unit, average, adversaries, optimiser_g, optimiser_d)


def _warm_up(unit: UNIT, domains: list[Domain], config: RunConfig, device: torch.device) -> None:
    steps = config.optim.warmup_steps
    if not steps:
        return
    parameters = [p for module in (unit.encoder(0), unit.generator(0)) for p in module.parameters()]
    optimiser = torch.optim.Adam(parameters, config.optim.warmup_lr)
    pairs = Pairs(domains[0], domains[1], 0, steps * config.optim.batch)
    bar = tqdm(
        batches(pairs, config.optim.batch, config.data.workers), total=steps, desc="warm-up", unit="step"
    )
    for step, batch in enumerate(bar):
        optimiser.param_groups[0]["lr"] = config.optim.warmup_lr * _decay(step, steps, 0.5)
        images = [x.to(device, memory_format=torch.channels_last) for x in batch]
        terms = warm_up(unit, optimiser, images, config.loss)
        if step % config.log.print_every == 0:
            bar.set_postfix(_summary(_finite(terms, step)), refresh=False)
    for private in (unit.encoders, unit.generators):
        private[1].load_state_dict(private[0].state_dict())


def _save(
    run: Path,
    step: int,
    unit: UNIT,
    average: UNIT,
    adversaries: Adversaries,
    optimiser_g: torch.optim.Optimizer,
    optimiser_d: torch.optim.Optimizer,
) -> None:
    averages = {} if average is unit else average.state_dict()
    tensors = {
        **{f"unit.{name}": value for name, value in unit.state_dict().items()},
        **{f"average.{name}": value for name, value in averages.items()},
        **{
            f"adversaries.{name}": value
            for name, value in adversaries.state_dict().items()
            if not name.startswith("projection.features.")
        },
        **checkpoint.flatten_optimiser("optimiser_g", optimiser_g),
        **checkpoint.flatten_optimiser("optimiser_d", optimiser_d),
        "rng": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        tensors["rng_cuda"] = torch.cuda.get_rng_state()
    checkpoint.save_checkpoint(run, step, tensors, {})
    checkpoint.save_weights(run, average, step)


def _restore(
    run: Path,
    unit: UNIT,
    average: UNIT,
    adversaries: Adversaries,
    optimiser_g: torch.optim.Optimizer,
    optimiser_d: torch.optim.Optimizer,
) -> tuple[int, dict[str, Tensor]]:
    """Loads the newest checkpoint; returns its step and the states of the random number generators."""
    tensors, state = checkpoint.load_checkpoint(run)

    def part(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    try:
        unit.load_state_dict(part("unit."))
        if average is not unit:
            average.load_state_dict(part("average.") or part("unit."))
        frozen = {k: v for k, v in adversaries.state_dict().items() if k.startswith("projection.features.")}
        adversaries.load_state_dict({**part("adversaries."), **frozen})
        checkpoint.restore_optimiser("optimiser_g", optimiser_g, tensors)
        checkpoint.restore_optimiser("optimiser_d", optimiser_d, tensors)
        rng = {"rng": tensors["rng"], **{k: v for k, v in tensors.items() if k == "rng_cuda"}}
        return int(state["step"]), rng
    except (RuntimeError, KeyError, TypeError, ValueError):
        raise CheckpointError(
            f"{run}: its newest checkpoint is of other networks or losses than the settings; "
            "resume with the settings that it was trained with"
        ) from None


def _restore_rng(states: dict[str, Tensor]) -> None:
    if "rng" in states:
        torch.set_rng_state(states["rng"])
    if "rng_cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["rng_cuda"])


def _scores(held_out: list[list[NDArray[np.uint8]]]) -> list[TranslationScore]:
    return [TranslationScore(held_out[domain], held_out[1 - domain]) for domain in DOMAINS]


def _evaluate(
    unit: UNIT,
    scores: list[TranslationScore],
    side: int,
    device: torch.device,
    names: list[str],
    head: GuidedHead | None,
) -> dict[str, float]:
    results = {}
    for domain, score in enumerate(scores):

        @torch.inference_mode()
        def translate(image: NDArray[np.uint8], domain: int = domain) -> NDArray[np.uint8]:
            x = to_tensor(whole(image, side))[None].to(device)
            y = unit.decode(unit.encoder(domain)(x), 1 - domain)
            if head is not None:
                frame = torch.from_numpy(image[:, :, ::-1].transpose(2, 0, 1).copy())[None].to(device)
                return to_image(head(frame.float(), x, y)[0] / 127.5 - 1)
            out = to_image(y[0])
            size = image.shape[1], image.shape[0]
            return _resize(out, size)

        for name, value in score(translate).items():
            results[f"{names[domain]}_{names[1 - domain]}_{name}"] = value
    return results


def _resize(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    import cv2

    return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def _spread(paths: list[Path]) -> list[Path]:
    places = np.linspace(0, len(paths) - 1, min(EVALUATION_IMAGES, len(paths))).round().astype(int)
    return [paths[place] for place in places]


@torch.no_grad()
def _follow(average: UNIT, unit: UNIT, decay: float) -> None:
    torch._foreach_lerp_(list(average.parameters()), list(unit.parameters()), 1 - decay)


def _decay(step: int, steps: int, start: float) -> float:
    begin = start * steps
    return 1.0 if step < begin or begin >= steps else (steps - step) / (steps - begin)


def _finite(terms: dict[str, Tensor], step: int) -> dict[str, float]:
    values = {name: float(value) for name, value in terms.items()}
    for name, value in values.items():
        if not np.isfinite(value):
            raise TrainingError(
                f"step {step}: {name} is {value}; the last checkpoint is intact, lower optim.lr and --resume"
            )
    return values


def _summary(values: dict[str, float]) -> dict[str, Any]:
    return {
        name: f"{value:.2f}" for name, value in values.items() if name.startswith(("recon", "gan", "critic"))
    }


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise ConfigError(f"device {name!r}, expected auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "device cuda: this torch sees no CUDA GPU; use --device cpu, or install a CUDA build"
        )
    if name == "cpu" and "OMP_NUM_THREADS" in os.environ:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    return torch.device(name)
