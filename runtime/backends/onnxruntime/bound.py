"""A session of ONNX Runtime for frames of one size, with its memory on the device."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from unit_edge.errors import BackendError
from unit_edge.runtime.backends.gpu_times import GpuTimes
from unit_edge.text.printable import one_line


class BoundSession:
    """Input and output stay where they are on the device: one copy up and one down for each frame.

    A CUDA graph needs that too, since it reads and writes the addresses that it was captured with.
    """

    def __init__(
        self, session: ort.InferenceSession, shape: tuple[int, ...], names: tuple[str, str], device: str
    ) -> None:
        """Acquires memory for uint8 frames of a shape.

        Args:
            names: of the graph's input and output.
            device: where it runs, "cuda" or "cpu".
        """
        self._session = session
        self.gpu_times: GpuTimes | None = None  # of the last call
        self._input, self._output = (
            ort.OrtValue.ortvalue_from_shape_and_type(shape, np.uint8, device, 0) for _ in names
        )
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(names[0], self._input)
        self._binding.bind_ortvalue_output(names[1], self._output)

    def infer(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Frames of its shape to their translations.

        Raises:
            BackendError: ONNX Runtime fails; the text is its own.
        """
        times = [time.perf_counter()]
        try:
            self._input.update_inplace(np.ascontiguousarray(frames))
            times.append(time.perf_counter())
            self._session.run_with_iobinding(self._binding)
            times.append(time.perf_counter())
            translated = np.asarray(self._output.numpy(), dtype=np.uint8)
            times.append(time.perf_counter())
        except Exception as error:  # onnxruntime's exceptions share no base but this
            raise BackendError(one_line(error)) from error
        self.gpu_times = GpuTimes(*(end - begin for begin, end in pairwise(times)))
        # of the CPU's memory it is a view
        return translated if translated.flags.owndata else translated.copy()
