"""From a training run to NAME.onnx and NAME.json, proved against the run before they are in place."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import onnx
import onnxruntime
import torch

from unit_edge import __version__
from unit_edge.errors import ConfigError, ModelError, SinkError, UnitEdgeError
from unit_edge.export.graph.costs import count_costs
from unit_edge.export.graph.cut import with_named_cut
from unit_edge.export.graph.upsampling import with_small_upsampling
from unit_edge.export.int8.calibrate import CalibrationFrames
from unit_edge.export.int8.choice import quantise_what_can_be
from unit_edge.export.int8.moved import FRAMES, Moved
from unit_edge.export.int8.quantise import VARIANTS, Quantised
from unit_edge.export.precision import PRECISIONS, in_fp16
from unit_edge.export.shapes import ExportShapes, export_shapes
from unit_edge.export.trained import TrainedRun, load_run
from unit_edge.export.translator import Translator
from unit_edge.export.verify import TOLERANCES, AsTrained, Reference, VerifyReport, check_report
from unit_edge.files.writing import folder_beside
from unit_edge.frames import FRAME_SIDES
from unit_edge.manifests.model import Manifest, TensorSpec, sha256_of
from unit_edge.registry import bundled_models
from unit_edge.runtime.backends.base import Runner
from unit_edge.runtime.backends.open import open_runner

OPSET = 18
"""What torch's exporter writes natively; read by ONNX Runtime from 1.14 and TensorRT from 8.6."""

OPSET_OF_HALF_INT8 = 20
"""Scales in fp16 are of opset 19 and later; read by ONNX Runtime from 1.17 and TensorRT from 10.0."""

INPUT, OUTPUT = "frame", "translated"

T = TypeVar("T")


@dataclass(frozen=True)
class Exported:
    """A model in place.

    Attributes:
        model: NAME.onnx; NAME.json is beside it.
        manifest: what NAME.json says.
        report: how closely the file matches the run.
    """

    model: Path
    manifest: Manifest
    report: VerifyReport


@dataclass(frozen=True)
class Int8:
    """How an int8 file is made.

    Attributes:
        calibrate: a video or images like those that the model will see.
        variant: "cpu" or "tensorrt".
        skip: layers that stay in float; a name stands for all layers that it begins.
        allow_low_quality: also write a file whose frames differ too much.
    """

    calibrate: Path
    variant: str = "cpu"
    skip: tuple[str, ...] = ()
    allow_low_quality: bool = False

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise ConfigError(f"int8 for {self.variant!r}, expected one of {', '.join(VARIANTS)}")


