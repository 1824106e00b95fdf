"""A user's ONNX network as ONNX Runtime opens it, with an input for pictures."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import BackendError, ModelError
from unit_edge.runtime.check.networks.decoders.layout import Size, Tensors
from unit_edge.runtime.check.networks.fit import Placement, Preprocess, as_input, place
from unit_edge.text.printable import one_line

_SIZE_WHERE_FREE = (640, 640)
_SIZES_NAME = "orig_target_sizes"  # of RT-DETR's export: it gives boxes in pixels of this size
_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}


class Network:
    """A context manager: the constructor stores, `with` opens the file."""

    def __init__(self, path: Path, *, size: Size | None = None, threads: int | None = None) -> None:
        """`size` is of the input where the file leaves it open; 640x640 if nobody says."""
        self.path, self._wanted, self._threads = path, size, threads

    def __enter__(self) -> Network:
        try:
            from unit_edge.runtime.backends.onnxruntime.session import CPU, open_session, session_options
        except ModuleNotFoundError as error:
            if error.name != "onnxruntime":
                raise
            raise BackendError(
                'this runs networks with ONNX Runtime: `pip install "unit-edge[cpu]"`'
            ) from None
        if not self.path.is_file():
            raise ModelError(f"{self.path}: no such file; expected a network as an .onnx file")
        options = session_options()
        options.intra_op_num_threads = self._threads or 0
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = open_session(self.path, [CPU], options)
        self._read_input()
        self.metadata = dict(self._session.get_modelmeta().custom_metadata_map)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self._session

    def _read_input(self) -> None:
        picture, *others = self._session.get_inputs()
        text = ", ".join(f"{i.name} {i.type}{i.shape}" for i in (picture, *others))
        batch, shape = picture.shape[:-3], [n if isinstance(n, int) else None for n in picture.shape[-3:]]
        if (
            picture.type not in _DTYPES
            or len(shape) != 3
            or len(batch) > 1
            or (batch and isinstance(batch[0], int) and batch[0] != 1)
            or 3 not in (shape[0], shape[2])
            or [other.name for other in others] not in ([], [_SIZES_NAME])
        ):
            raise ModelError(
                f"{self.path}: its inputs are {text}; expected one picture, float or uint8, [1,3,H,W] or "
                "[1,H,W,3], with or without the 1; export it for one picture at a time"
            )
        self._name, self._dtype = picture.name, _DTYPES[picture.type]
        self._batched, self._nhwc = bool(batch), shape[0] != 3
        height, width = shape[:2] if self._nhwc else shape[1:]
        free_width, free_height = self._wanted or _SIZE_WHERE_FREE
        self.size: Size = width or free_width, height or free_height
        if self._wanted is not None and self.size != self._wanted:
            raise ModelError(
                "{}: takes {}x{} pixels and can't be run at {}x{}; leave --detector-size out".format(
                    self.path, *self.size, *self._wanted
                )
            )
        self.takes_sizes = bool(others)

    def __call__(self, image: NDArray[np.uint8], preprocess: Preprocess) -> tuple[Tensors, Placement]:
        """Runs on a frame uint8[H,W,3] BGR: the outputs by name, and where the frame lay on the input.

        Raises:
            BackendError: it failed.
        """
        canvas, placement = place(image, *self.size, preprocess.fit)
        given = self._as_given(canvas, preprocess)
        feed: dict[str, NDArray[np.generic]] = {self._name: given if self._batched else given[0]}
        if self.takes_sizes:
            feed[_SIZES_NAME] = np.array([self.size], np.int64)
        names = [output.name for output in self._session.get_outputs()]
        try:
            outputs = self._session.run(names, feed)
        except Exception as error:  # onnxruntime's exceptions share no base but this
            raise BackendError(f"{self.path}: ONNX Runtime failed: {one_line(error)}") from error
        return dict(zip(names, map(np.asarray, outputs), strict=True)), placement

    def _as_given(self, canvas: NDArray[np.uint8], preprocess: Preprocess) -> NDArray[np.generic]:
        if self._dtype == np.uint8:
            image = canvas[..., ::-1] if preprocess.colour == "rgb" else canvas
            return np.ascontiguousarray(image[None] if self._nhwc else image.transpose(2, 0, 1)[None])
        values = as_input(canvas, preprocess).astype(self._dtype, copy=False)
        return np.ascontiguousarray(values.transpose(0, 2, 3, 1)) if self._nhwc else values
