"""The one way to open what runs a model; the protocol is in base.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unit_edge.errors import BackendError, ConfigError, ModelError
from unit_edge.files.onnx_file import check_onnx
from unit_edge.files.onnx_limits import check_limits
from unit_edge.files.writing import what_else
from unit_edge.frames import FRAME_SIDES
from unit_edge.manifests.engine import EngineManifest, check_engine
from unit_edge.manifests.model import Manifest, TensorSpec, sha256_of, size_text, tensor_text
from unit_edge.registry import bundled_models, find_model, resolve_model
from unit_edge.runtime.backends.base import Runner
from unit_edge.runtime.backends.choice import NO_ONNXRUNTIME, decide
from unit_edge.runtime.backends.cores import physical_cores

BACKENDS = (
    "auto",
    "onnxruntime",
    "onnxruntime-cuda",
    "onnxruntime-tensorrt",
    "openvino",
    "openvino-bf16",
    "tensorrt",
)
ENGINE_SUFFIX = ".engine"
_ONNX_FIRST_BYTE = 0x08  # the tag of ir_version, which every ONNX file begins with


@dataclass(frozen=True)
class CheckedModel:
    """A model file that was compared with its manifest.

    Attributes:
        path: of the file.
        manifest: of the model; of an engine, that of the ONNX file it is from.
        about: of an engine, its own manifest.
    """

    path: Path
    manifest: Manifest
    about: EngineManifest | None = None


def open_runner(
    model: str | Path | CheckedModel,
    backend: str = "auto",
    *,
    threads: int | None = None,
    lean: bool = False,
    whole: bool = False,
) -> Runner:
    """The runner for a model file, checked against its manifest; to be entered with `with`.

    Args:
        model: a file, or the name of a bundled model, such as "day2night-edge-s", or a domain that a single
            one translates to, such as "night"; one that is checked already isn't read again.
        backend: "auto" for what `choose_backend` finds best; another is that one or an error.
        threads: of the inference on a CPU; None for as many as there are cores.
        lean: have ONNX Runtime take a third less memory on a CPU, and up to a third more time.
        whole: have CPUs run all of the graph, also where they could run E and G alone.

    Raises:
        ModelError: the file or its manifest is missing, damaged, or of something else than frames.
        BackendError: the backend isn't installed or doesn't work here.
        ConfigError: no such backend.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"unknown backend {backend!r}; known: {', '.join(BACKENDS)}")
    checked = model if isinstance(model, CheckedModel) else check_model(_path_of(model))
    model, manifest = checked.path, checked.manifest
    is_engine = model.suffix.lower() == ENGINE_SUFFIX
    backend = decide(backend, manifest, is_engine=is_engine, model=model).backend
    if is_engine:
        if backend != "tensorrt":
            raise ConfigError(f"{model}: is run by TensorRT, not by {backend}; leave --backend out")
        from unit_edge.runtime.backends.tensorrt.runner import TensorRtRunner

        return TensorRtRunner(model, checked.about)
    if backend == "tensorrt":
        raise ConfigError(f"{model}: TensorRT runs engines; build one here with `unit-edge build {model}`")
    if backend.startswith("openvino"):
        return _openvino(model, manifest, threads, whole, bf16=backend == "openvino-bf16")
    return _onnxruntime(model, manifest, backend, threads, lean, whole)


def _path_of(model: str | Path) -> Path:
    path = resolve_model(str(model))
    if isinstance(model, Path) or path.exists():
        return path
    domains = {manifest.target for _, manifest in bundled_models()}
    return find_model(model) if model.casefold() in domains else path


