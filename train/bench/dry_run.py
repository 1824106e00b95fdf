"""What a run would take, without taking it: `unit-edge train --dry-run`.

The step runs on tensors that have a shape and no memory (torch's FakeTensorMode), so this costs the
same few seconds for any image size. FakeTensorMode, dispatch modes and pytrees are what PyTorch's
documentation tells to use for that, and have no names without an underscore; on the public `meta` device
there is no generator to draw a step's noise from.
"""

from __future__ import annotations

import dataclasses
import json
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from unit_edge.config import RunConfig
from unit_edge.train.data.dataset import domain_images
from unit_edge.train.discriminators.adversaries import Adversaries
from unit_edge.train.draw import Draw
from unit_edge.train.group import Group
from unit_edge.train.loop import Update
from unit_edge.train.networks import DOMAINS, UNIT
from unit_edge.train.optim.descent import Descent

_ADAM_MOMENTS = 2


@dataclass(frozen=True)
class Cost:
    """What the networks and a training step take.

    Attributes:
        parameters: trainable ones of each network; E1, E2, G1, G2 without the layers that are shared.
        translation_macs: of E and G for one image of the crop's size; 0 without encoders.
        discriminator_macs: of D1 for one image.
        step_macs: of a whole step with its backward passes.
        weights_mib: of all networks, frozen ones too.
        ema_mib: of the moving average.
        moments_mib: of Adam.
        work_mib: peak of everything else: gradients, kept activations and what operations return.
    """

    parameters: dict[str, int]
    translation_macs: int
    discriminator_macs: int
    step_macs: int
    weights_mib: float
    ema_mib: float
    moments_mib: float
    work_mib: float

    @property
    def memory_mib(self) -> float:
        """Memory of a training step at its peak, in MiB."""
        return self.weights_mib + self.ema_mib + self.moments_mib + self.work_mib


def describe(config: RunConfig, root: Path, cost: Cost | None = None) -> str:
    """The resolved settings, what the networks and a step take, and the images of each domain.

    Args:
        config: of the run.
        root: what the domains' paths are relative to.
        cost: of a step, if it is known already.

    Raises:
        DataError, ConfigError: as training would raise them for the images and the settings.
    """
    images = [
        (domain.name, *map(len, domain_images(domain, root, config.data)))
        for domain in (config.domain1, config.domain2)
    ]
    cost = cost or estimate(config)
    width, height = config.data.crop
    batch, cuts = config.optim.batch, config.speed.accumulate
    whole = sum(cost.parameters.values())
    lines = [*_as_toml(config), "", "# parameters"]
    lines += [f"{name:24} {count / 1e6:10.3f} M" for name, count in cost.parameters.items()]
    lines += [f"{'all':24} {whole / 1e6:10.3f} M", ""]
    lines += [f"{'E+G of one direction':24} {one_direction(cost.parameters) / 1e6:10.3f} M", ""]
    lines += [f"# multiply-accumulates of convolutions at {width}x{height}"]
    lines += [f"{'E+G, one image':24} {cost.translation_macs / 1e9:10.2f} G"] * bool(cost.translation_macs)
    lines += [f"{'D, one image':24} {cost.discriminator_macs / 1e9:10.2f} G"] * bool(cost.discriminator_macs)
    lines += [f"{f'step, batch {batch}':24} {cost.step_macs / 1e9:10.2f} G", ""]
    lines += [f"# memory of a step, one process, {batch // cuts} images a domain at once (estimate)"]
    for name, mib in (
        ("weights", cost.weights_mib),
        ("moving average", cost.ema_mib),
        ("Adam's moments", cost.moments_mib),
        ("gradients, activations", cost.work_mib),
        ("all", cost.memory_mib),
    ):
        lines.append(f"{name:24} {mib:10.1f} MiB")
    lines += [
        "left out: torch itself, scratch space of convolutions, the allocator's gaps, decoded images",
        "",
    ]
    lines.append("# images: training, held out")
    lines += [f"{name:24} {training:>7} {held_out:>6}" for name, training, held_out in images]
    return "\n".join(lines)


def one_direction(parameters: dict[str, int]) -> int:
    """Parameters of the E and G that translate from X1 to X2."""
    return sum(parameters.get(name, 0) for name in ("E1", "E shared", "G shared", "G2"))


