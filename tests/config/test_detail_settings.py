"""The head's settings: what older manifests lack, and what can not be."""

from __future__ import annotations

import pytest

from unit_edge.config import Detail
from unit_edge.errors import ConfigError


def test_manifests_of_before_change_nothing_that_they_lack() -> None:
    before = {"radius": 8, "epsilon": 1e-4, "residual": 0.5}
    assert Detail.of(before) == Detail(8, 1e-4, 0.5, residual_colour=1.0, highlights=0.0, saturation=1.0)
    assert Detail.of(before).brightness == Detail.of(before).contrast == 1.0
    assert Detail.of({**before, "stray_colour": 0.05}).stray_colour == 0.05
    assert Detail.of(before).magenta == 1.0 and Detail.of({**before, "magenta": 0.2}).magenta == 0.2
    assert Detail.of(before).hue == 1.0 and Detail.of({**before, "hue": 0.1}).hue == 0.1
    assert Detail.of(before).coolness == 0 and Detail.of({**before, "coolness": -0.1}).coolness == -0.1
    assert Detail.of(before).margin == 0 and Detail.of({**before, "margin": 8}).margin == 8
    factors = "highlights", "saturation", "brightness", "contrast", "sharpness", "gain_limit"
    for name in (*factors, "red_lights", "green_lights"):
        assert getattr(Detail.of({**before, name: 3.0}), name) == 3.0
    damaged_ones = [("highlights", -1.0), ("highlights", 65.0), ("saturation", float("nan"))]
    for name, damaged in [
        *damaged_ones,
        ("brightness", 4.1),
        ("contrast", -0.1),
        ("coolness", -0.6),
        ("stray_colour", 1.1),
        ("magenta", -0.1),
        ("gain_limit", 65.0),
        ("red_lights", -0.5),
        ("green_lights", 65.0),
        ("hue", 1.5),
        ("sharpness", 8.5),
        ("margin", 6),
        ("margin", 68),
    ]:
        with pytest.raises(ConfigError, match=rf"detail\.{name}"):
            Detail.of({**before, name: damaged})
    assert Detail.of({**before, "residual_colour": 0.3}).residual_colour == 0.3
    with pytest.raises(ConfigError, match=r"detail\.margin = 4\.0, expected a multiple of 4"):
        Detail(margin=4.0)  # type: ignore[arg-type]
    for damaged in (1.5, -0.1, float("nan")):
        with pytest.raises(ConfigError, match=r"detail\.residual_colour"):
            Detail.of({**before, "residual_colour": damaged})


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"radius": 0}, "radius"), ({"epsilon": 0.0}, "epsilon"), ({"residual": 1.5}, "residual")],
    ids=str,
)
def test_impossible_settings_are_refused(settings: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        Detail(**settings)  # type: ignore[arg-type]
