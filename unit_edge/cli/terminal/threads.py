"""How torch's threads wait, which has to be said before torch is loaded."""

from __future__ import annotations

import os
import sys

from unit_edge.cli.terminal.say import echo

_BUSY = 0.5
"""Load over cores from which on threads that wait by spinning are in each other's way."""


def settle_threads() -> None:
    """Lets torch's threads sleep while they wait if other programs keep the cores busy, and says so.

    Spinning threads of a step then wait for each other most of the time: 12 steps took 140 s, and 14 s
    sleeping. On a quiet machine sleeping costs up to half. A user's own settings stay.
    """
    given = {"OMP_WAIT_POLICY", "OMP_NUM_THREADS", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & os.environ.keys()
    if given or "torch" in sys.modules or not hasattr(os, "getloadavg"):
        return
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0]
    if cores > 1 and load >= _BUSY * cores:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        echo(
            f"note: other programs keep this machine busy (load {load:.1f} on {cores} cores), so threads "
            "sleep while they wait (OMP_WAIT_POLICY=PASSIVE); OMP_NUM_THREADS=1 may be faster still",
            err=True,
        )
