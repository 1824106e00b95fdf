"""Weights in safetensors, the rest as JSON beside them; nothing pickled is written or read.

RUN/config.json             the resolved settings
RUN/weights.safetensors     E and G as they are exported (their moving average if there is one)
RUN/checkpoints/step-NNN/   all that resuming needs: training.safetensors, state.json
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from unit_edge.config import RunConfig, as_dict
from unit_edge.errors import CheckpointError, ConfigError
from unit_edge.settings import from_dict
from unit_edge.train.networks import UNIT

KEEP = 2
"""Checkpoints that stay; older ones are removed after a newer one is complete."""


def save_config(run: Path, config: RunConfig) -> None:
    """Writes RUN/config.json."""
    try:
        run.mkdir(parents=True, exist_ok=True)
        _write_atomically(run / "config.json", json.dumps(as_dict(config), indent=2).encode() + b"\n")
    except OSError as error:
        raise CheckpointError(f"{run}: can't be written ({error.strerror or error})") from None


def load_run_config(run: Path) -> RunConfig:
    """Reads RUN/config.json.

    Raises:
        CheckpointError: the run is missing or its settings are not ours.
    """
    path = run / "config.json"
    try:
        return from_dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise CheckpointError(
            f"{run}: not a training run (no config.json); expected what `unit-edge train` wrote"
        ) from None
    except (OSError, ValueError, ConfigError) as error:
        raise CheckpointError(f"{path}: damaged ({error})") from None


def save_weights(run: Path, unit: UNIT, step: int) -> None:
    """Writes RUN/weights.safetensors with the training step in its metadata."""
    path = run / "weights.safetensors"
    temporary = _temporary(path)
    try:
        save_file(
            {name: value.detach().cpu().contiguous() for name, value in unit.state_dict().items()},
            temporary,
            metadata={"step": str(step)},
        )
        _replace(temporary, path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: can't be written ({error}); an earlier one is untouched") from None
    finally:
        temporary.unlink(missing_ok=True)


def load_weights(run: Path, config: RunConfig) -> UNIT:
    """E and G of a run, in evaluation mode, on the CPU in fp32.

    Raises:
        CheckpointError: the weights are missing, damaged, or of other networks than the settings say.
    """
    path = run / "weights.safetensors"
    unit = UNIT(config.network)
    try:
        unit.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    except FileNotFoundError:
        raise CheckpointError(f"{path}: missing; train until the first checkpoint is written") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged ({error})") from None
    except RuntimeError:
        raise CheckpointError(f"{path}: weights of other networks than config.json describes") from None
    return unit.eval()


def save_checkpoint(run: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Writes RUN/checkpoints/step-NNN, complete or not at all, and removes the oldest."""
    folder = run / "checkpoints"
    final = folder / f"step-{step:07d}"
    temporary = folder / f".{final.name}.{os.getpid()}.tmp"
    try:
        temporary.mkdir(parents=True, exist_ok=True)
        save_file(
            {k: v.detach().cpu().contiguous() for k, v in tensors.items()}, temporary / "training.safetensors"
        )
        (temporary / "state.json").write_text(json.dumps({"step": step, **state}) + "\n", encoding="utf-8")
        for path in (*temporary.iterdir(), temporary):
            _sync(path)
        shutil.rmtree(final, ignore_errors=True)
        temporary.replace(final)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{final}: can't be written ({error}); earlier checkpoints are untouched"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    for old in sorted(folder.glob("step-*"))[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)


def load_checkpoint(run: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and state of the newest checkpoint.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    found = sorted((run / "checkpoints").glob("step-*"))
    if not found:
        raise CheckpointError(
            f"{run}: no checkpoint to resume from; the run ended before its first, remove it and train anew"
        )
    try:
        return load_file(found[-1] / "training.safetensors"), json.loads(
            (found[-1] / "state.json").read_text()
        )
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{found[-1]}: damaged ({error}); remove it to resume from the one before"
        ) from None


def flatten_optimiser(prefix: str, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's moments and step counts as named tensors."""
    return {
        f"{prefix}.{index}.{name}": value
        for index, moments in optimiser.state_dict()["state"].items()
        for name, value in moments.items()
    }


def restore_optimiser(prefix: str, optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Puts back what `flatten_optimiser` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(f"{prefix}."):
            _, index, name = key.rsplit(".", 2)
            state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def _write_atomically(path: Path, content: bytes) -> None:
    temporary = _temporary(path)
    try:
        temporary.write_bytes(content)
        _replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _replace(temporary: Path, path: Path) -> None:
    _sync(temporary)
    temporary.replace(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
