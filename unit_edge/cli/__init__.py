"""The command line: one module a command. It may import everything, and nothing imports it."""

import os
import sys


def main() -> None:
    """Runs the command line; what the console script calls."""
    _stand_in_for_closed()
    from unit_edge.cli.app import main as run

    run()


def _stand_in_for_closed() -> None:
    """Opens what the caller has closed of stdin, stdout and stderr.

    Or the next file that is opened would be one of them, and get what libraries print. Frames can't be
    written to a stdout that was closed; what is said there is lost.
    """
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
