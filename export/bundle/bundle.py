"""A bundle: all that one board needs to translate with one model, to be copied there and built offline."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unit_edge import __version__
from unit_edge.boards.board import Board
from unit_edge.boards.roofline import Prediction, assumptions, predict
from unit_edge.errors import ConfigError, SinkError
from unit_edge.export.bundle.archive import SUFFIX, first_name, pack
from unit_edge.export.bundle.board_choice import Choice, frame_size_for
from unit_edge.export.bundle.build_script import ENVIRONMENT, TIMING_CACHE, build_script
from unit_edge.export.bundle.own_wheel import write_own_wheel
from unit_edge.export.bundle.wheelhouse import fetch_wheels
from unit_edge.export.to_onnx import Exported, Int8, export_run, workspace
from unit_edge.export.trained import load_run
from unit_edge.files.reading import read_json
from unit_edge.manifests.model import sha256_of

MANIFEST, SUMS, SCRIPT, CALIBRATION, WHEELS = (
    "bundle.json",
    "SHA256SUMS",
    "build.sh",
    "calibration.json",
    "wheels",
)
SCHEMA = 1


@dataclass(frozen=True)
class Variant:
    """One model of a bundle.

    Attributes:
        exported: the model and how closely it matches the run; its file has moved into the bundle since.
        bytes: of the model file.
        frame_size: width and height of the frames that `predicted` is for, and that an engine is tuned for.
        predicted: how fast it could run on the board; None if that isn't known.
    """

    exported: Exported
    bytes: int
    frame_size: tuple[int, int]
    predicted: Prediction | None


@dataclass(frozen=True)
class Bundle:
    """A bundle in place.

    Attributes:
        path: its folder or archive.
        choice: what was chosen for the board.
        variants: its models, the one to use first.
        bytes: of `path`, in all.
    """

    path: Path
    choice: Choice
    variants: tuple[Variant, ...]
    bytes: int


def export_bundle(
    run: Path,
    to: str,
    choice: Choice,
    *,
    output: Path | None = None,
    int8: Int8 | None = None,
    wheels: bool = True,
    best: bool = False,
    overwrite: bool = True,
    say: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> Bundle:
    """Exports one direction of a run for a board, whole and verified or not at all.

    Args:
        run: a training run's folder.
        to: the domain to translate to.
        choice: what `choose` decided for the board.
        output: the bundle's folder, or an archive whose name ends in .tar.zst; None for a folder in the
            current one.
        int8: how the int8 variant is made; None without one.
        wheels: download the packages that the board installs; without them it needs a network.
        best: the weights that scored best in training, not the newest.
        overwrite: replace an earlier bundle of that name.
        say: is given lines for people as the work goes on.
        options: the rest of `export_run`'s.

    Raises:
        ConfigError: an unknown domain, or something else is where the output shall be.
        SinkError: there is a bundle, and it may not be replaced.
        UnitEdgeError: a package can't be downloaded; and what `export_run` raises.
    """
    board = choice.board
    if int8 is not None and int8.variant != choice.int8_for:
        raise ConfigError(f"int8 for {int8.variant} on board {board.name}, expected {choice.int8_for}")
    trained = load_run(run, best)
    source = trained.domains[trained.source_of(to)]
    path = output or Path(f"{source}2{to}-{trained.config.preset}-{board.name}")
    name = _check_output(path)
    if not overwrite and (path.is_file() or (path.is_dir() and any(path.iterdir()))):
        raise SinkError(f"{path}: exists already; add --overwrite to replace it, or give another -o")
    with _beside(path, name) as folder:
        (folder / WHEELS).mkdir()
        own_wheel = write_own_wheel(folder / WHEELS)
        for system in choice.systems if wheels else ():
            say(f"downloading packages for {system.name} (Python {system.python}, {system.machine})")
            fetch_wheels(choice, system, folder / WHEELS)
        variants: list[Variant] = []
        for wanted in choice.precisions:
            exported = export_run(
                run,
                to,
                output=folder,
                precision=wanted,
                int8=int8 if wanted == "int8" else None,
                best=best,
                **options,
            )
            variants.append(_variant(exported, board, variants))
        models = [variant.exported.model.stem for variant in variants]
        sizeless = variants[0].exported.manifest.input.shape[1] is None
        title = f"{source} to {to} with unit-edge {__version__}, for {board.title}"
        script = build_script(
            choice,
            title,
            models,
            f"{WHEELS}/{own_wheel.name}",
            wheels,
            variants[0].frame_size if sizeless else None,
        )
        _write(folder / SCRIPT, script)
        (folder / SCRIPT).chmod(0o755)
        if int8 is not None:
            _write_json(folder / CALIBRATION, _calibration(int8, variants))
        _write_json(folder / MANIFEST, _contents(choice, title, variants, folder, wheels))
        _write(folder / SUMS, _sums(folder))
        finished = folder
        if path.name.endswith(SUFFIX):
            finished = folder.with_name(path.name)
            pack(folder, finished, first=MANIFEST)
        size = _bytes(finished)
        _put(finished, path)
    return Bundle(path=path, choice=choice, variants=tuple(variants), bytes=size)


def _variant(exported: Exported, board: Board, before: list[Variant]) -> Variant:
    manifest = exported.manifest
    assert manifest.costs is not None  # every export has them
    size = before[0].frame_size if before else frame_size_for(manifest.costs, board, manifest.precision)
    costs = manifest.costs.for_size(size)
    predicted = None if costs is None else predict(costs, board, manifest.precision, manifest.precision)
    return Variant(
        exported=exported, bytes=exported.model.stat().st_size, frame_size=size, predicted=predicted
    )


def _check_output(path: Path) -> str:
    """The bundle's name, if it may be written there."""
    name = path.absolute().name
    if path.name.endswith(SUFFIX):
        name = path.name.removesuffix(SUFFIX)
    elif path.suffix in (".onnx", ".zst", ".tar", ".gz", ".tgz", ".zip"):
        raise ConfigError(f"output {path}, expected a folder's name, or one that ends in {SUFFIX}")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"output {path}: there is no folder {path.parent}; make it first")
    foreign = _foreign(path, name)
    if foreign is not None:
        raise ConfigError(f"output {path}: {foreign}; give another name with -o")
    return name


