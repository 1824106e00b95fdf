"""The manifest of a TensorRT engine, and the check that comes before an engine is loaded.

An engine file is code: it is for one GPU, one TensorRT and one operating system, and it is only to be
loaded when `check_engine` has found that it is the file that its manifest names.
"""

from __future__ import annotations

import dataclasses
import json
import platform
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from unit_edge.errors import ModelError, require
from unit_edge.files.reading import read_json
from unit_edge.files.typed import Within, build
from unit_edge.files.writing import replacing
from unit_edge.machine.gpu import Gpu
from unit_edge.manifests.model import Side, sha256_of

SCHEMA = 1
ENGINE_BACKENDS = ("tensorrt", "rtx")
_Size = tuple[Side, Side]


@dataclass(frozen=True)
class EngineManifest:
    """What NAME.json says of NAME.engine.

    Attributes:
        backend: "tensorrt" or "rtx".
        tensorrt: version of it, "10.3.0".
        gpu: name of the GPU that it was built on; None for one built without (rtx only).
        compute_capability: of that GPU, or the one it was built for; None for any that rtx knows.
        platform: operating system and processor, "Linux x86_64".
        precision: of the graph.
        flags: options that it was built with, "dla".
        profile: least, best and largest frame as (width, height) in pixels; all equal for a static one.
        bytes: size of the engine.
        sha256: of the engine.
        onnx: name of the ONNX file that it was built from.
        onnx_sha256: of that file.
        model: the ONNX file's own manifest.
        command: that builds it again.
    """

    backend: str
    tensorrt: str
    gpu: str | None
    compute_capability: str | None
    platform: str
    precision: str
    flags: tuple[str, ...]
    profile: Annotated[tuple[_Size, ...], Within(3, 3)]
    bytes: int
    sha256: str
    onnx: str
    onnx_sha256: str
    model: dict[str, Any]
    command: str
    kind: str = "engine"
    schema: int = SCHEMA

    @property
    def best_size(self) -> tuple[int, int]:
        """Width and height of the frames that it is fastest at."""
        return self.profile[1]

    def text(self) -> str:
        """What the manifest's file holds, as JSON."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> EngineManifest:
        """Reads and checks the JSON.

        Raises:
            ModelError: it is missing, no JSON, of something else, or a field is missing or wrong.
        """
        again = f"build it again with `unit-edge build MODEL.onnx -o {path.with_suffix('.engine')}`"
        try:
            raw = read_json(path)
            if not isinstance(raw, dict) or (raw.get("kind"), raw.get("schema")) != ("engine", SCHEMA):
                raise ValueError(f"no engine's manifest of schema {SCHEMA}")
            manifest = build(cls, raw)
            require(
                manifest.backend in ENGINE_BACKENDS, "backend", manifest.backend, " or ".join(ENGINE_BACKENDS)
            )
            return manifest
        except FileNotFoundError:
            raise ModelError(f"{path}: the engine's manifest is missing; {again}") from None
        except (OSError, ValueError) as error:
            raise ModelError(f"{path}: damaged engine manifest ({error}); {again}") from None


def _advice(manifest: EngineManifest, path: Path) -> str:
    """The command that builds an engine again: the manifest's, if it is one of ours and nothing else."""
    try:
        words = shlex.split(manifest.command)
    except ValueError:
        words = []
    if words[:2] == ["unit-edge", "build"]:
        return shlex.join(words)
    return f"unit-edge build MODEL.onnx -o {shlex.quote(str(path))}"


def platform_text() -> str:
    """Operating system and processor of this machine, "Linux aarch64"."""
    return f"{platform.system()} {platform.machine()}"


def check_engine(path: Path, *, tensorrt: str | None = None, gpu: Gpu | None = None) -> EngineManifest:
    """The manifest of an engine that may be loaded here, after comparing it with the whole file.

    Raises:
        ModelError: it is missing or damaged, or see `check_machine`.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such engine; `unit-edge build MODEL.onnx -o {path}` makes one")
    manifest = EngineManifest.read(path.with_suffix(".json"))
    again = f"build it again here with `{_advice(manifest, path)}`"
    size = path.stat().st_size
    if size != manifest.bytes:
        raise ModelError(f"{path}: damaged: {size} bytes, expected {manifest.bytes}; {again}")
    if sha256_of(path) != manifest.sha256:
        raise ModelError(f"{path}: differs from its manifest (another sha256); {again}")
    check_machine(path, manifest, tensorrt=tensorrt, gpu=gpu)
    return manifest


def check_machine(
    path: Path, manifest: EngineManifest, *, tensorrt: str | None = None, gpu: Gpu | None = None
) -> None:
    """Compares what an engine was built for with what is here.

    Args:
        path: of the engine.
        manifest: its own.
        tensorrt: version of the backend that is installed; None leaves that comparison out.
        gpu: of this machine; None leaves that comparison out.

    Raises:
        ModelError: it was built for something else.
    """
    differing = [("operating system", manifest.platform, platform_text())]
    if tensorrt is not None and "version-compatible" not in manifest.flags:
        differing.append(("TensorRT", manifest.tensorrt, tensorrt))
    if gpu is not None and "hardware-compatible" not in manifest.flags:
        if manifest.compute_capability is not None:
            differing.append(("compute capability", manifest.compute_capability, gpu.compute_capability))
        if manifest.gpu is not None and manifest.backend == "tensorrt":
            differing.append(("GPU", manifest.gpu, gpu.name))
    for what, built, here in differing:
        if built != here:
            again = f"build it again here with `{_advice(manifest, path)}`"
            raise ModelError(f"{path}: built for {what} {built}, here is {here}; {again}")


def write_pair(path: Path, content: bytes, manifest: EngineManifest) -> None:
    """Puts an engine and its manifest in place, each whole; an interrupted pair fails `check_engine`.

    Raises:
        ModelError: they can't be written.
    """
    try:
        # the engine takes its place first: if that fails, an earlier pair is untouched
        with replacing(path.with_suffix(".json")) as beside:
            beside.write_text(manifest.text(), encoding="utf-8")
            with replacing(path) as engine:
                engine.write_bytes(content)
    except OSError as error:
        raise ModelError(f"{path}: can't be written ({error.strerror or error})") from None


def command_text(arguments: list[str]) -> str:
    """A `unit-edge build` command as a shell takes it."""
    return shlex.join(["unit-edge", "build", *arguments])
