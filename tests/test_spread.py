"""A few of many: the first and the last are among them, at equal distances."""

from __future__ import annotations

import numpy as np

from unit_edge.spread import first_of_parts, spread, spread_places


def test_places_are_those_of_a_line() -> None:
    for length in (1, 2, 5, 60, 1234):
        for count in (1, 2, 3, 6, 7, 60):
            line = np.linspace(0, length - 1, min(count, length)).round()
            assert spread_places(length, count) == line.tolist()
    assert spread("abcdefg", 3) == ["a", "d", "g"]


def test_parts_begin_with_the_first_item() -> None:
    assert first_of_parts(range(10), 5) == [0, 2, 4, 6, 8]
    assert first_of_parts(range(3), 9) == [0, 1, 2]
    assert first_of_parts([], 4) == []
