"""Updates that are skipped because a term or gradient was not finite."""

from __future__ import annotations

from collections.abc import Sequence

from unit_edge.errors import TrainingError


def skipped_in_a_row(before: int, faults: Sequence[str], step: int, most: int) -> int:
    """How many steps in a row had a fault, by how many there were before this one.

    Raises:
        TrainingError: `most` or more (optim.max_skipped).
    """
    skipped = before + 1 if faults else 0
    if skipped >= most:
        raise TrainingError(
            f"step {step + 1}: {faults[0]}, and {skipped} steps in a row had such a fault "
            "(optim.max_skipped); the last checkpoint is good: lower optim.lr and --resume"
        )
    return skipped