def _foreign(path: Path, name: str) -> str | None:
    """Why something that is there may not be replaced; None if it may, or if there is nothing."""
    if not path.exists() and not path.is_symlink():
        return None
    if path.name.endswith(SUFFIX):
        ours = path.is_file() and (first_name(path) or "").endswith(f"/{MANIFEST}")
        return None if ours else "exists already and is no bundle"
    if path.is_symlink() or not path.is_dir():
        return "exists already and is no folder"
    inside = {entry.name for entry in path.iterdir()}
    if not inside:
        return None
    try:
        if read_json(path / MANIFEST)["kind"] != "bundle":
            raise ValueError
        listed = (path / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError, KeyError, TypeError):
        return "exists already and is no bundle"
    engines = {entry for entry in inside if entry.endswith(".engine")}
    known = {line[66:].partition("/")[0] for line in listed} | {SUMS, ENVIRONMENT, TIMING_CACHE} | engines
    known |= {f"{engine.removesuffix('.engine')}.json" for engine in engines}
    others = sorted(inside - known)
    return f"a bundle with other files in it ({', '.join(others[:3])})" if others else None


@contextlib.contextmanager
def _beside(path: Path, name: str) -> Iterator[Path]:
    """A folder of the bundle's name in a hidden one beside the output; removed at the end."""
    with workspace(path.absolute().with_name(name)) as folder:
        (folder / name).mkdir()
        yield folder / name


def _put(finished: Path, path: Path) -> None:
    """Gives a finished bundle its name; an earlier one goes only when that has succeeded."""
    target = path.absolute()
    if finished.is_file() or not target.exists():
        finished.replace(target)
        return
    earlier = finished.parent / "earlier"
    target.replace(earlier)
    try:
        finished.replace(target)
    except OSError:
        earlier.replace(target)
        raise


def _calibration(int8: Int8, variants: list[Variant]) -> dict[str, Any]:
    manifests = [one.exported.manifest for one in variants if one.exported.manifest.int8]
    given = int8.calibrate
    return {
        "model": manifests[0].name,
        "sha256_of_video": sha256_of(given) if given.is_file() else None,
        **manifests[0].int8,
        "versions": manifests[0].versions,
    }


def _contents(
    choice: Choice, title: str, variants: list[Variant], folder: Path, wheels: bool
) -> dict[str, Any]:
    first = variants[0].exported.manifest
    return {
        "kind": "bundle",
        "schema": SCHEMA,
        "title": title,
        "board": choice.board.name,
        "backend": choice.backend,
        "source": first.source,
        "target": first.target,
        "made_from": first.made_from,
        "versions": first.versions,
        "models": [_model(variant) for variant in variants],
        "prediction": assumptions(),
        "systems": [dataclasses.asdict(system) for system in choice.systems],
        "offline": wheels,
        "wheels": sorted(path.name for path in (folder / WHEELS).iterdir()),
    }


def _model(variant: Variant) -> dict[str, Any]:
    exported, report = variant.exported, dataclasses.asdict(variant.exported.report)
    _, height, width, _ = exported.manifest.input.shape
    return {
        "file": exported.model.name,
        "precision": exported.manifest.precision,
        "sha256": exported.manifest.sha256,
        "frame_size": None if width is None else (width, height),
        "predicted_at": variant.frame_size,
        "predicted": None if variant.predicted is None else dataclasses.asdict(variant.predicted),
        "verified": {**report, "psnr_db": None if math.isinf(report["psnr_db"]) else report["psnr_db"]},
    }


def _sums(folder: Path) -> str:
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return "".join(f"{sha256_of(folder / path)}  {path}\n" for path in paths)


def _bytes(path: Path) -> int:
    return sum(one.stat().st_size for one in ([path] if path.is_file() else path.rglob("*")) if one.is_file())


def _write(path: Path, text: str) -> None:
    path.write_bytes(
        text.encode("utf-8")
    )  # no translation of line ends: the script and the sums are for Linux


def _write_json(path: Path, content: dict[str, Any]) -> None:
    _write(path, json.dumps(content, indent=2) + "\n")
