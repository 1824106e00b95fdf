"""From NAME.onnx to a TensorRT or TensorRT-RTX engine with its manifest; needs neither torch nor onnx."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unit_edge.boards.board import Board
from unit_edge.errors import BackendError, ConfigError, ModelError, SinkError
from unit_edge.export.weak_typing import allow_precisions, is_strong
from unit_edge.files.reading import read_json
from unit_edge.files.writing import write_output
from unit_edge.frames import FRAME_SIDES
from unit_edge.interrupt import Interrupted, StopWish, watch_signals
from unit_edge.machine.gpu import find_gpu
from unit_edge.manifests.engine import EngineManifest, command_text, platform_text, write_pair
from unit_edge.manifests.model import Manifest, size_text
from unit_edge.runtime.backends.open import read_model
from unit_edge.runtime.backends.tensorrt.module import load_tensorrt, make_logger

DEFAULT_PROFILE = ((320, 180), (1280, 720), (1920, 1080))
"""Least, best and largest frame, (width, height) in pixels, of an engine for a dynamic model."""


@dataclass(frozen=True)
class BuildOptions:
    """What the user chose.

    Attributes:
        workspace_mib: scratch memory that a layer may take; None for TensorRT's own limit.
        sizes: least, best and largest frame, (width, height) in pixels; None for the default.
    """

    backend: str = "auto"
    board: Board | None = None
    workspace_mib: int | None = None
    timing_cache: Path | None = None
    dla: bool = False
    version_compatible: bool = False
    hardware_compatible: bool = False
    sizes: tuple[tuple[int, int] | None, ...] = (None, None, None)


def build_engine(model: Path, output: Path | None, options: BuildOptions, *, overwrite: bool = True) -> Path:
    """Builds an engine, whole or not at all; returns where it is.

    Without `overwrite` only an engine of the same model is replaced.

    Raises:
        SinkError: something else is there.
        ModelError: the model is missing, damaged or refused, or the engine can't be written.
        ConfigError: an option that doesn't fit the model, the board or this TensorRT.
        BackendError: TensorRT or the GPU is missing, or the build failed.
        Interrupted: the user stopped it.
    """
    manifest = read_model(model)
    if manifest.int8.get("for", "tensorrt") != "tensorrt":
        raise ConfigError(
            f"{model}: an int8 model for CPUs, which TensorRT refuses; export it with --int8-for tensorrt"
        )
    profile = _profile(model, manifest, options.sizes)
    if options.board is not None and options.dla and not options.board.dla:
        raise ConfigError(f"board {options.board.name} has no DLA; leave --dla out")
    backend, trt = load_tensorrt(options.backend)
    if backend == "rtx" and _flags(options):
        raise ConfigError(f"TensorRT-RTX has no --{_flags(options)[0]}; leave the option out")
    path = output or model.with_name(f"{model.stem}.{backend}.engine")
    if path.suffix != ".engine" or path.with_suffix("") == model.with_suffix(""):
        raise ConfigError(f"output {path}, expected another name than the model's that ends in .engine")
    if not path.parent.is_dir():
        raise ConfigError(f"output {path}: there is no folder {path.parent}; make it first")
    if path.exists() and not overwrite and not _is_of(path, model):
        raise SinkError(
            f"{path}: exists already; add --overwrite (overwrite=True) to replace it, or name another"
        )
    gpu = find_gpu()
    if backend == "tensorrt" and gpu is None:
        raise BackendError(
            "no NVIDIA GPU or driver found here; TensorRT builds engines only on the GPU's machine"
        )
    content = model.read_bytes()
    capability = options.board.compute_capability if options.board else None
    if backend == "tensorrt" and gpu and capability not in (None, gpu.compute_capability):
        raise ConfigError(
            f"the board's compute capability {capability} is not this GPU's "
            f"({gpu.compute_capability}); build on the board itself"
        )
    engine = _build(trt, model, content, manifest, profile, options)
    built_here = gpu if backend == "tensorrt" else None
    write_pair(
        path,
        engine,
        EngineManifest(
            backend=backend,
            tensorrt=str(trt.__version__),
            gpu=built_here.name if built_here else None,
            compute_capability=built_here.compute_capability if built_here else capability,
            platform=platform_text(),
            precision=manifest.precision,
            flags=_flags(options),
            profile=profile,
            bytes=len(engine),
            sha256=hashlib.sha256(engine).hexdigest(),
            onnx=model.name,
            onnx_sha256=manifest.sha256,
            model=dataclasses.asdict(manifest),
            command=_command(model, path, backend, profile, options),
        ),
    )
    return path


def _flags(options: BuildOptions) -> tuple[str, ...]:
    names = ("dla", "version_compatible", "hardware_compatible")
    return tuple(name.replace("_", "-") for name in names if getattr(options, name))


def _command(model: Path, path: Path, backend: str, profile: Any, options: BuildOptions) -> str:
    arguments = [str(model), "-o", str(path), "--backend", backend, *(f"--{f}" for f in _flags(options))]
    arguments += ["--board", options.board.name] if options.board else []
    if options.workspace_mib is not None:
        arguments += ["--workspace", str(options.workspace_mib)]
    if profile[0] != profile[2]:
        for name, (width, height) in zip(("min", "opt", "max"), profile, strict=True):
            arguments += [f"--{name}-size", f"{width}x{height}"]
    return command_text(arguments)


def _is_of(built: Path, model: Path) -> bool:
    """Whether an engine was built of a model of that name."""
    try:
        return bool(read_json(built.with_suffix(".json"))["onnx"] == model.name)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _profile(
    model: Path, manifest: Manifest, sizes: tuple[tuple[int, int] | None, ...]
) -> tuple[tuple[int, int], ...]:
    _, height, width, _ = manifest.input.shape
    if height is not None and width is not None:
        if any(size not in (None, (width, height)) for size in sizes):
            raise ConfigError(
                f"{model}: takes frames of {size_text(manifest.input)} only; leave the sizes out"
            )
        return ((width, height),) * 3
    least, best, largest = (size or default for size, default in zip(sizes, DEFAULT_PROFILE, strict=True))
    # what was left open follows what was asked for
    if sizes[1] is None:
        best = _smaller(_larger(best, sizes[0] or (0, 0)), sizes[2] or (FRAME_SIDES[1],) * 2)
    if sizes[2] is None:
        largest = _larger(largest, best)
    if sizes[0] is None:
        least = _smaller(least, best)
    profile = (least, best, largest)
    low, high = FRAME_SIDES
    for size in profile:
        if not all(low <= side <= high for side in size):
            raise ConfigError(
                f"{model}: size {size[0]}x{size[1]}, expected sides of {FRAME_SIDES[0]} to {FRAME_SIDES[1]}"
            )
    for axis in (0, 1):
        if not profile[0][axis] <= profile[1][axis] <= profile[2][axis]:
            text = ", ".join(f"{w}x{h}" for w, h in profile)
            raise ConfigError(f"{model}: sizes {text}; expected --min-size up to --opt-size up to --max-size")
    return profile


def _smaller(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return min(a[0], b[0]), min(a[1], b[1])


def _larger(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return max(a[0], b[0]), max(a[1], b[1])


def _build(
    trt: Any, model: Path, content: bytes, manifest: Manifest, profile: Any, options: BuildOptions
) -> bytes:
    logger = make_logger(trt)
    builder = trt.Builder(logger)
    strong = trt.__name__ != "tensorrt" or is_strong(trt.__version__)
    typing = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(typing if strong else 0)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(content):
        fault = parser.get_error(0)
        raise ModelError(
            f"{model}: TensorRT refuses node {fault.node_name()!r} ({fault.node_operator()}): {fault.desc()}"
        )
    config = builder.create_builder_config()
    if options.workspace_mib is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mib << 20)
    if not strong:
        allow_precisions(trt, network, config, manifest.precision)
    _set_flags(trt, config, options)
    if profile[0] != profile[2]:
        shapes = builder.create_optimization_profile()
        shapes.set_shape(
            manifest.input.name, *((manifest.batch, height, width, 3) for width, height in profile)
        )
        config.add_optimization_profile(shapes)
    cache = None
    if options.timing_cache is not None:
        known = options.timing_cache.read_bytes() if options.timing_cache.is_file() else b""
        cache = config.create_timing_cache(known)
        config.set_timing_cache(cache, False)
    with watch_signals() as wish:
        if hasattr(trt, "IProgressMonitor"):
            monitor = _monitor(trt, wish)
            config.progress_monitor = monitor
        engine = builder.build_serialized_network(network, config)
        if wish:
            raise Interrupted(wish.signal_number)
    if engine is None:
        raise BackendError(f"{model}: TensorRT {trt.__version__} could not build an engine: {logger.said}")
    if cache is not None and options.timing_cache is not None:
        write_output(options.timing_cache, bytes(config.get_timing_cache().serialize()))
    return bytes(engine)


def _set_flags(trt: Any, config: Any, options: BuildOptions) -> None:
    lacks = "TensorRT {} has no {}; leave the option out"
    # On by default; with factors of 11 bits the head's variances are lost: 240 levels on real nights.
    config.clear_flag(trt.BuilderFlag.TF32)
    if options.version_compatible:
        flag = getattr(trt.BuilderFlag, "VERSION_COMPATIBLE", None)
        if flag is None:
            raise ConfigError(lacks.format(trt.__version__, "--version-compatible"))
        config.set_flag(flag)
    if options.hardware_compatible:
        levels = getattr(trt, "HardwareCompatibilityLevel", None)
        if levels is None:
            raise ConfigError(lacks.format(trt.__version__, "--hardware-compatible"))
        config.hardware_compatibility_level = levels.AMPERE_PLUS
    if options.dla:
        if not hasattr(config, "DLA_core") or not hasattr(trt.DeviceType, "DLA"):
            raise ConfigError(lacks.format(trt.__version__, "--dla"))
        config.default_device_type = trt.DeviceType.DLA
        config.DLA_core = 0
        config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
    if options.board is not None and hasattr(config, "set_compute_capability"):
        name = "SM" + (options.board.compute_capability or "").replace(".", "")
        capability = getattr(trt.ComputeCapability, name, None)
        if capability is None:
            raise ConfigError(f"TensorRT-RTX {trt.__version__} builds nothing for board {options.board.name}")
        config.num_compute_capabilities = 1
        config.set_compute_capability(capability, 0)


def _monitor(trt: Any, wish: StopWish) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            if sys.stderr.isatty():
                sys.stderr.write(f"\r\x1b[K{phase_name[:60]}  {step + 1}/{self.steps.get(phase_name, 0)}")
                sys.stderr.flush()
            return not wish

        def phase_finish(self, phase_name: str) -> None:
            if sys.stderr.isatty():
                sys.stderr.write("\r\x1b[K")

    return Monitor()
