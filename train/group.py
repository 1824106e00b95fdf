"""The processes that train together, one a device; alone, all of this does nothing.

`torchrun` starts them and tells each its rank (https://docs.pytorch.org/docs/stable/elastic/run.html), or
Ray Train does, and has made the process group too.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from unit_edge.errors import ConfigError
from unit_edge.interrupt import Interrupted

PATIENCE = timedelta(hours=1)
"""How long the others wait for rank 0, which alone evaluates and writes."""


@dataclass(frozen=True)
class Group:
    """This process's place among all."""

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def is_main_process(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module, whose gradients are then means over all processes."""
        if self.size == 1:
            return module
        with warnings.catch_warnings():
            # torch renames broadcast_buffers; torch 2.6 knows no other name
            warnings.simplefilter("ignore", FutureWarning)
            return DistributedDataParallel(
                module,
                device_ids=[self.device] if self.device.type == "cuda" else None,
                broadcast_buffers=False,  # the spectral norms' vectors, which every process computes alike
            )

    def mean(self, values: Tensor) -> Tensor:
        """The mean of a small tensor over all processes."""
        if self.size > 1:
            dist.all_reduce(values)
            values = values / self.size
        return values

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in any process."""
        return flag if self.size == 1 else bool(self.mean(torch.tensor(float(flag), device=self.device)) > 0)

    def wait(self) -> None:
        """Returns when all processes have come here."""
        if self.size > 1:
            dist.barrier()


def no_sync(module: nn.Module, postpone: bool) -> AbstractContextManager[Any]:
    """Inside, gradients of a wrapped module stay in this process and add up."""
    if postpone and isinstance(module, DistributedDataParallel):
        return module.no_sync()
    return nullcontext()


@contextmanager
def join_group(device: str) -> Iterator[Group]:
    """Joins the processes that torchrun, or Ray Train, started, if one did.

    Args:
        device: "cpu", "cuda" or "auto".

    Raises:
        ConfigError: there is no such device.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    target = pick_device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if size == 1:
        yield Group(target)
        return
    if target.type == "cuda":
        torch.cuda.set_device(target)
    theirs = dist.is_initialized()  # as by Ray Train, whose it stays
    if not theirs:
        dist.init_process_group("nccl" if target.type == "cuda" else "gloo", timeout=PATIENCE)
    group = Group(target, dist.get_rank(), dist.get_world_size())
    try:
        # All leave together: torchrun stops the others as soon as one ends with an error, which a signal's
        # exit code is; and DistributedDataParallel leaks gloo's threads, which abort a process that ends
        # while they still let go of a tensor.
        try:
            yield group
        except Interrupted:  # which all processes raise at the same step
            group.wait()
            raise
        group.wait()
    finally:
        if not theirs:
            dist.destroy_process_group()


def pick_device(name: str, local_rank: int = 0) -> torch.device:
    """What "auto", "cpu" or "cuda" means on this machine.

    Raises:
        ConfigError: there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise ConfigError(f"device {name!r}, expected auto, cpu or cuda")
    if name == "cpu":
        if "OMP_NUM_THREADS" in os.environ:
            torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ConfigError(
            "device cuda: this torch sees no CUDA GPU; use --device cpu, or install a CUDA build"
        )
    count = torch.cuda.device_count()
    if local_rank >= count:
        raise ConfigError(f"{local_rank + 1} or more processes on a machine with {count} GPUs; one each")
    return torch.device("cuda", local_rank)