def export_run(
    run: Path,
    to: str,
    *,
    output: Path | None = None,
    detail: str = "guided",
    frame_size: tuple[int, int] | None = None,
    network_size: int | None = None,
    precision: str = "fp32",
    int8: Int8 | None = None,
    frames: Path | None = None,
    best: bool = False,
    batch: int = 1,
    overwrite: bool = True,
    **head: float | None,
) -> Exported:
    """Exports one direction of a run, whole and verified or not at all.

    Args:
        run: a training run's folder.
        to: the domain to translate to.
        output: the .onnx file, or an existing folder for it; None for the current folder.
        detail: "guided" for the full-resolution head, or "none".
        frame_size: width and height of the frames that the model takes; None for any size with the
            guided head, and for the size that the run was trained on without it.
        network_size: short side of the image that E and G see; None for the one of the training.
        precision: "fp32", "fp16" for E and G in half precision, or "int8" for their convolutions in int8.
        int8: how, with "int8" only.
        frames: images or a video to verify on; None for those of the calibration, or built-in scenes.
        best: the weights that scored best in training, not the newest.
        batch: frames that the model takes in one call.
        overwrite: replace a file of that name.
        head: settings of the guided head by the names of `Detail`, instead of the run's own: residual,
            residual_colour, highlights, saturation, brightness, coolness, contrast, sharpness, stray_colour,
            magenta, hue, gain_limit, red_lights, green_lights, margin; None leaves one as it is.

    Raises:
        SinkError: there is such a file, and it may not be replaced.
        ConfigError: an unknown domain, a size that the network can't take, or an unusable output path.
        CheckpointError: the run is missing or damaged.
        ModelError: the files can't be written.
        VerifyError: the file computes something else than the run, or int8 does too much damage.
        DataError, SourceError: `frames` or those of the calibration are missing or unreadable.
    """
    _check_precision(precision, int8)
    trained = load_run(run, best)
    source = trained.source_of(to)
    shapes = export_shapes(trained.config, detail, frame_size, network_size, head, batch)
    suffix = {"fp32": "", "fp16": "-fp16"}.get(precision, "-int8")
    if int8 is not None and int8.variant == "tensorrt":
        suffix += "-tensorrt"
    path = output_path(output, _name(trained, source, to) + suffix, overwrite=overwrite)
    calibration = None if int8 is None else CalibrationFrames(int8.calibrate, shapes.frame_size)
    translator = Translator(trained.unit, source, shapes.guided)
    as_trained = AsTrained(trained.unit, source, shapes.guided)
    reference = Reference(as_trained, shapes.frame_size, frames or (int8.calibrate if int8 else None))
    manifest = _manifest(trained, source, shapes, precision, path.stem)
    del trained, as_trained  # the networks of both domains; the translator has what it needs
    half = precision == "fp16" or (int8 is not None and int8.variant == "tensorrt")
    opset = OPSET_OF_HALF_INT8 if half and int8 is not None else OPSET
    content = serialise(in_fp16(translator) if half else translator, manifest, opset)
    content = with_small_upsampling(content)
    if shapes.detail is not None:
        content, cut = with_named_cut(content)
        manifest = dataclasses.replace(manifest, cut=cut)
    with workspace(path) as folder:
        temporary = folder / path.name

        def run_with(content: bytes, work: Callable[[Runner], T], *, whole: bool = True) -> T:
            temporary.write_bytes(content)
            dataclasses.replace(manifest, sha256=sha256_of(temporary)).write(temporary.with_suffix(".json"))
            with open_runner(temporary, "onnxruntime", lean=True, whole=whole) as runner:
                return work(runner)

        made = None
        if int8 is not None and calibration is not None:
            made = quantise_what_can_be(
                content,
                calibration,
                int8.variant,
                int8.skip,
                lambda content: run_with(content, reference.compare).psnr_db,
                TOLERANCES["int8"].psnr_db,
                _mover(translator, calibration, run_with),
            )
            content = made.content
            manifest = dataclasses.replace(manifest, int8=_record(int8, made, calibration))
        if int8 is not None:
            manifest.versions["onnxruntime"] = onnxruntime.__version__
        manifest = dataclasses.replace(manifest, costs=count_costs(onnx.load_model_from_string(content)))
        report = run_with(content, reference.compare)
        reports = [report, run_with(content, reference.compare, whole=False)] if manifest.cut else [report]
        if int8 is None or not int8.allow_low_quality:
            for each in reports:
                check_report(path, manifest, each, made)
        manifest = dataclasses.replace(manifest, sha256=sha256_of(temporary))
        manifest.write(temporary.with_suffix(".json"))
        temporary.replace(path)
        temporary.with_suffix(".json").replace(path.with_suffix(".json"))
    return Exported(path, manifest, report)


def _check_precision(precision: str, int8: Int8 | None) -> None:
    if precision not in PRECISIONS:
        raise ConfigError(f"precision = {precision!r}, expected one of {', '.join(PRECISIONS)}")
    if precision == "int8" and int8 is None:
        raise ConfigError("precision int8 needs frames to calibrate on: --calibrate VIDEO or FOLDER")
    if precision != "int8" and int8 is not None:
        raise ConfigError(f"frames to calibrate on with precision {precision}; expected int8")


def _mover(
    translator: Translator,
    calibration: CalibrationFrames,
    run_with: Callable[[bytes, Callable[[Runner], float]], float],
) -> Callable[[bytes], float] | None:
    """How far a file moves translated frames; None without the package for it."""
    try:
        moved = Moved(translator, calibration.first(FRAMES))
    except ConfigError:
        return None
    return lambda content: run_with(content, moved.by)


def _record(int8: Int8, made: Quantised, calibration: CalibrationFrames) -> dict[str, Any]:
    return {
        "for": int8.variant,
        "calibrated_on": calibration.path.name,
        "frames": calibration.taken,
        "in_float": [*int8.skip, *made.left],
        "moved": None if made.moved is None else round(made.moved, 3),
        "psnr_db_alone": {layer: round(psnr, 2) for layer, psnr in made.damage.items()},
    }


def _name(trained: TrainedRun, source: int, to: str) -> str:
    """A model's name where none is given; a bundled model's is that of its own run alone."""
    name = f"{trained.domains[source]}2{to}-{trained.config.preset}"
    for _, manifest in bundled_models():
        if manifest.name == name and manifest.made_from.get("weights_sha256") != trained.weights_sha256:
            return f"{trained.domains[source]}2{to}-{trained.path.resolve().name}"
    return name


