"""The random numbers of training: of the right distribution, and whose they are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from tiny import CPU

from unit_edge.train.draw import BatchPart, Draw, mix

SHAPE = (10, 12, 12)
COUNT = 10 * 12 * 12


def draw(key: tuple[int, ...] = (0, 0, 0), batch: int = 4, first: int = 0, count: int | None = None) -> Draw:
    return Draw(key, BatchPart(batch, first, batch if count is None else count), CPU)


def codes(steps: int = 20) -> np.ndarray:
    """Noise of z1 and of z2 in several steps: float[steps,2,images,elements]."""
    rows = []
    for step in range(steps):
        numbers = draw((5, step, 0))
        rows.append([numbers.sample(torch.zeros(4, *SHAPE)).flatten(1).numpy() for _ in range(2)])
    return np.array(rows, dtype=np.float64)


def test_noise_is_standard_normal() -> None:
    """Moments, and shares beyond 1, 2 and 3, each within 4 standard errors."""
    z = np.sort(codes().ravel())
    n = len(z)
    assert abs(z.mean()) < 4 / n**0.5
    assert abs((z**2).mean() - 1) < 4 * (2 / n) ** 0.5
    assert abs((z**3).mean()) < 4 * (15 / n) ** 0.5
    assert abs((z**4).mean() - 3) < 4 * (96 / n) ** 0.5
    for bound, share in ((1, 0.3173105), (2, 0.0455003), (3, 0.0026998)):
        assert abs((abs(z) > bound).mean() - share) < 4 * (share / n) ** 0.5


def test_images_domains_and_steps_are_independent() -> None:
    rows = codes(steps=4).reshape(-1, COUNT)
    correlation = np.corrcoef(rows)
    assert len(rows) == 32
    assert abs(correlation - np.eye(len(rows))).max() < 5 / COUNT**0.5
    along = np.corrcoef(rows[:, :-1].ravel(), rows[:, 1:].ravel())[0, 1]
    assert abs(along) < 5 / rows.size**0.5


def test_a_code_is_its_mean_and_noise() -> None:
    mean = torch.full((4, *SHAPE), 3.0, requires_grad=True)
    z = draw().sample(mean)
    torch.testing.assert_close(z.detach() - 3, draw().noise(SHAPE))
    z.sum().backward()  # type: ignore[no-untyped-call]
    assert mean.grad is not None
    assert torch.equal(mean.grad, torch.ones_like(mean))


def test_an_image_has_the_same_numbers_however_the_batch_is_cut() -> None:
    def numbers(d: Draw) -> list[torch.Tensor]:
        return [d.noise((3, 2)), torch.tensor(d.integers(9)), d.noise((2, 1)), torch.tensor(d.integers(1000))]

    whole = numbers(draw())
    for count in (1, 2):
        parts = [numbers(draw(first=first, count=count)) for first in range(0, 4, count)]
        for index, expected in enumerate(whole):
            assert torch.equal(torch.cat([part[index] for part in parts]), expected)


def test_integers_are_uniform() -> None:
    drawn = np.array([draw((0, step, 0), batch=8).integers(5) for step in range(500)]).ravel()
    counts = np.bincount(drawn, minlength=5)
    assert len(counts) == 5
    assert counts == pytest.approx([800] * 5, abs=4 * (800 * 0.8) ** 0.5)


def test_no_two_purposes_share_a_seed() -> None:
    """Also of keys of different lengths: dropout's has one number less than the noise's."""
    keys = [key for length in (1, 2, 3, 4) for key in itertools.product(range(4), repeat=length)]
    assert len({mix(*key) for key in keys}) == len(keys)
