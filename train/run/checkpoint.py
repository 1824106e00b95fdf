"""Weights in safetensors, the rest as JSON beside them; nothing pickled is written or read.

RUN/config.json             the resolved settings
RUN/data.json               where the pictures were, for --resume
RUN/weights.safetensors     E and G as they are exported (their moving average if there is one)
RUN/best.safetensors        the same at the step that scored best, if the run evaluates itself
RUN/checkpoints/step-NNN/   all that resuming needs: training.safetensors, state.json

A run that is kept without its checkpoints may have RUN/discriminators.safetensors, see discriminators.py.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unit_edge.config import RunConfig
from unit_edge.config.adapt import AdaptConfig
from unit_edge.config.optim import STEPS_AT_MOST
from unit_edge.config.renamed import tensor_name
from unit_edge.errors import CheckpointError, ConfigError
from unit_edge.files.reading import read_json
from unit_edge.files.writing import hidden_beside, replacing, sync
from unit_edge.settings import from_saved
from unit_edge.train.networks import UNIT

WEIGHTS = "weights.safetensors"
BEST = "best.safetensors"
_PLACE = "data.json"
Config = TypeVar("Config", RunConfig, AdaptConfig)
VERSION = 1
"""Of config.json and state.json; a newer one is refused."""


def save_config(run: Path, config: RunConfig | AdaptConfig) -> None:
    """Writes a run's settings to its config.json."""
    try:
        run.mkdir(parents=True, exist_ok=True)
        content = json.dumps({"version": VERSION, **dataclasses.asdict(config)}, indent=2) + "\n"
        with replacing(run / "config.json", durable=True) as temporary:
            temporary.write_text(content, encoding="utf-8")
    except OSError as error:
        raise CheckpointError(f"{run}: can't be written ({error.strerror or error})") from None


def load_run_config(run: Path) -> RunConfig:
    """Reads RUN/config.json of `unit-edge train`.

    Raises:
        CheckpointError: the run is missing or its settings are not ours.
    """
    return load_settings(run, "train", from_saved)


def load_settings(run: Path, command: str, build: Callable[[dict[str, Any]], Config]) -> Config:
    """Reads a run's settings from its config.json.

    Args:
        run: its folder.
        command: "train" or "adapt", which must have written it.
        build: makes the settings of what JSON holds.

    Raises:
        CheckpointError: the run is missing, damaged, of a newer version or of another command.
    """
    path = run / "config.json"
    try:
        raw = read_json(path)
        refuse_newer(path, raw)
        writer = "adapt" if raw.get("preset") == "digits" else "train"
        if writer != command:
            raise CheckpointError(
                f"{run}: is a run of `unit-edge {writer}`; expected one of `unit-edge {command}`"
            )
        return build({key: value for key, value in raw.items() if key != "version"})
    except FileNotFoundError:
        raise CheckpointError(
            f"{run}: not a run (no config.json); expected what `unit-edge {command}` wrote"
        ) from None
    except CheckpointError:
        raise
    except (OSError, ValueError, AttributeError, TypeError, ConfigError) as error:
        raise CheckpointError(f"{path}: damaged ({error})") from None


def save_data_root(run: Path, root: Path) -> None:
    """Notes where a run's pictures are."""
    with replacing(run / _PLACE) as temporary:
        temporary.write_text(json.dumps({"data": str(root.absolute())}) + "\n", encoding="utf-8")


def data_root_of(run: Path) -> Path:
    """Where a run's pictures were when it was trained last; the current folder if nobody noted it.

    Raises:
        ConfigError: they aren't there any more.
    """
    try:
        noted = read_json(run / _PLACE)
        root = Path(noted["data"])
    except (OSError, ValueError, KeyError, TypeError):
        return Path()
    if not root.is_dir():
        raise ConfigError(f"{root}: no such folder; {run} was trained on the pictures there, say --data DIR")
    return root


