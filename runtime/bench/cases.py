"""What is to be measured: a case for each model, backend, batch and size; those that can't run say why."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unit_edge.errors import ConfigError, UnitEdgeError
from unit_edge.manifests.engine import EngineManifest
from unit_edge.manifests.model import Manifest
from unit_edge.registry import resolve_model
from unit_edge.runtime.backends.choice import decide
from unit_edge.runtime.backends.open import BACKENDS, ENGINE_SUFFIX, read_model
from unit_edge.text.printable import one_line

DEFAULT_SIZE = (640, 480)
_ON_CPUS = ("onnxruntime", "openvino", "openvino-bf16")


@dataclass(frozen=True)
class BenchCase:
    """One row of the table.

    Attributes:
        model: its file.
        name: of the model, for people.
        backend: by its name on the command line.
        precision: of the model; "" if it couldn't be read.
        batch: frames in a call.
        size: width and height of the frames in pixels.
        streams: calls at a time, each from a thread and with a runner of its own.
        threads: of the inference on a CPU, for each stream; None for the backend's own choice.
        reason: why "auto" took the backend; "" if it was asked for.
        note: what to know about the model on it; "" if nothing.
        sha256: of the model file.
        refused: why it can't be run here; "" if that isn't known before it is tried.
    """

    model: Path
    name: str
    backend: str
    precision: str
    batch: int
    size: tuple[int, int]
    streams: int = 1
    threads: int | None = None
    reason: str = ""
    note: str = ""
    sha256: str = ""
    refused: str = ""


@dataclass(frozen=True)
class Wanted:
    """What was asked for.

    Attributes:
        backends: "auto", "all", or names of backends.
        batches: frames in a call; empty for the model's own number.
        sizes: widths and heights of frames; empty for the model's own, or `DEFAULT_SIZE`.
        clip_size: of the clip's frames, which are fitted to the model; None without a clip.
    """

    models: Sequence[str]
    backends: Sequence[str] = ("auto",)
    batches: Sequence[int] = ()
    sizes: Sequence[tuple[int, int]] = ()
    streams: int = 1
    threads: int | None = None
    clip_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for backend in self.backends:
            if backend not in (*BACKENDS, "all"):
                raise ConfigError(f"unknown backend {backend!r}; known: {', '.join(BACKENDS)}, all")
        for name, values in (("batch", self.batches), ("streams", (self.streams,))):
            for value in values:
                if value < 1:
                    raise ConfigError(f"{name} {value}; expected 1 or more")


def device_of(backend: str) -> str:
    """ "gpu" or "cpu", where a backend computes."""
    return "cpu" if backend in _ON_CPUS else "gpu"


def memory_of(backend: str) -> str:
    """What its memory is called."""
    return "memory" if device_of(backend) == "cpu" else "gpu memory"


def cases_of(wanted: Wanted) -> list[BenchCase]:
    """Every combination, in the order in which it was asked for."""
    return [
        case
        for model in wanted.models
        for backend in _backends(wanted.backends)
        for size in wanted.sizes or (None,)
        for batch in wanted.batches or (None,)
        for case in [_case(model, backend, size, batch, wanted)]
    ]


def _backends(asked: Sequence[str]) -> list[str]:
    every = [name for name in BACKENDS if name != "auto"]
    return list(
        dict.fromkeys(name for backend in asked for name in (every if backend == "all" else [backend]))
    )


def _case(
    given: str, backend: str, size: tuple[int, int] | None, batch: int | None, wanted: Wanted
) -> BenchCase:
    path = resolve_model(given)
    case = BenchCase(
        model=path,
        name=path.stem,
        backend=backend,
        precision="",
        batch=batch or 1,
        size=size or DEFAULT_SIZE,
        streams=wanted.streams,
        threads=wanted.threads,
    )
    try:
        manifest = read_model(path)
        case = dataclasses.replace(
            case,
            name=manifest.name,
            precision=manifest.precision,
            batch=batch or manifest.batch,
            size=size or _own_size(path, manifest),
            sha256=manifest.sha256,
        )
        decision = decide(backend, manifest, is_engine=path.suffix.lower() == ENGINE_SUFFIX, model=path)
    except (UnitEdgeError, OSError) as error:
        return dataclasses.replace(case, refused=one_line(error))
    return dataclasses.replace(
        case,
        backend=decision.backend,
        reason=decision.reason,
        note=decision.note,
        refused=_misfit(path, manifest, case, fitted=wanted.clip_size is not None),
    )


def _own_size(path: Path, manifest: Manifest) -> tuple[int, int]:
    if manifest.frame_size is None and path.suffix.lower() == ENGINE_SUFFIX:
        return EngineManifest.read(path.with_suffix(".json")).best_size
    return manifest.frame_size or DEFAULT_SIZE


def _misfit(path: Path, manifest: Manifest, case: BenchCase, *, fitted: bool) -> str:
    """Why a model doesn't take the batch or the size; "" if it does."""
    fixed = manifest.input.shape[0]
    if fixed is not None and fixed != case.batch:
        return f"{path}: takes {fixed} at a time; `unit-edge export --batch {case.batch}` makes one that fits"
    if not fitted and manifest.frame_size not in (None, case.size):
        return "{}: takes frames of {}x{} only".format(path, *manifest.frame_size or ())
    return ""
