"""What a destination says of itself: how its clips are made, and in small files what was done."""

from __future__ import annotations

import secrets
import time
from dataclasses import asdict
from typing import Any

from unit_edge.errors import ConfigError, SinkError
from unit_edge.runtime.fleet.items import Outcome
from unit_edge.runtime.fleet.storage.destination import Destination

_ABOUT = "about.json"
_FORMAT = 1
_INTERVAL_S = 30.0


class Ledger:
    """The files that tell of a destination; those of names that are there already are never changed."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._run = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + "-" + secrets.token_hex(3)
        self._parts = 0
        self._new: list[Outcome] = []
        self._written_at = time.monotonic()

    def begin(self, making: dict[str, Any], *, resume: bool) -> None:
        """Writes what the clips are made with, or compares it with what is written there.

        Raises:
            ConfigError: what is there was made otherwise.
        """
        there = self._destination.read(_ABOUT)
        if resume and there is not None:
            before = there.get("making") if isinstance(there, dict) else None
            if before != making:
                kept = before if isinstance(before, dict) else {}
                differs = sorted(key for key in making if kept.get(key) != making[key]) or ["format"]
                raise ConfigError(
                    f"{self._destination.shown}: its clips were made with another {', '.join(differs)}; "
                    "give the same settings, another destination, or --overwrite"
                )
            return
        self._destination.write(_ABOUT, {"format": _FORMAT, "making": making})

    def note(self, outcome: Outcome) -> None:
        """Takes what became of an item; every half minute what came together is written."""
        self._new.append(outcome)
        if time.monotonic() - self._written_at > _INTERVAL_S:
            self.write()

    def write(self) -> None:
        """Writes what isn't written yet.

        Raises:
            SinkError: it can't be.
        """
        if self._new:
            rows = [asdict(outcome) for outcome in self._new]
            self._destination.write(f"runs/{self._run}-{self._parts:05}.json", {"outcomes": rows})
            self._parts += 1
        self._new, self._written_at = [], time.monotonic()


def check_destination(destination: Destination, *, overwrite: bool, resume: bool) -> set[str]:
    """The names that are there.

    Raises:
        SinkError: there are some, and nobody has said what to do with them; or they are of nobody knows what.
    """
    names = destination.names()
    if not names or overwrite:
        return names
    if not resume:
        raise SinkError(
            f"{destination.shown}: exists already and isn't empty; add --resume to make what is missing, "
            "--overwrite to make all anew, or give another destination"
        )
    if destination.read(_ABOUT) is None:
        raise SinkError(
            f"{destination.shown}: isn't empty, and nothing says how its files were made; --resume goes on "
            "with what a fleet has begun; give another destination, or --overwrite"
        )
    return names
