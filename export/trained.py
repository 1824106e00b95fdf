"""What every export starts from: a training run's settings and weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from unit_edge.config import RunConfig
from unit_edge.errors import CheckpointError, ConfigError
from unit_edge.manifests.model import sha256_of
from unit_edge.text.numbers import whole_number
from unit_edge.train.networks import UNIT
from unit_edge.train.run.checkpoint import BEST, WEIGHTS, load_run_config, load_weights


@dataclass(frozen=True)
class TrainedRun:
    """A run as it was read.

    Attributes:
        path: its folder.
        config: its settings.
        unit: its weights, in evaluation mode, on the CPU in fp32.
        step: of the training that the weights are from, or None where the file doesn't say.
        weights_sha256: of the weights' file.
    """

    path: Path
    config: RunConfig
    unit: UNIT
    step: int | None
    weights_sha256: str

    @property
    def domains(self) -> tuple[str, str]:
        """The names of X1 and X2."""
        return self.config.domain1.name, self.config.domain2.name

    def source_of(self, to: str) -> int:
        """Index of the domain that is translated from, given the name of the one translated to.

        Raises:
            ConfigError: the run has no such domain.
        """
        if to not in self.domains:
            raise ConfigError(f"unknown domain {to!r}; {self.path} knows: {', '.join(self.domains)}")
        return 1 - self.domains.index(to)

    def provenance(self) -> dict[str, Any]:
        """What manifests keep of it."""
        return {"run": self.path.resolve().name, "step": self.step, "weights_sha256": self.weights_sha256}


def load_run(run: Path, best: bool = False) -> TrainedRun:
    """Reads the networks of a run.

    Args:
        run: its folder.
        best: the weights that scored best, not the newest.

    Raises:
        CheckpointError: it is missing, damaged, or was written to meanwhile.
    """
    config = load_run_config(run)
    if not config.network.encoders:
        raise ConfigError(f"{run}: has no encoders (network.encoders = false), so it can't translate images")
    name = BEST if best else WEIGHTS
    path = run / name
    try:
        sha256 = sha256_of(path)
        with safe_open(path, "pt") as file:
            step = (file.metadata() or {}).get("step")
        unit = load_weights(run, config, name)
        unchanged = sha256_of(path) == sha256
    except FileNotFoundError:
        load_weights(run, config, name)  # says what is missing
        raise
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged ({error})") from None
    if not unchanged:
        raise CheckpointError(f"{path}: the training wrote it while it was read; run the command again")
    return TrainedRun(
        path=run,
        config=config,
        unit=unit,
        step=whole_number(step or ""),
        weights_sha256=sha256,
    )
