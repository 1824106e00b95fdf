"""What a run tells while it trains: RUN/log.jsonl, and TensorBoard where it is installed."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unit_edge.files.reading import parse_json
from unit_edge.files.writing import open_unlinked, replacing
from unit_edge.machine.installation import fitting


class RunLog:
    """A run's log. What a killed run logged after its newest checkpoint is taken back."""

    def __init__(self, run: Path, step: int, tensorboard: bool) -> None:
        """Opens the log.

        Args:
            run: the run's folder.
            step: where the run goes on; later entries go.
            tensorboard: whether TensorBoard is wanted.
        """
        self._path = run / "log.jsonl"
        self._forget_after(step)
        self._file = os.fdopen(open_unlinked(self._path, os.O_WRONLY | os.O_APPEND), "a", encoding="utf-8")
        self._board = _board(run / "tensorboard", step) if tensorboard else None

    def close(self) -> None:
        """Writes what is left of the log and closes it."""
        self._file.close()
        if self._board is not None:
            self._board.close()

    def scalars(self, step: int, values: Mapping[str, float], group: str) -> None:
        """One line of JSON, where null stands for NaN and Inf, and a curve a value."""
        entry = {name: value if math.isfinite(value) else None for name, value in values.items()}
        print(json.dumps({"step": step, **entry}), file=self._file, flush=True)
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{group}/{name}", value, step)

    def note(self, step: int, text: str) -> None:
        """One line of JSON with something that a person should know."""
        print(json.dumps({"step": step, "note": text}), file=self._file, flush=True)

    def picture(self, step: int, grid: NDArray[np.uint8]) -> None:
        """A picture uint8[H,W,3], BGR, on TensorBoard."""
        if self._board is not None:
            self._board.add_image("samples", grid[:, :, ::-1], step, dataformats="HWC")

    def codes(self, step: int, means: Sequence[Tensor]) -> None:
        """Histograms of z1 and z2 on TensorBoard."""
        if self._board is not None:
            for domain, mean in enumerate(means):
                self._board.add_histogram(f"z{domain + 1}", mean.float().cpu(), step)

    def _forget_after(self, step: int) -> None:
        if not self._path.exists():
            return
        # a power cut may leave bytes that are no text: such a line is later than all, as a cut-off one is
        with self._path.open("rb") as lines, replacing(self._path) as temporary, temporary.open("wb") as kept:
            for line in lines:
                if line.endswith(b"\n") and _step_of(line) <= step:
                    kept.write(line)


def _step_of(line: bytes) -> float:
    """The step of an entry; a line that a kill cut off counts as later than all."""
    try:
        return float(parse_json(line)["step"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return float("inf")


def _board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        print(fitting('note: no TensorBoard log; pip install "unit-edge[train]" brings it'), file=sys.stderr)
        return None
    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)