def refuse_existing(run: Path) -> None:
    """Raises CheckpointError if a folder holds a run already."""
    if (run / "config.json").exists():
        raise CheckpointError(
            f"{run}: there is a run already; add --resume to continue it, or give another --run"
        )


def save_weights(run: Path, nets: nn.Module, step: int, name: str = WEIGHTS) -> None:
    """Writes RUN/weights.safetensors, or a file of another name, with the training step in its metadata."""
    path = run / name
    tensors = {name: value.detach().cpu().contiguous() for name, value in nets.state_dict().items()}
    try:
        with replacing(path, durable=True) as temporary:
            save_file(tensors, temporary, metadata={"step": str(step)})
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: can't be written ({error}); an earlier one is untouched") from None


def load_weights(run: Path, config: RunConfig, name: str = WEIGHTS) -> UNIT:
    """E and G of a run, in evaluation mode, on the CPU in fp32.

    Args:
        run: its folder.
        config: its settings.
        name: `WEIGHTS` or `BEST`.

    Raises:
        CheckpointError: the weights are missing, damaged, or of other networks than the settings say.
    """
    unit = UNIT(config.network)
    load_into(unit, run / name, "evaluation (log.evaluate_every)" if name == BEST else "checkpoint")
    return unit.eval()


def load_into(nets: nn.Module, path: Path, first: str = "checkpoint") -> None:
    """Gives networks the weights of a file, in fp32.

    Args:
        nets: on the CPU.
        path: what `save_weights` wrote.
        first: what must be done first for the file to be there.

    Raises:
        CheckpointError: it is missing, damaged, or of other networks.
    """
    try:
        tensors = with_new_names(load_file(path))
        nets.load_state_dict({name: value.float() for name, value in tensors.items()})
    except FileNotFoundError:
        raise CheckpointError(f"{path}: missing; train until the first {first} is done") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged ({error})") from None
    except RuntimeError:
        raise CheckpointError(f"{path}: weights of other networks than config.json describes") from None


def save_checkpoint(
    run: Path,
    step: int,
    tensors: Mapping[str, Tensor],
    state: Mapping[str, Any],
    keep: int,
    spare: Collection[int] = (),
) -> None:
    """Writes RUN/checkpoints/step-NNN, complete or not at all, and removes the oldest.

    Args:
        run: its folder.
        step: that the checkpoint is of.
        tensors: what it holds.
        state: what it holds beside tensors, for JSON.
        keep: how many checkpoints stay.
        spare: steps whose checkpoints stay beside them.

    Raises:
        CheckpointError: it can't be written; earlier ones are untouched.
    """
    folder = run / "checkpoints"
    final = folder / _name(step)
    temporary = hidden_beside(final)
    try:
        temporary.mkdir(parents=True)
        save_file(
            {k: v.detach().cpu().contiguous() for k, v in tensors.items()}, temporary / "training.safetensors"
        )
        content = json.dumps({"version": VERSION, "step": step, **state}) + "\n"
        (temporary / "state.json").write_text(content, encoding="utf-8")
        # safetensors makes files for their owner alone
        (temporary / "training.safetensors").chmod((temporary / "state.json").stat().st_mode & 0o777)
        for path in (*temporary.iterdir(), temporary):
            sync(path)
        shutil.rmtree(final, ignore_errors=True)
        temporary.replace(final)
        sync(folder)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{final}: can't be written ({error}); earlier checkpoints are untouched"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    spared = {_name(spared) for spared in spare}
    for old in checkpoints(run)[:-keep]:
        if old.name not in spared:
            shutil.rmtree(old, ignore_errors=True)