def estimate(config: RunConfig) -> Cost:
    """Counts on tensors without memory. With feature discriminators, ImageNet weights are read."""
    with FakeTensorMode():
        unit, adversaries = UNIT(config.network), Adversaries(config)
        image = torch.empty(1, 3, config.data.crop[1], config.data.crop[0])
        translation = discriminator = 0
        if config.network.encoders:
            translation = _macs(lambda: unit.decode(unit.encode_one(image, 0), 1))
        if adversaries.discriminators:
            discriminator = _macs(lambda: adversaries.discriminators[0](image))
        weights = [*unit.parameters(), *adversaries.parameters(), *unit.buffers(), *adversaries.buffers()]
        trainable = [p for p in (*unit.parameters(), *adversaries.parameters()) if p.requires_grad]
        ema = [*unit.parameters()] if config.optim.ema else []
        step_macs, work = _fake_step(config, unit, adversaries)
    return Cost(
        parameters=count_parameters(unit, adversaries),
        translation_macs=translation,
        discriminator_macs=discriminator,
        step_macs=step_macs,
        weights_mib=_mib(weights),
        ema_mib=_mib(ema),
        moments_mib=_ADAM_MOMENTS * _mib(trainable),
        work_mib=work / 2**20,
    )


def count_parameters(unit: UNIT, adversaries: Adversaries) -> dict[str, int]:
    """Trainable parameters of each network that there is."""
    parts: dict[str, nn.Module] = {
        **{f"E{index + 1}": encoder for index, encoder in enumerate(unit.encoders)},
        "E shared": unit.encoder_shared,
        "G shared": unit.generator_shared,
        **{f"G{index + 1}": generator for index, generator in enumerate(unit.generators)},
        **{f"D{index + 1}": module for index, module in enumerate(adversaries.discriminators)},
        **{
            f"feature D{index + 1}": module for index, module in enumerate(adversaries.feature_discriminators)
        },
    }
    counts = {
        name: sum(p.numel() for p in module.parameters() if p.requires_grad) for name, module in parts.items()
    }
    return {name: count for name, count in counts.items() if count}


class _WithoutNumbers(Update):
    """A step up to its gradients: values that do not exist can't be checked or applied."""

    def _finish(self, descent: Descent) -> dict[str, float]:
        return {}

    def _draw(self, step: int, index: int, purpose: int) -> Draw:
        draw = super()._draw(step, index, purpose)
        return _WithoutIntegers((step,), draw.part, self.group.device)


class _WithoutIntegers(Draw):
    """Noise has a shape; integers would need values."""

    def integers(self, high: int) -> list[int]:
        return [0] * self.part.count


def _fake_step(config: RunConfig, unit: UNIT, adversaries: Adversaries) -> tuple[int, int]:
    """MACs of a step that has all terms, and the peak bytes that it makes besides weights and images.

    The second of two steps is the one that counts: the first finds no gradients of a step before it.
    """
    unit.checkpointing = config.speed.checkpointing
    optimisers = [
        torch.optim.SGD([p for p in module.parameters() if p.requires_grad])
        for module in (unit, adversaries)
        if any(p.requires_grad for p in module.parameters())
    ]
    head = None
    if config.loss.discriminator_input == "guided":
        from unit_edge.train.guided import GuidedHead

        head = GuidedHead(config.detail)
    group = Group(torch.device("cpu"))
    update = _WithoutNumbers(config, unit, adversaries, optimisers, group, head)
    width, height = config.data.crop
    guided = config.guide.name != "none"
    images = [torch.empty(config.optim.batch, 3, height, width) for _ in range(len(DOMAINS) + guided)]
    every = config.loss.vae_every
    whole = -(-config.loss.adversaries_from // every) * every
    with LiveBytes() as live:
        with _MacCounter() as counter:
            update(images, whole)
        update(images, whole + every)
    return counter.total, live.peak


class _MacCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts multiply-accumulates with torch's formulas of each operation.

    FlopCounterMode, which has them, hooks into modules and fails on a gradient of a gradient (R1).
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **kwargs or {})
        count = flop_registry.get(func._overloadpacket)
        if count:
            self.total += count(*args, **kwargs or {}, out_val=out) // 2
        return out


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors that operations inside make, while they live.

    Attributes:
        now: bytes alive.
        peak: the most that were alive at once.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **kwargs or {})
        given = {id(x.untyped_storage()) for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self._add(tensor.untyped_storage(), given)
        return out

    def _add(self, storage: Any, given: set[int]) -> None:
        """Counts a storage, unless it is one that the operation was given: a view, or in place."""
        if id(storage) in given or storage in self._seen:
            return
        self._seen.add(storage)
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self.now -= size


def _macs(run: Callable[[], object]) -> int:
    with torch.no_grad(), _MacCounter() as counter:
        run()
    return int(counter.total)


def _mib(tensors: Sequence[Tensor]) -> float:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors) / 2**20


def _as_toml(config: RunConfig) -> list[str]:
    """The settings as TOML; a setting that is unset is left out."""
    plain = {k: v for k, v in dataclasses.asdict(config).items() if not isinstance(v, dict)}
    tables = {k: v for k, v in dataclasses.asdict(config).items() if isinstance(v, dict)}
    lines = [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
    for name, table in tables.items():
        lines += ["", f"[{name}]"]
        lines += [
            f"{key} = {json.dumps(value, ensure_ascii=False)}"
            for key, value in table.items()
            if value is not None
        ]
    return lines
