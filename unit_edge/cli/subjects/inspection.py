"""Says what a file is: a model, an engine, a manifest, a training run or a part of one.

Only an ONNX model needs more than the standard library; its inside is read by export/graph/inspect_onnx.py.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

from unit_edge.config import RunConfig
from unit_edge.config.adapt import AdaptConfig
from unit_edge.config.renamed import tensor_name
from unit_edge.errors import ConfigError, ModelError
from unit_edge.files.reading import parse_json, read_json
from unit_edge.files.writing import what_else
from unit_edge.manifests.model import Manifest, matches, sha256_of, tensor_text
from unit_edge.settings import build, from_saved, load_adapt_config, load_config
from unit_edge.text.numbers import whole_number

FileReport = dict[str, Any]
"""What is printed, or given as JSON: plain values, tables (lists of dicts) and groups (dicts)."""

_NETWORKS = {
    "encoders.0": "E1",
    "encoders.1": "E2",
    "encoder_shared": "E shared",
    "generator_shared": "G shared",
    "generators.0": "G1",
    "generators.1": "G2",
    "discriminator": "D1 and D2 of digits",
}
_BUNDLE = "bundle.json"
_PLAYED = (
    *(".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts"),
    *(".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"),
)
_HEADER_LIMIT = 16 * 2**20
_NOT_OURS = "expected a model (.onnx), an engine, a manifest (.json), a bundle, a run's folder or its files"


def inspect_file(path: Path, frame_size: tuple[int, int] | None = None) -> FileReport:
    """What a file or folder is.

    Args:
        path: of it.
        frame_size: width and height of the frame that a model's costs are for, in pixels; None for the
            model's own.

    Raises:
        ModelError: there is nothing, it is damaged, or it is none of ours.
        ConfigError: a frame size for something else than an ONNX model.
        ModuleNotFoundError: it is an ONNX model, and onnx is not installed.
    """
    if frame_size is not None and path.suffix.lower() != ".onnx":
        raise ConfigError(f"{path}: a frame size is for ONNX models; leave --size out")
    try:
        if path.is_dir():
            return _run(path)
        if other := what_else(path):
            raise ModelError(f"{path}: is {other}; {_NOT_OURS}")
        if not path.is_file():
            raise ModelError(f"{path}: no such file; {_NOT_OURS}")
        suffix = path.suffix.lower()
        if suffix == ".onnx":
            from unit_edge.export.graph.inspect_onnx import inspect_onnx

            return inspect_onnx(path, frame_size)
        if suffix == ".safetensors":
            return {"kind": "weights of a training run", "file": str(path), **_weights(path)}
        if suffix == ".json":
            return _json(path)
        if suffix == ".toml":
            return _toml(path)
        return _with_manifest(path)
    except OSError as error:
        raise ModelError(f"{path}: can't be read ({error.strerror or error})") from None


def _run(folder: Path) -> FileReport:
    if (folder / _BUNDLE).is_file():
        return _bundle(folder)
    state, tensors = folder / "state.json", folder / "training.safetensors"
    if state.is_file() and tensors.is_file():
        weights = {**_weights(tensors), "step": _read_json(state).get("step")}
        return {"kind": "checkpoint of a training run", "folder": str(folder), **weights}
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder}: none of ours: a folder without config.json; {_NOT_OURS}")
    report = {"kind": "training run", "folder": str(folder), **_settings(folder / "config.json")}
    for name in ("weights", "best"):
        path = folder / f"{name}.safetensors"
        report[name] = _weights(path) if path.is_file() else "none yet"
    report["checkpoints"] = [path.name for path in sorted((folder / "checkpoints").glob("step-*"))]
    return report


def _json(path: Path) -> FileReport:
    if path.name == _BUNDLE:
        return _bundle(path.parent)
    raw = _read_json(path)
    if "preset" in raw and ("domain1" in raw or "target" in raw) and "sha256" not in raw:
        return {"kind": "settings of a training run", "file": str(path), **_settings(path)}
    if raw.get("kind") == "unit-edge benchmark":
        raise ModelError(f"{path}: a benchmark; `unit-edge bench --from {path}` shows it")
    if "sha256" not in raw:
        raise ModelError(f"{path}: none of ours: no manifest and no run's settings; {_NOT_OURS}")
    described = [other for other in sorted(path.parent.glob(f"{path.stem}.*")) if other != path]
    engine = next((other for other in described if other.suffix != ".onnx"), None)
    if engine is not None and not path.with_suffix(".onnx").is_file():
        return _with_manifest(engine)
    manifest = Manifest.read(path)
    return {
        "kind": "manifest of a model",
        "file": str(path),
        "model": matches(path.with_suffix(".onnx"), manifest.sha256),
        **manifest_report(manifest),
    }


def _toml(path: Path) -> FileReport:
    """Settings as they are written for `train` or `adapt`."""
    try:
        config = load_config(path)
    except ConfigError as error:
        try:
            return {"kind": "settings for unit-edge adapt", **_adapt_settings(load_adapt_config(path, []))}
        except ConfigError:
            raise ModelError(f"{error}; expected settings for `unit-edge train` or `adapt`") from None
    return {"kind": "settings for unit-edge train", "file": str(path), **_run_settings(config)}


def _bundle(folder: Path) -> FileReport:
    raw = _read_json(folder / _BUNDLE)
    try:
        for name in (model["file"] for model in raw["models"]):
            # or a stranger's bundle would have other files looked at
            if Path(name).name != name or name in ("", ".."):
                raise ModelError(f"{folder / _BUNDLE}: damaged: file {name!r}, expected a name in its folder")
        models = [
            {
                "model": model["file"],
                "precision": model["precision"],
                "file": matches(folder / model["file"], model["sha256"]),
                "predicted_fps": None if model["predicted"] is None else round(model["predicted"]["fps"], 1),
                "at": "x".join(map(str, model["predicted_at"])),
            }
            for model in raw["models"]
        ]
        systems = [f"{system['name']} (Python {system['python']})" for system in raw["systems"]]
        facts = {
            name: raw[name] for name in ("title", "board", "backend", "made_from", "versions", "offline")
        }
        wheels = len(raw["wheels"])
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise ModelError(f"{folder / _BUNDLE}: damaged, or no bundle's manifest ({error!r})") from None
    head = {"kind": "bundle for a board", "folder": str(folder), **facts}
    return {**head, "systems": systems, "wheels": wheels, "models": models}


def manifest_report(manifest: Manifest) -> FileReport:
    """What a manifest says."""
    values = dataclasses.asdict(manifest)
    for name in ("input", "output"):
        values[name] = _tensor(values[name])
    for entry in (values["costs"] or {}).get("at", ()):
        entry["frame_size"] = "x".join(map(str, entry["frame_size"]))
    return values


def _tensor(spec: dict[str, Any]) -> str:
    return f"{spec['name']}: {tensor_text(spec['dtype'], spec['shape'])}"


def _with_manifest(path: Path) -> FileReport:
    """A file of any kind that a manifest beside it describes, such as an engine."""
    beside = path.with_suffix(".json")
    suffix = path.suffix.lower()
    if suffix in _PLAYED:
        raise ModelError(f"{path}: a video or picture; `unit-edge translate {path} --to night` takes one")
    if not beside.is_file():
        raise ModelError(f"{path}: none of ours: no manifest {beside.name} beside it; {_NOT_OURS}")
    raw = _read_json(beside)
    if not isinstance(raw.get("sha256"), str):
        raise ModelError(f"{path}: none of ours: {beside.name} is no manifest; {_NOT_OURS}")
    report = {"kind": "engine" if path.suffix == ".engine" else "file with a manifest", "file": str(path)}
    return {**report, "bytes": path.stat().st_size, "manifest": matches(path, raw["sha256"]), **raw}


def _settings(path: Path) -> FileReport:
    raw = {key: value for key, value in _read_json(path).items() if key != "version"}
    try:
        if raw.get("preset") == "digits":
            return _adapt_settings(build(AdaptConfig, raw))
        config = from_saved(raw)
    except ConfigError as error:
        raise ModelError(f"{path}: none of ours, or of a newer unit-edge ({error})") from None
    return _run_settings(config)


def _run_settings(config: RunConfig) -> FileReport:
    return {
        "domains": f"{config.domain1.name} and {config.domain2.name}",
        "preset": config.preset,
        "steps_wanted": config.optim.steps,
        "crop": "{}x{}".format(*config.data.crop),
        "network": dataclasses.asdict(config.network),
    }


def _adapt_settings(config: AdaptConfig) -> FileReport:
    adapts = "" if config.loss.adapts else " (never seen: --source-only)"
    return {
        "domains": f"{config.source.name} with labels, {config.target.name} without{adapts}",
        "preset": config.preset,
        "steps_wanted": config.optim.steps,
        "network": dataclasses.asdict(config.network),
    }


def _weights(path: Path) -> FileReport:
    """Parameters of each network, from the file's header alone."""
    header = _header(path)
    metadata = header.pop("__metadata__", None) or {}
    counts: dict[str, int] = {}
    for name, tensor in header.items():
        # a checkpoint keeps the networks beside their average, the discriminators and Adam's moments
        inner = tensor_name(name.removeprefix("unit."))
        network = next((n for key, n in _NETWORKS.items() if inner.startswith(f"{key}.")), "others")
        counts[network] = counts.get(network, 0) + math.prod(tensor["shape"])
    if not counts.keys() & set(_NETWORKS.values()):
        raise ModelError(f"{path}: none of ours: it has no E1, E2, G1 or G2; {_NOT_OURS}")
    return {
        "step": whole_number(str(metadata.get("step", ""))),
        "parameters": {name: counts[name] for name in (*_NETWORKS.values(), "others") if name in counts},
        "parameters_total": sum(counts.values()),
        "types": sorted({str(tensor["dtype"]) for tensor in header.values()}),
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
    }


