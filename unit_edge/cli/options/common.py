"""What the command modules share: argument types, and checks that end in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unit_edge.cli.options.limits import THREADS_AT_MOST
from unit_edge.cli.terminal.say import echo
from unit_edge.errors import ConfigError, SinkError, UnitEdgeError
from unit_edge.registry import PRECISIONS, find_model, resolve_model

if TYPE_CHECKING:
    from unit_edge.manifests.model import Manifest
    from unit_edge.runtime.backends.choice import Decision
    from unit_edge.runtime.backends.open import CheckedModel

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="A .onnx or .engine file, or a bundled model's name.")
]
ConfigArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[CONFIG.toml]", help="The settings of the run; with --resume, the run's own do."),
]
DataRoot = Annotated[
    Path, typer.Option(metavar="DIR", envvar="UNIT_EDGE_DATA", help="What the domains' folders are in.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
OverwriteOption = Annotated[bool, typer.Option("-y", "--overwrite", help="Replace an existing file.")]
RememberedData = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        envvar="UNIT_EDGE_DATA",
        help="What the domains' folders are in. [default: where the run found them, or .]",
    ),
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")]
DeviceOption = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu or cuda.")]
SettingsOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting; repeatable.")
]

BackendOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What runs the model: auto, onnxruntime, onnxruntime-cuda, onnxruntime-tensorrt, openvino, "
        "openvino-bf16, tensorrt.",
    ),
]
ToOption = Annotated[
    str | None,
    typer.Option(metavar="DOMAIN", help="What it shall look like: night, snow, rain, fog, day, clear."),
]
FromOption = Annotated[
    str | None, typer.Option("--from", metavar="DOMAIN", help="What it is, where several models fit.")
]
OwnModelOption = Annotated[
    str | None,
    typer.Option(metavar="MODEL", help="Your own .onnx or .engine file, instead of a bundled model."),
]
PrecisionOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Of the bundled model: fp32, or int8, which is faster on CPUs and looks the same.",
    ),
]
_OLD_OPTIONS = {"engine": "backend"}
ThreadsOption = Annotated[
    int | None,
    typer.Option(min=1, max=THREADS_AT_MOST, help="CPU threads for the model. [default: all cores]"),
]

_OPTIONAL = {"torch", "safetensors", "tqdm", "tomli", "onnx", "onnxscript", "packaging", "zstandard"}
_OPTIONAL |= {"scipy", "matplotlib", "pycocotools", "yaml"}
_OPTIONAL |= {"ray", "fsspec"}
_OPTIONAL |= {"aiohttp", "aiortc", "aioice", "prometheus_client"}


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Around imports that only some installations have."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _OPTIONAL:
            raise
        raise UnitEdgeError(
            f'this command needs {error.name}: install it with `pip install "unit-edge[{extra}]"`'
        ) from None


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raises SinkError if a file that would be written is there, and may not be replaced."""
    if path.exists() and not overwrite:
        raise SinkError(f"{path}: exists already; add --overwrite to replace it")


def decided(backend: str, manifest: Manifest, model: Path, *, quiet: bool = False) -> Decision:
    """What runs the model; a note about it is printed."""
    from unit_edge.runtime.backends.choice import decide
    from unit_edge.runtime.backends.open import ENGINE_SUFFIX

    decision = decide(backend, manifest, is_engine=model.suffix.lower() == ENGINE_SUFFIX, model=model)
    if decision.note and not quiet:
        echo(f"note: {decision.note}", err=True)
    return decision


def chosen_model(model: str | None, to: str | None, from_: str | None, precision: str) -> Path:
    """The model that --model, or --to, --from and --precision name.

    Raises:
        ConfigError: no or several models are meant, or none that is bundled.
    """
    if model is not None:
        if precision != PRECISIONS[0]:
            raise ConfigError(f"--precision {precision} chooses a bundled model; leave it out with --model")
        return resolve_model(model)
    if to is None:
        raise ConfigError("say what to translate to: --to DOMAIN, or --model FILE.onnx")
    return find_model(to, from_, precision=precision)


def checked_model(model: str | None, to: str | None, from_: str | None, precision: str) -> CheckedModel:
    """The model that is meant, whole, and for those domains if they are given.

    Raises:
        ConfigError: see `chosen_model`; or it translates something else.
        ModelError: see `check_model`.
    """
    from unit_edge.runtime.backends.open import check_model

    to, from_ = (None if domain is None else domain.casefold() for domain in (to, from_))
    checked = check_model(chosen_model(model, to, from_, precision))
    manifest = checked.manifest
    if to not in (None, manifest.target) or from_ not in (None, manifest.source):
        raise ConfigError(
            f"{checked.path}: translates {domains_text(manifest)}; give that, or no --to and --from"
        )
    return checked


def option_name(name: str) -> str:
    """The name of today for an option, without its dashes; an old one is noted on stderr, once."""
    if name in _OLD_OPTIONS:
        from unit_edge.config.renamed import note

        note(f"--{name}", f"--{_OLD_OPTIONS[name]}")
    return _OLD_OPTIONS.get(name, name)


def domains_text(manifest: Manifest) -> str:
    """What a model translates: "day to night"."""
    return f"{manifest.source} to {manifest.target}"
