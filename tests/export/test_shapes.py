"""Sizes: what is filled in, what is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from unit_edge.config import Detail, RunConfig
from unit_edge.errors import ConfigError
from unit_edge.export.shapes import export_shapes


@pytest.fixture
def config(config_of: Callable[[str], RunConfig]) -> RunConfig:
    config = config_of("edge-s")
    return dataclasses.replace(
        config, data=dataclasses.replace(config.data, short_side=(136, 168), crop=(128, 128))
    )


def test_guided_takes_any_frame_at_the_size_of_the_training(config: RunConfig) -> None:
    shapes = export_shapes(config, "guided", None, None)
    assert (shapes.short_side, shapes.frame_size, shapes.network_size) == (152, None, None)
    assert shapes.detail == Detail()


def test_a_runs_own_radius_wins(config: RunConfig) -> None:
    shapes = export_shapes(dataclasses.replace(config, detail=Detail(radius=9)), "guided", None, None)
    assert shapes.detail == Detail(radius=9)
    shapes = export_shapes(config, "guided", None, None, head={"residual": 0.75, "highlights": None})
    assert shapes.detail == Detail(residual=0.75)


def test_guided_with_fixed_frames_knows_the_networks_size(config: RunConfig) -> None:
    shapes = export_shapes(config, "guided", (1280, 720), 144)
    assert (shapes.short_side, shapes.frame_size, shapes.network_size) == (144, (1280, 720), (256, 144))


@pytest.mark.parametrize(
    ("crop", "network_size", "expected"),
    [((128, 128), None, (272, 152)), ((128, 96), None, (204, 152)), ((128, 128), 144, (256, 144))],
    ids=str,
)
def test_without_the_head_frames_have_the_size_of_the_training(
    config: RunConfig, crop: tuple[int, int], network_size: int | None, expected: tuple[int, int]
) -> None:
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, crop=crop))
    shapes = export_shapes(config, "none", None, network_size)
    assert (shapes.detail, shapes.frame_size, shapes.network_size) == (None, expected, expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sharp", None, None), "guided, none"),
        (("guided", (16, 720), None), "32 to 8192"),
        (("guided", (1280, 9000), None), "32 to 8192"),
        (("guided", None, 150), "148 or 152"),
        (("guided", None, 4), "32 to 8192"),
        (("none", (640, 470), None), "468 or 472"),
        (("none", (640, 480), 152), "leave one of the two out"),
        (("none", None, None, {"residual": None, "magenta": 0.0}), "no head for magenta; leave one"),
    ],
    ids=str,
)
def test_what_can_not_be_is_refused(config: RunConfig, arguments: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        export_shapes(config, *arguments)
