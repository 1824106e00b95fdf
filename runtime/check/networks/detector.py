"""A user's detector: a frame in, boxes with names of classes out."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import ConfigError, ModelError
from unit_edge.runtime.check.boxes import Boxes, suppressed
from unit_edge.runtime.check.networks.decoders.detr import DETR
from unit_edge.runtime.check.networks.decoders.extras import boxes_alone
from unit_edge.runtime.check.networks.decoders.known import layout_of
from unit_edge.runtime.check.networks.decoders.layout import Size, Tensors
from unit_edge.runtime.check.networks.fit import PADDING, Preprocess
from unit_edge.runtime.check.networks.names import COCO, coco_ids, names_in, read_names
from unit_edge.runtime.check.networks.network import Network


@dataclass(frozen=True)
class DetectorOptions:
    """How a detector is to be run; None where it is to be recognised.

    Attributes:
        decode: name of the layout of its outputs.
        preprocess: words of `Preprocess.changed`.
        classes: a file with the names of its classes.
        only: names of the classes that count; empty for all.
        size: width and height of its input, where the file leaves them open.
        nms: IoU above which the weaker of two boxes of one class is suppressed.
        threads: of ONNX Runtime.
    """

    decode: str | None = None
    preprocess: str | None = None
    classes: Path | None = None
    only: tuple[str, ...] = ()
    size: Size | None = None
    nms: float = 0.5
    threads: int | None = None


class Detector:
    """A context manager: the constructor stores, `with` opens the file and recognises its layout.

    Attributes:
        names: of the classes, by number.
        notes: what had to be assumed.
    """

    def __init__(self, path: Path, options: DetectorOptions | None = None) -> None:
        self.path, self._options = path, options or DetectorOptions()

    def __enter__(self) -> Detector:
        options = self._options
        with ExitStack() as stack:
            self._network = stack.enter_context(
                Network(self.path, size=options.size, threads=options.threads)
            )
            width, height = self._network.size
            # The shapes of its outputs are often left open in the file, so it is run once.
            grey = np.full((height, width, 3), PADDING, np.uint8)
            outputs, _ = self._network(grey, Preprocess())
            outputs = boxes_alone(str(self.path), outputs, self._network.metadata)
            told = self._told_names()
            count = None if told is None else len(told)
            self.layout = layout_of(str(self.path), outputs, self._network.size, options.decode, count)
            self.preprocess = self.layout.preprocess.changed(options.preprocess)
            self.names, self.notes = self._find_names(outputs, told)
            if self.layout is DETR and told is None and options.decode is None:
                self.notes.append(
                    "its last class is taken for no object, as DETR has it; of RT-DETR's kind, without one, "
                    "say --decode detr-sigmoid, or name all classes with --classes"
                )
            self._only = self._numbers(options.only)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def __call__(self, image: NDArray[np.uint8], floor: float) -> Boxes:
        """Boxes of at least that confidence on a frame uint8[H,W,3] BGR, in its pixels.

        Raises:
            BackendError: it failed.
            ModelError: it gave a class that has no name.
        """
        outputs, placement = self._network(image, self.preprocess)
        outputs = boxes_alone(str(self.path), outputs, self._network.metadata)
        boxes = self.layout.decode(outputs, self._network.size, floor)
        finite = np.isfinite(boxes.xyxy).all(1) & np.isfinite(boxes.scores)
        boxes = boxes.take(finite)
        if len(boxes) and not 0 <= boxes.classes.min() <= boxes.classes.max() < len(self.names):
            raise ModelError(
                f"{self.path}: gave class {boxes.classes.max()}, but {len(self.names)} classes have "
                "names; give a --classes file with all of them"
            )
        if self._only is not None:
            boxes = boxes.take(np.isin(boxes.classes, self._only))
        if self.layout.overlapping:
            boxes = suppressed(boxes, self._options.nms)
        height, width = image.shape[:2]
        return placement.back(boxes).clipped(width, height)

    def about(self) -> dict[str, object]:
        """What it is, for the report."""
        return {
            "path": str(self.path),
            "layout": self.layout.name,
            "preprocess": self.preprocess.text,
            "size": "{}x{}".format(*self._network.size),
            "classes": len(self.names),
        }

    def _told_names(self) -> list[str] | None:
        if self._options.classes is not None:
            return read_names(self._options.classes)
        return names_in(self._network.metadata)

    def _find_names(self, outputs: Tensors, names: list[str] | None) -> tuple[list[str], list[str]]:
        count = self.layout.count(outputs)
        notes: list[str] = []
        if names is None:
            if count in (None, 91) and self._numbered_as_coco(outputs):
                names = coco_ids()
                notes.append("the detector's file doesn't name its classes: COCO's ids 1-90 are assumed")
            elif count is None or count == len(COCO):
                names = list(COCO)
                notes.append("the detector's file doesn't name its classes: COCO's 80 are assumed")
            else:
                names = [f"class {number}" for number in range(count)]
                notes.append("the detector's file doesn't name its classes; --classes FILE does")
        if count is not None and len(names) != count:
            where = self._options.classes or "its metadata"
            raise ConfigError(
                f"{self.path}: has {count} classes, but {where} names {len(names)}; give the --classes file "
                "that belongs to it"
            )
        return names, notes

    def _numbered_as_coco(self, outputs: Tensors) -> bool:
        """Whether a class is a category id with gaps, as of models that were trained on these."""
        return self.layout.coco_ids and not self._network.takes_sizes and "det_classes" not in outputs

    def _numbers(self, only: tuple[str, ...]) -> list[int] | None:
        unknown = [name for name in only if name not in self.names]
        if unknown:
            known = ", ".join(name for name in self.names[:12] if name)
            raise ConfigError(
                f"--only {','.join(only)}: the detector has no class {unknown[0]!r}; it has {known}"
                + (f" and {len(self.names) - 12} more" if len(self.names) > 12 else "")
            )
        return [self.names.index(name) for name in only] if only else None