def _onnxruntime(
    model: Path, manifest: Manifest, backend: str, threads: int | None, lean: bool, whole: bool
) -> Runner:
    try:
        from unit_edge.runtime.backends.onnxruntime.cpu import OrtRunner
        from unit_edge.runtime.backends.onnxruntime.gpu import OrtGpuRunner
        from unit_edge.runtime.backends.onnxruntime.pair import OrtPairRunner
    except ModuleNotFoundError as error:
        if error.name != "onnxruntime":
            raise
        raise BackendError(NO_ONNXRUNTIME) from None
    if backend == "onnxruntime":
        if lean or (threads or physical_cores()) == 1:
            return OrtRunner(model, manifest, threads=threads, lean=lean, whole=whole)
        return OrtPairRunner(model, manifest, threads=threads, whole=whole)
    return OrtGpuRunner(model, manifest, tensorrt=backend == "onnxruntime-tensorrt")


def _openvino(model: Path, manifest: Manifest, threads: int | None, whole: bool, *, bf16: bool) -> Runner:
    try:
        from unit_edge.runtime.backends.openvino.runner import OpenVinoRunner
    except ModuleNotFoundError as error:
        if error.name != "openvino":
            raise
        raise BackendError('OpenVINO is not installed; `pip install "unit-edge[openvino]"`') from None
    return OpenVinoRunner(model, manifest, threads=threads, whole=whole, bf16=bf16)


def read_model(model: Path) -> Manifest:
    """The manifest of a model file, see `check_model`."""
    return check_model(model).manifest


def check_model(model: Path) -> CheckedModel:
    """Compares a model file with its manifest, which takes reading the whole file.

    Raises:
        ModelError: see `open_runner`.
    """
    if (model / "config.json").is_file():
        raise ModelError(
            f"{model}: is a training run; make a model of it first: "
            f"`unit-edge export {model} --to DOMAIN -o {model.name}.onnx`"
        )
    if other := what_else(model):
        raise ModelError(
            f"{model}: is {other}, expected a model file; `unit-edge models` lists the bundled ones"
        )
    if not model.is_file():
        raise ModelError(f"{model}: no such model file; `unit-edge models` lists the bundled ones")
    if model.suffix.lower() == ENGINE_SUFFIX:
        about = check_engine(model)
        manifest = Manifest.from_dict(about.model, model.with_suffix(".json"))
        for tensor in (manifest.input, manifest.output):
            _check_frames(model, tensor)
        return CheckedModel(model, manifest, about)
    if model.suffix.lower() != ".onnx":
        raise ModelError(f"{model}: unknown kind of model file; expected one that ends in .onnx or .engine")
    with model.open("rb") as file:
        if file.read(1) != bytes([_ONNX_FIRST_BYTE]):
            raise ModelError(f"{model}: not an ONNX model; `unit-edge export` writes one")
    manifest_path = model.with_suffix(".json")
    manifest = Manifest.read(manifest_path)
    if len(manifest.output.shape) == 2:
        raise ModelError(
            f"{model}: is a classifier, which `unit-edge accuracy` runs; "
            "expected a model that translates frames"
        )
    for tensor in (manifest.input, manifest.output):
        _check_frames(model, tensor)
    if manifest.input.shape[1:3] != manifest.output.shape[1:3]:
        raise ModelError(
            f"{model}: takes frames of {size_text(manifest.input)} and gives {size_text(manifest.output)}; "
            "expected the same size; export the model again"
        )
    if sha256_of(model) != manifest.sha256:
        raise ModelError(
            f"{model}: differs from its manifest {manifest_path.name} (another sha256); "
            "copy both files again from the same place, or export the model again"
        )
    check_onnx(model)
    # backends make what doesn't depend on the frame when they load a model: the same for the least one
    batch, height, width, _ = manifest.input.shape
    check_limits(model, (batch or 1, height or FRAME_SIDES[0], width or FRAME_SIDES[0], 3))
    return CheckedModel(model, manifest)


def _check_frames(model: Path, tensor: TensorSpec) -> None:
    shape = tensor.shape
    if tensor.dtype != "uint8" or len(shape) != 4 or shape[3] != 3:
        raise ModelError(
            f"{model}: made for other tensors: {tensor.name} is {tensor_text(tensor.dtype, shape)}, "
            "expected uint8[N,H,W,3]; export the model with `unit-edge export`"
        )