def _header(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(size - 8, _HEADER_LIMIT):
                raise ValueError("no header")
            header = dict(parse_json(file.read(length)))
        entries = {name: tensor for name, tensor in header.items() if name != "__metadata__"}
        whole = 8 + length + max((tensor["data_offsets"][1] for tensor in entries.values()), default=0)
        for tensor in entries.values():
            if not all(type(side) is int and side >= 0 for side in tensor["shape"]):
                raise ValueError("shape")
            if not isinstance(tensor["dtype"], str):
                raise TypeError("dtype")
        if not isinstance(header.get("__metadata__") or {}, dict):
            raise TypeError("metadata")
    except (ValueError, AttributeError, KeyError, TypeError, IndexError):
        raise ModelError(f"{path}: damaged, or no safetensors file; {_NOT_OURS}") from None
    if size != whole:
        raise ModelError(f"{path}: damaged: {size} bytes, expected {whole}; copy it again")
    return header


def _read_json(path: Path) -> dict[str, Any]:
    try:
        raw = read_json(path)
    except ValueError as error:
        raise ModelError(f"{path}: not readable as JSON ({error}); {_NOT_OURS}") from None
    if not isinstance(raw, dict):
        raise ModelError(f"{path}: none of ours: JSON, but no object; {_NOT_OURS}")
    return raw
