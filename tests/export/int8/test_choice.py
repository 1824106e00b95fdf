"""How many layers stay in float: as few as are enough."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import onnx
import pytest

from unit_edge.export.int8 import choice
from unit_edge.export.int8.quantise import Quantised, chosen, learned_nodes
from unit_edge.export.to_onnx import Exported

FRAMES: Any = SimpleNamespace(first=lambda count: None)
Choose = Callable[[Callable[[int], float]], Quantised]


@pytest.fixture
def layers(exported: Exported) -> list[str]:
    return list(chosen(learned_nodes(onnx.load(exported.model)), ()))


@pytest.fixture
def choose(exported: Exported, layers: list[str], monkeypatch: pytest.MonkeyPatch) -> Choose:
    """Chooses of layers that hurt less the later they come, by a PSNR of how many are in float."""
    monkeypatch.setattr(choice, "quantise", lambda content, layers, *_: "\n".join(layers).encode())

    def choose_by(psnr: Callable[[int], float]) -> Quantised:
        def measure(made: bytes) -> float:
            quantised = made.decode().split("\n")
            alone = len(quantised) == 1
            return float(layers.index(quantised[0])) if alone else psnr(len(layers) - len(quantised))

        return choice.quantise_what_can_be(exported.model.read_bytes(), FRAMES, "cpu", (), measure, 40.0)

    return choose_by


@pytest.mark.parametrize("needed", range(9))
def test_the_fewest_layers_that_are_enough_stay_in_float(
    choose: Choose, layers: list[str], needed: int
) -> None:
    assert len(layers) >= 16
    made = choose(lambda left: 40.0 if left >= needed else 30.0 + left)
    assert made.left == tuple(layers[:needed])
    assert made.content.decode().split("\n") == layers[needed:]


def test_where_none_is_enough_the_closest_is_made(choose: Choose) -> None:
    assert len(choose(lambda left: 30.0 - abs(left - 2)).left) == 2
