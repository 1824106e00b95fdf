"""Settings of a guide that are drawn anew for each picture: each field says from what range."""

from __future__ import annotations

import functools
import typing
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

S = TypeVar("S", bound="Drawn")


@dataclass(frozen=True)
class Uniform:
    """Any number of a range is as likely as any other."""

    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> float:
        """A value of the range."""
        return float(rng.uniform(self.low, self.high))


class LogUniform(Uniform):
    """The same of the numbers' logarithms: for what counts by its ratio, such as how far one sees."""

    def draw(self, rng: np.random.Generator) -> float:
        """A value of the range."""
        return float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))


class Drawn:
    """Base of settings whose fields are `Annotated[float, Uniform(low, high)]`; others have defaults."""

    @classmethod
    def draw(cls: type[S], rng: np.random.Generator) -> S:
        """One of the family that the networks learn; fields are drawn in the order in which they stand."""
        return cls(**{name: values.draw(rng) for name, values in _ranges(typing.cast(Hashable, cls))})


@functools.cache
def _ranges(kind: Hashable) -> tuple[tuple[str, Uniform], ...]:
    hints = typing.get_type_hints(kind, include_extras=True).items()
    return tuple((name, hint.__metadata__[0]) for name, hint in hints if hasattr(hint, "__metadata__"))
