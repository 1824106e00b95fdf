"""Two tiny domains of images, and settings that train on them within a second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import TINY
from tiny_training import write_dark_and_bright

from unit_edge.config import DataConfig, DomainConfig, LogConfig, OptimConfig, RunConfig


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Small tensors gain nothing from threads, and lose much on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A data root with the folders dark and bright, six images of 48x40 each."""
    write_dark_and_bright(tmp_path, 6)
    return tmp_path


@pytest.fixture
def config() -> RunConfig:
    return RunConfig(
        domain1=DomainConfig(name="dark", paths=("dark",)),
        domain2=DomainConfig(name="bright", paths=("bright",)),
        network=replace(TINY, negative_slope=0.2, init="kaiming-half"),
        data=DataConfig(short_side=(34, 40), crop=(32, 32), stretch=1.2, validation=0.2),
        optim=OptimConfig(steps=6, batch=2, lr=1e-3, ema=0.9, warmup_steps=3, decay_from=0.5),
        log=LogConfig(print_every=1, sample_every=3, checkpoint_every=3),
    )