def output_path(output: Path | None, name: str, *, overwrite: bool = True) -> Path:
    """Where a model goes: NAME.onnx in the current or the given folder, or the given file.

    Raises:
        ConfigError: another suffix, or a folder that is not there.
        SinkError: there is such a file, and it may not be replaced.
    """
    path = Path(f"{name}.onnx") if output is None else output
    if path.is_dir():
        path = path / f"{name}.onnx"
    if path.suffix != ".onnx":
        raise ConfigError(f"output {path}, expected a name that ends in .onnx, or an existing folder")
    if not path.parent.is_dir():
        raise ConfigError(f"output {path}: there is no folder {path.parent}; make it first")
    if path.exists() and not overwrite:
        raise SinkError(
            f"{path}: exists already; add --overwrite (overwrite=True) to replace it, or name another"
        )
    return path


@contextlib.contextmanager
def workspace(path: Path) -> Iterator[Path]:
    """A folder beside the output, so that finished files can be renamed into place; removed at the end."""
    try:
        with folder_beside(path) as folder:
            yield folder
    except UnitEdgeError:  # some of them are OSErrors too
        raise
    except OSError as error:
        raise ModelError(f"{path}: can't be written ({error.strerror or error})") from None


def _manifest(trained: TrainedRun, source: int, shapes: ExportShapes, precision: str, name: str) -> Manifest:
    width, height = shapes.frame_size or (None, None)
    return Manifest(
        name=name,
        source=trained.domains[source],
        target=trained.domains[1 - source],
        preset=trained.config.preset,
        precision=precision,
        input=TensorSpec(INPUT, "uint8", (shapes.batch, height, width, 3)),
        output=TensorSpec(OUTPUT, "uint8", (shapes.batch, height, width, 3)),
        network_short_side=shapes.short_side,
        network_size=shapes.network_size,
        detail="none" if shapes.detail is None else "guided",
        sha256="",
        detail_settings={} if shapes.detail is None else dataclasses.asdict(shapes.detail),
        made_from=trained.provenance(),
        versions={"unit_edge": __version__, "torch": torch.__version__, "onnx": onnx.__version__},
    )


def serialise(module: torch.nn.Module, manifest: Manifest, opset: int = OPSET) -> bytes:
    """The ONNX file's content; the same for the same run and versions.

    Args:
        module: takes and returns what the manifest's `input` and `output` say.
        manifest: of the file.
        opset: of the file.
    """
    model = graph_of(module, manifest.input, manifest.output.name, opset)
    model.producer_name, model.producer_version = "unit-edge", __version__
    model.graph.name = manifest.name
    facts = {
        "name": manifest.name,
        "source": manifest.source,
        "target": manifest.target,
        "preset": manifest.preset,
        "precision": manifest.precision,
        "network_short_side": str(manifest.network_short_side),
        "detail": manifest.detail,
    }
    onnx.helper.set_model_props(model, facts)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def graph_of(module: torch.nn.Module, taken: TensorSpec, output: str, opset: int) -> Any:
    """The onnx.ModelProto of a module, without names and notes of its makers.

    Args:
        module: takes and returns images.
        taken: what it takes; a height or width of None becomes a symbol.
        output: name of what it returns.
        opset: of the graph.
    """
    batch, height, width, channels = taken.shape
    sides = None
    if height is None or width is None:
        limits = dict(zip(("min", "max"), FRAME_SIDES, strict=True))
        sides = {1: torch.export.Dim("height", **limits), 2: torch.export.Dim("width", **limits)}
    # the size of the example decides nothing where height and width are symbols
    size = (batch or 1, height or 240, width or 320, channels or 3)
    with _quiet(), _no_collections():
        program = torch.onnx.export(
            module,
            (torch.zeros(size, dtype=torch.uint8),),
            dynamo=True,
            external_data=False,
            verbose=False,
            opset_version=opset,
            input_names=[taken.name],
            output_names=[output],
            dynamic_shapes=None if sides is None else {"frame": sides},
        )
    assert program is not None  # only without dynamo
    model: Any = program.model_proto
    _strip(model)
    return model


def _strip(model: Any) -> None:
    """Removes the exporter's notes: stack traces with this machine's paths, on every node."""
    graph = model.graph
    parts = (graph.node, graph.input, graph.output, graph.value_info, graph.initializer)
    for item in (model, graph, *(item for part in parts for item in part)):
        item.ClearField("doc_string")
        item.ClearField("metadata_props")


@contextlib.contextmanager
def _no_collections() -> Iterator[None]:
    """Python doesn't look for garbage meanwhile: all that the exporter makes lives to its end anyway."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the exporter's warnings and progress from the user; errors come as exceptions."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
