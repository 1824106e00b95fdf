"""Dataclasses out of JSON and TOML: what fits is taken as it is, what does not is one line that names it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest

from unit_edge.errors import ConfigError
from unit_edge.files.typed import Within, build

Side = Annotated[int, Within(1, 9)]


@dataclass(frozen=True)
class Inner:
    size: tuple[Side, Side]
    share: float = 0.5


@dataclass(frozen=True)
class Outer:
    name: Annotated[str, Within(1, 4)]
    inner: Inner
    kind: Literal["a", "b"] = "a"
    many: Annotated[tuple[Inner, ...], Within(0, 2)] = ()
    sides: tuple[Side | None, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    named: dict[str, float] = field(default_factory=dict)
    anything: dict[str, Any] = field(default_factory=dict)
    other: Inner | None = None


WHOLE = {
    "name": "n",
    "inner": {"size": [1, 9], "share": 1},
    "kind": "b",
    "many": [{"size": [2, 3]}],
    "sides": [None, 4],
    "pairs": [[1, 2], [3, 4]],
    "named": {"x": 2},
    "anything": {"x": [None, {"y": "z"}]},
    "other": None,
}


def test_what_fits_is_taken_as_it_is() -> None:
    built = build(Outer, WHOLE)
    assert built == Outer(
        name="n",
        inner=Inner((1, 9), 1.0),
        kind="b",
        many=(Inner((2, 3)),),
        sides=(None, 4),
        pairs=((1, 2), (3, 4)),
        named={"x": 2.0},
        anything={"x": [None, {"y": "z"}]},
        other=None,
    )
    assert type(built.inner.share) is float and type(built.named["x"]) is float


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"nam": "n"}, "unknown key nam; did you mean name?"),
        ({"q" * 10**6: 1}, "unknown key q"),
        ({"name": 3}, "name = 3, expected a value of type str"),
        ({"name": "n" * 10**6}, "expected 1 to 4 characters"),
        ({"name": ""}, "expected 1 to 4 characters"),
        ({"kind": "c"}, "kind = 'c', expected one of a, b"),
        ({"inner": 3}, "inner = 3, expected a table"),
        ({"inner": {}}, "inner.size is missing"),
        ({"inner": {"size": [0, 1]}}, "inner.size = 0, expected 1 to 9"),
        ({"inner": {"size": [1]}}, r"inner.size = \[1\], expected a list of 2 int values"),
        ({"inner": {"size": [True, 1]}}, "inner.size = True, expected a value of type int"),
        ({"inner": {"size": [1, 2], "share": "x"}}, "inner.share = 'x', expected a value of type float"),
        ({"inner": {"size": [1, 2], "share": float("nan")}}, "inner.share = nan, expected a finite number"),
        ({"many": [{"size": [1, 1]}] * 3}, "expected 0 to 2 entries"),
        ({"many": {}}, "many = {}, expected a list of some Inner values"),
        ({"sides": [10]}, "sides = 10, expected 1 to 9"),
        ({"pairs": [3]}, "pairs = 3, expected a list of 2 int values"),
        ({"pairs": 3}, "pairs = 3, expected a list of some list values"),
        ({"named": []}, r"named = \[\], expected a table"),
        ({"named": {"x": "y"}}, "named.x = 'y', expected a value of type float"),
        ({"other": {"size": [1, 1], "sha": 1}}, "unknown key other.sha"),
    ],
)
def test_what_does_not_fit_is_one_line_that_names_it(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        build(Outer, {**WHOLE, **wrong})
    assert len(str(raised.value)) < 400 and "\n" not in str(raised.value)


def test_what_is_no_table_is_an_error() -> None:
    for raw in ([], None, "text", 3):
        with pytest.raises(ConfigError, match="expected a table"):
            build(Outer, raw)


def test_more_may_be_asked_of_each_value() -> None:
    seen: dict[str, Any] = {}
    build(Outer, {"name": "n", "inner": {"size": [1, 2]}}, seen.__setitem__)
    assert seen == {"name": "n", "inner.size": (1, 2), "inner": Inner((1, 2))}
