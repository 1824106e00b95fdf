"""A frame's way through the GPU with TensorRT: two of them side by side overlap neighbouring frames."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import BackendError
from unit_edge.runtime.backends.cuda import Stream
from unit_edge.runtime.backends.gpu_times import GpuTimes


class Slot:
    """An execution context with a stream, memory at both ends of it, and the graph that joins them.

    A context manager. It holds one batch of frames at a time, between `start` and `finish`. Memory is
    acquired for a size of frames and kept until another size comes; upload, inference and download of a size
    are one CUDA graph where the engine can be recorded.
    """

    def __init__(self, context: Any, names: tuple[str, str], failed: Callable[[str], BackendError]) -> None:
        """`context` is a tensorrt.IExecutionContext, `names` are those of its input and output.

        `failed` makes an error of what went wrong, with what TensorRT said of it.
        """
        self._context, self._names, self._failed = context, names, failed
        self._shape: tuple[int, ...] = ()
        self.busy = False

    def __enter__(self) -> Slot:
        self._stream = Stream().__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.__exit__(kind, error, trace)  # what is under way ends first
        del self._context

    def fit(self, shape: tuple[int, ...]) -> None:
        """Prepares for frames uint8[N,H,W,3] of a shape; nothing to do where it is the last one."""
        if shape == self._shape:
            return
        stream, (source_name, target_name) = self._stream, self._names
        self._shape = ()
        stream.release()
        self._input, self._output = stream.pinned(shape), stream.pinned(shape)
        source, target = stream.device(self._input.nbytes), stream.device(self._output.nbytes)
        if not self._context.set_input_shape(source_name, shape):
            raise self._failed(f"refuses frames of {shape}")
        self._context.set_tensor_address(source_name, source)
        self._context.set_tensor_address(target_name, target)

        before, uploaded, computed, downloaded = marks = [stream.event() for _ in range(4)]

        def launch() -> None:
            stream.mark(before)
            stream.upload(source, self._input)
            stream.mark(uploaded)
            if not self._context.execute_async_v3(stream.handle):
                raise self._failed("failed")
            stream.mark(computed)
            stream.download(self._output, source=target)
            stream.mark(downloaded)

        self._input[...] = 0
        launch()  # the first run of a shape prepares what can't be recorded
        stream.wait()
        self._launch = _recorded(stream, launch)
        self._marks, self._shape = marks, shape

    def start(self, frames: NDArray[np.uint8]) -> None:
        """Starts on frames of the shape that it fits; they are the caller's again at once."""
        self._input[...] = frames
        self._launch()
        self.busy = True

    def finish(self) -> NDArray[np.uint8]:
        """Waits for what was started; an array of its own."""
        self.busy = False
        self._stream.wait()
        return np.array(self._output)

    @property
    def gpu_times(self) -> GpuTimes:
        """The times of the call that was finished last, until the next one is started."""
        return GpuTimes(*(self._stream.seconds_between(*pair) for pair in pairwise(self._marks)))


def _recorded(stream: Stream, launch: Callable[[], None]) -> Callable[[], None]:
    """As a CUDA graph, or as it is where the engine can't be recorded: with a DLA, for one."""
    try:
        return stream.recorded(launch)
    except BackendError:
        return launch
