"""A user's segmentation or lane network: a frame in, a class for each pixel out."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import ConfigError, ModelError
from unit_edge.manifests.model import tensor_text
from unit_edge.runtime.check.networks.decoders.layout import Array, Size
from unit_edge.runtime.check.networks.fit import PADDING, Preprocess
from unit_edge.runtime.check.networks.names import names_in, read_names
from unit_edge.runtime.check.networks.network import Network

CITYSCAPES = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation"),
    *("terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
)
"""The 19 train ids."""

_LANES = {
    "da": "drivable area",
    "ll": "lane lines",
    "drive_area_seg": "drivable area",
    "lane_line_seg": "lane lines",
}
Masks = dict[str, NDArray[np.int64]]
"""Of each output that is a segmentation, int64[h,w]: a class for each pixel of the network's own size."""


class Segmenter:
    """A context manager: the constructor stores, `with` opens the file and looks at its outputs.

    Attributes:
        names: of the classes of each output.
        notes: what had to be assumed.
    """

    def __init__(
        self,
        path: Path,
        *,
        preprocess: str | None = None,
        classes: Path | None = None,
        size: Size | None = None,
        threads: int | None = None,
    ) -> None:
        """`preprocess` are words of `Preprocess.changed`, `classes` a file with names."""
        self.path, self._words, self._classes = path, preprocess, classes
        self._network = Network(path, size=size, threads=threads)

    def __enter__(self) -> Segmenter:
        with ExitStack() as stack:
            stack.enter_context(self._network)
            width, height = self._network.size
            grey = np.full((height, width, 3), PADDING, np.uint8)
            outputs, _ = self._network(grey, Preprocess("stretch"))
            self._outputs = [name for name, tensor in outputs.items() if _is_map(tensor)]
            if not self._outputs:
                given = ", ".join(f"{n} {tensor_text(str(t.dtype), t.shape)}" for n, t in outputs.items())
                raise ModelError(
                    f"{self.path}: its outputs are {given}; expected a segmentation: scores [1,C,H,W], "
                    "a mask [1,1,H,W] of values in 0..1, or whole numbers [1,H,W]"
                )
            self.notes: list[str] = []
            self.names = {name: self._names_of(name, outputs[name]) for name in self._outputs}
            # A file doesn't tell whether it was trained on ImageNet's statistics; lane networks weren't.
            lanes = all(name in _LANES for name in self._outputs)
            default = Preprocess("stretch", "rgb", "0-1" if lanes else "imagenet")
            self.preprocess = default.changed(self._words)
            if self._words is None:
                self.notes.append(
                    f"the segmenter is taken to expect {self.preprocess.text}; --segmenter-preprocess "
                    "says otherwise"
                )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def __call__(self, image: NDArray[np.uint8]) -> Masks:
        """Classes of a frame uint8[H,W,3] BGR, for each output that is a segmentation."""
        outputs, _ = self._network(image, self.preprocess)
        return {name: _classes(outputs[name]) for name in self._outputs}

    def about(self) -> dict[str, object]:
        """What it is, for the report."""
        return {
            "path": str(self.path),
            "preprocess": self.preprocess.text,
            "size": "{}x{}".format(*self._network.size),
            "outputs": self._outputs,
        }

    def _names_of(self, output: str, tensor: Array) -> list[str]:
        count = tensor.shape[1] if tensor.ndim == 4 else None
        if output in _LANES:
            return ["", _LANES[output]]
        if count == 1:
            return ["", output]
        names = None if self._classes is None else read_names(self._classes)
        names = names or names_in(self._network.metadata)
        if names is not None and count is not None and len(names) < count:
            raise ConfigError(
                f"{self.path}: has {count} classes, but {self._classes or 'its metadata'} names "
                f"{len(names)}; give all of them with --segmenter-classes"
            )
        if names is None and count in (19, 20):
            self.notes.append(
                "the segmenter's file doesn't name its classes: Cityscapes' train ids are assumed"
            )
            names = [*CITYSCAPES, "background"][:count]
        return names or [f"class {number}" for number in range(count or 256)]


def _is_map(tensor: Array) -> bool:
    if tensor.ndim == 4:
        return bool(tensor.shape[0] == 1 and tensor.shape[1] <= 512 and min(tensor.shape[2:]) >= 8)
    return bool(
        tensor.ndim == 3
        and tensor.shape[0] == 1
        and np.issubdtype(tensor.dtype, np.integer)
        and min(tensor.shape[1:]) >= 8
    )


def _classes(tensor: Array) -> NDArray[np.int64]:
    """int64[H,W] of scores [1,C,H,W], of a mask [1,1,H,W], or of whole numbers [1,H,W]."""
    if tensor.ndim == 3:
        return np.asarray(tensor[0], np.int64)
    if tensor.shape[1] == 1:
        return np.asarray(tensor[0, 0] >= 0.5, np.int64)
    return np.asarray(tensor[0].argmax(0), np.int64)
