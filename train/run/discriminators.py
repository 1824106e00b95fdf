"""What a run's discriminators have learnt, for runs that begin with its weights.

RUN/discriminators.safetensors, which a run that is published without its checkpoints has of `blend`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from unit_edge.errors import CheckpointError
from unit_edge.files.writing import replacing
from unit_edge.train.run.checkpoint import checkpoints, load_checkpoint, part_of, with_new_names

DISCRIMINATORS = "discriminators.safetensors"


def load_discriminators(run: Path) -> dict[str, Tensor]:
    """A run's discriminators as its newest checkpoint has them, or else its file; empty if it has neither.

    Raises:
        CheckpointError: the checkpoint or the file is damaged.
    """
    if checkpoints(run):
        return part_of(load_checkpoint(run)[0], "adversaries")
    path = run / DISCRIMINATORS
    try:
        return with_new_names(load_file(path))
    except FileNotFoundError:
        return {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged ({error}); remove it to begin with new ones") from None


def save_discriminators(run: Path, learnt: Mapping[str, Tensor]) -> None:
    """Writes RUN/discriminators.safetensors, complete or not at all.

    Raises:
        CheckpointError: it can't be written.
    """
    path = run / DISCRIMINATORS
    try:
        with replacing(path, durable=True) as temporary:
            save_file(dict(learnt), temporary)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: can't be written ({error})") from None
