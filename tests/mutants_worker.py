"""Tries mutants in forks of one process, which has imported what is slow to import and isn't changed.

`python mutants_worker.py SESSION LIMIT_S TEST...`, in the tree that is changed; mutants.py calls it. A
process of its own for each mutant would import torch each time, which takes longer than many of the tests.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time

import av  # noqa: F401  what the forks don't have to import again, and torch
import cosmic_ray.mutating
import cv2  # noqa: F401
import pytest
import torch  # noqa: F401
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome

FLAGS = ("-x", "-q", "-p", "no:cacheprovider")
_LOOK_UP_S = 0.02


def run_tests(tests: list[str], limit_s: float) -> tuple[TestOutcome, str]:
    """Runs tests in a fork; what hangs is stopped, and counts as noticed."""
    child = os.fork()
    if not child:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1), os.dup2(quiet, 2)
        os._exit(int(pytest.main([*FLAGS, *tests])))
    ends = time.monotonic() + limit_s
    while not (done := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > ends:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return TestOutcome.KILLED, "hangs"
        time.sleep(_LOOK_UP_S)
    return (TestOutcome.KILLED if done[1] else TestOutcome.SURVIVED), ""


def main() -> None:
    """Tries all of a session that isn't tried yet."""
    session, limit_s, *tests = sys.argv[1:]
    sys.dont_write_bytecode = True  # a mutant may be as large and as old as the one before it
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    cosmic_ray.mutating.run_tests = run_tests
    with use_db(session, WorkDB.Mode.open) as database:
        waiting = list(database.pending_work_items)
        random.Random(len(waiting)).shuffle(waiting)  # what was tried when it is interrupted is a fair sample
        for number, item in enumerate(waiting, 1):
            result = cosmic_ray.mutating.mutate_and_test(item.mutations, tests, float(limit_s))
            database.set_result(item.job_id, result)
            if number % 20 == 0 or number == len(waiting):
                print(f"{number} of {len(waiting)}", flush=True)


if __name__ == "__main__":
    main()
