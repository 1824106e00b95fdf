"""The translator against the networks used plainly: RGB, [-1, 1], channels first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from unit_edge.config import Detail
from unit_edge.export.scenes import synthetic_scene
from unit_edge.export.translator import Shrink, Translator, small_size
from unit_edge.train.networks import UNIT

PRESETS = ("edge-s", "edge-s/half-size", "paper", "released")
GUIDED = Detail(), 32


def plainly(unit: UNIT, frame: NDArray[np.uint8], source: int) -> NDArray[np.float64]:
    """The mean of q(z|x), decoded; float[H,W,3], BGR, in 8-bit levels before rounding."""
    rgb = frame[:, :, ::-1].astype(np.float32) / 127.5 - 1
    x = torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1))[None])
    with torch.inference_mode():
        z = unit.encode(x, x)[source]
        y = unit.decode(z, 1 - source)[0].permute(1, 2, 0).double().numpy()
    return (y[:, :, ::-1] + 1) * 127.5


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("source", [0, 1])
def test_is_the_decoded_mean_with_the_channels_swapped(
    unit_of: Callable[[str], UNIT], preset: str, source: int
) -> None:
    unit, frame = unit_of(preset), synthetic_scene(64, 48, 1.0, 3)
    given = Translator(unit, source, None)(torch.from_numpy(frame[None]))[0].numpy()
    expected = plainly(unit, frame, source)
    assert given.dtype == np.uint8
    assert np.abs(given - expected).max() < 0.51
    # the networks do tell the channels apart, so a swap left out would show
    assert np.abs(given - plainly(unit, frame[:, :, ::-1], source)[:, :, ::-1]).max() > 5


@pytest.mark.parametrize("guided", [None, GUIDED], ids=["none", "guided"])
def test_draws_no_noise_and_drops_nothing(
    unit_of: Callable[[str], UNIT], guided: tuple[Detail, int] | None
) -> None:
    translator = Translator(unit_of("released"), 0, guided)
    frame = torch.from_numpy(synthetic_scene(64, 48, 1.0, 0)[None])
    first = translator(frame)
    assert not any(isinstance(layer, nn.Dropout) for layer in translator.modules())
    assert torch.equal(first, translator(frame))
    assert torch.equal(first, translator.train()(frame))


def test_leaves_the_trained_networks_as_they_were(unit_of: Callable[[str], UNIT]) -> None:
    unit = unit_of("paper").train()
    before = {name: value.clone() for name, value in unit.state_dict().items()}
    Translator(unit, 0, GUIDED)
    assert unit.training and all(value.requires_grad for value in unit.parameters())
    assert all(torch.equal(value, before[name]) for name, value in unit.state_dict().items())


@pytest.mark.parametrize("size", [(32, 32), (32, 320), (320, 32), (75, 131), (180, 320)], ids=str)
def test_takes_frames_of_any_size(unit_of: Callable[[str], UNIT], size: tuple[int, int]) -> None:
    frame = torch.randint(0, 256, (2, *size, 3), dtype=torch.uint8)
    out = Translator(unit_of("edge-s"), 0, GUIDED)(frame)
    assert out.shape == frame.shape and out.dtype == torch.uint8


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ((720, 1280), (152, 272)),
        ((1280, 720), (272, 152)),
        ((480, 640), (152, 204)),
        ((272, 640), (152, 356)),
        ((32, 32), (152, 152)),
    ],
)
def test_the_network_sees_the_frames_aspect_ratio(frame: tuple[int, int], expected: tuple[int, int]) -> None:
    assert small_size(*frame, 152) == expected


def test_shrinking_by_four_is_the_mean_of_each_block() -> None:
    frame = np.random.default_rng(0).uniform(0, 255, (128, 192, 3))
    x = torch.from_numpy(frame.transpose(2, 0, 1)[None]).float()
    given = Shrink(32)(x)[0].permute(1, 2, 0).numpy()
    expected = frame.reshape(32, 4, 48, 4, 3).mean((1, 3)) / 127.5 - 1
    assert np.abs(given - expected).max() < 1e-5


def test_shrinking_does_not_turn_fine_lines_into_patterns() -> None:
    lines = np.zeros((480, 640, 3))
    lines[:, ::3] = 255  # too fine for 152 rows of pixels: grey is right
    x = torch.from_numpy(lines.transpose(2, 0, 1)[None]).float()
    given = Shrink(152)(x).numpy()
    assert abs(given.mean() - (255 / 3 / 127.5 - 1)) < 0.01
    assert given[..., 2:-2].std() < 0.06  # without oversampling 0.67
