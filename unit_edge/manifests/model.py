"""The JSON file beside every exported model: what it is, what it needs, what it was made from."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from unit_edge.errors import ConfigError, ModelError, require
from unit_edge.files.reading import read_json
from unit_edge.files.typed import Within, build
from unit_edge.files.writing import replacing
from unit_edge.manifests.costs import Costs

SCHEMA = 1
PRECISIONS = ("fp32", "fp16", "int8")
CUT = {"small", "translated"}
"""The tensors that `Manifest.cut` names."""
SIDE_AT_MOST = 2**15
"""Pixels of a frame's or network's side: what codecs and pictures hold."""
Side = Annotated[int, Within(1, SIDE_AT_MOST)]
_Text = Annotated[str, Within(0, 512)]
_Shape = Annotated[tuple[Side | None, ...], Within(1, 8)]


@dataclass(frozen=True)
class TensorSpec:
    """Name, dtype and shape of one graph input or output; None is a dimension of any size."""

    name: _Text
    dtype: _Text
    shape: _Shape


@dataclass(frozen=True)
class Manifest:
    """All that a program must know of a model file before it loads it.

    Attributes:
        name: of the model; the files are NAME.onnx and NAME.json.
        source: the domain that it translates from, "day".
        target: the domain that it translates to, "night".
        preset: of the networks that were trained.
        precision: "fp32", "fp16" or "int8".
        input: frame, uint8 [N,H,W,3], BGR; N is 1 unless it was exported for a batch.
        output: translated, uint8 [N,H,W,3], BGR.
        network_short_side: of the image that E and G see, in pixels; its aspect ratio is the frame's.
        network_size: width and height of that image in pixels, or None where it follows the frame's.
        detail: "guided" or "none"; with "guided", E and G see the frame shrunk.
        detail_settings: the guided head's settings, see `config.Detail`; empty with "none".
        sha256: of the model file.
        made_from: what the file was exported from (run, training step, sha256 of its weights).
        versions: of the programs that made the file.
        int8: of an int8 file: what it is for, what it was calibrated on, which layers are in float.
        cut: with "guided", names of the graph's tensors around E and G, float[N,3,h,w] in [-1, 1]: "small",
            the frame shrunk, and "translated"; empty where there are none, or none are known.
        costs: what a frame takes; None in manifests written before there was this field.
        schema: version of this format.
    """

    name: _Text
    source: _Text
    target: _Text
    preset: _Text
    precision: _Text
    input: TensorSpec
    output: TensorSpec
    network_short_side: Side
    network_size: tuple[Side, Side] | None
    detail: _Text
    sha256: _Text
    detail_settings: dict[str, float] = field(default_factory=dict)
    made_from: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    int8: dict[str, Any] = field(default_factory=dict)
    cut: dict[str, _Text] = field(default_factory=dict)
    costs: Costs | None = None
    schema: int = SCHEMA

    def write(self, path: Path) -> None:
        """Writes the JSON atomically."""
        content = json.dumps(dataclasses.asdict(self), indent=2) + "\n"
        with replacing(path) as temporary:
            temporary.write_text(content, encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Reads and checks the JSON.

        Raises:
            ModelError: it is missing, no JSON, of another schema, or a field is missing or wrong.
        """
        try:
            raw = read_json(path)
        except FileNotFoundError:
            raise ModelError(
                f"{path}: the model's manifest is missing; keep the .json beside the model file, "
                "or export the model again with `unit-edge export`"
            ) from None
        except (OSError, ValueError) as error:
            raise ModelError(f"{path}: not a readable manifest ({error}); export the model again") from None
        return cls.from_dict(raw, path)

    @classmethod
    def from_dict(cls, raw: Any, path: Path) -> Manifest:
        """The manifest that `dataclasses.asdict` or JSON made a dict of; `path` is for messages.

        Raises:
            ModelError: another schema, or a field is missing or wrong.
        """
        if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
            given = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
            raise ModelError(f"{path}: manifest schema {given!r}, expected {SCHEMA}; export the model again")
        try:
            return build(cls, raw)._checked()
        except ConfigError as error:
            raise ModelError(f"{path}: damaged manifest ({error}); export the model again") from None

    @property
    def batch(self) -> int:
        """Frames that a call takes."""
        return self.input.shape[0] or 1

    @property
    def frame_size(self) -> tuple[int, int] | None:
        """Width and height of the frames that it takes, in pixels; None for any."""
        if len(self.input.shape) != 4:
            return None
        _, height, width, _ = self.input.shape
        return None if height is None or width is None else (width, height)

    def _checked(self) -> Manifest:
        require(self.precision in PRECISIONS, "precision", self.precision, f"one of {', '.join(PRECISIONS)}")
        cut_known = not self.cut or self.cut.keys() == CUT
        require(cut_known, "cut", self.cut, f"the tensors {' and '.join(sorted(CUT))}")
        return self


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
        return digest.hexdigest()


def matches(path: Path, sha256: object) -> str:
    """Whether a file is the one that a manifest names, for people."""
    if not path.is_file():
        return f"missing: no {path.name} beside it"
    return "matches" if sha256_of(path) == sha256 else "differs: another sha256"


def tensor_text(dtype: str, shape: Any) -> str:
    """A tensor as people write it: uint8[1,?,?,3]."""
    return f"{dtype}[{','.join('?' if size is None else str(size) for size in shape)}]"


def size_text(tensor: TensorSpec) -> str:
    """Width and height of the frames: 640x480, or "any size"."""
    if len(tensor.shape) != 4:
        return tensor_text(tensor.dtype, tensor.shape)
    _, height, width, _ = tensor.shape
    return "any size" if height is None and width is None else f"{width or '?'}x{height or '?'}"