def remove_leftovers(run: Path) -> None:
    """Removes what a process that was killed while writing left in a run."""
    ours, of_safetensors = ".*.tmp", ".tmp??????"
    patterns = [folder + name for folder in ("", "*/") for name in (ours, of_safetensors)]
    for path in [path for pattern in patterns for path in run.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def checkpoints(run: Path) -> list[Path]:
    """The run's checkpoints, oldest first."""
    return sorted((run / "checkpoints").glob("step-*"))


def how_to_go_on(run: Path) -> str:
    """What is left of a run that went wrong, and what to do."""
    if checkpoints(run):
        return "the last checkpoint is good: lower optim.lr and --resume"
    return "there is no checkpoint yet: lower optim.lr, or train in fp32, and start anew"


def finished(run: Path, steps: int) -> str:
    """What to say of a run that is resumed and has nothing left to do."""
    return f"{run}: all {steps} steps are done already; --set optim.steps={2 * steps} would go on"


def load_checkpoint(run: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and state of the newest checkpoint.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    found = checkpoints(run)
    if not found:
        raise CheckpointError(
            f"{run}: no checkpoint to resume from; the run ended before its first, remove it and train anew"
        )
    try:
        state = read_json(found[-1] / "state.json")
        _check_state(state)
        refuse_newer(found[-1], state)
        return with_new_names(load_file(found[-1] / "training.safetensors")), state
    except CheckpointError:
        raise
    except (SafetensorError, OSError, ValueError, AttributeError, TypeError) as error:
        raise CheckpointError(
            f"{found[-1]}: damaged ({error}); remove it to resume from the one before"
        ) from None


def _check_state(state: Any) -> None:
    """Raises ValueError if a checkpoint's state isn't what a run writes."""
    if not isinstance(state, dict):
        raise ValueError("state.json holds no table")
    for name in ("step", "skipped"):
        value = state.get(name, 0 if name == "skipped" else None)
        if type(value) is not int or not 0 <= value <= STEPS_AT_MOST:
            raise ValueError(f"{name} = {value!r}, expected a whole number of steps")
    best = state.get("best")
    if best is not None and not (
        isinstance(best, list) and len(best) == 2 and all(type(one) in (int, float) for one in best)
    ):
        raise ValueError(f"best = {best!r}, expected a score and a step")


@contextmanager
def restoring(run: Path) -> Iterator[None]:
    """Around what is restored from a checkpoint.

    Raises:
        CheckpointError: it does not fit.
    """
    try:
        yield
    except (RuntimeError, KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError):
        raise CheckpointError(
            f"{run}: its newest checkpoint is of other networks or losses than the settings; "
            "resume with the settings that it was trained with"
        ) from None


def with_new_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a run under the names of today, see unit_edge/config/renamed.py."""
    return {tensor_name(name): value for name, value in tensors.items()}


def part_of(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors called NAME.SOMETHING, as SOMETHING."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def flatten_optimiser(prefix: str, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's moments and step counts as named tensors."""
    return {
        f"{prefix}.{index}.{name}": value
        for index, moments in optimiser.state_dict()["state"].items()
        for name, value in moments.items()
    }


def restore_optimiser(
    prefix: str, optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor], *, partial: bool = False
) -> None:
    """Puts back what `flatten_optimiser` took, in the memory layout of the parameters.

    Args:
        prefix: that it was given.
        optimiser: to put it into.
        tensors: what it gave.
        partial: some parameters may not have had a gradient yet, and then nothing belongs to them.

    Raises:
        KeyError: what belongs to some parameters is missing.
    """
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(f"{prefix}."):
            _, index, name = key.rsplit(".", 2)
            parameter = parameters[int(index)]
            if value.shape == parameter.shape:
                value = torch.empty_like(parameter, device="cpu").copy_(value)
            state.setdefault(int(index), {})[name] = value
    counts = [len(state.get(index, {})) for index in range(len(parameters))]
    if state and any(count < 3 and not (partial and count == 0) for count in counts):
        raise KeyError(prefix)
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def _name(step: int) -> str:
    return f"step-{step:07d}"


def refuse_newer(path: Path, raw: Any) -> None:
    """Raises CheckpointError if a file is of a newer format than this."""
    version = raw.get("version", VERSION)
    if not isinstance(version, int) or version > VERSION:
        raise CheckpointError(
            f"{path}: version {version} of the format, this unit-edge knows up to {VERSION}; update unit-edge"
        )
