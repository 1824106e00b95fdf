"""What is needed of CUDA: a stream, memory at both ends of it, and graphs. Through NVIDIA's cuda.bindings."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np
from cuda.bindings import runtime as cudart
from numpy.typing import NDArray

from unit_edge.errors import BackendError


class CudaError(BackendError):
    """A call of CUDA failed."""


def call(function: Callable[..., tuple[Any, ...]], *arguments: Any) -> Any:
    """What a function of the CUDA runtime returns besides its status.

    Raises:
        CudaError: the status is an error.
    """
    status, *values = function(*arguments)
    if status != cudart.cudaError_t.cudaSuccess:
        text = cudart.cudaGetErrorString(status)[1]
        raise CudaError(f"CUDA: {text.decode() if isinstance(text, bytes) else text} ({function.__name__})")
    return values[0] if values else None


class Stream:
    """A stream and all that was made for it; a context manager."""

    def __enter__(self) -> Stream:
        self._release: list[tuple[Callable[..., tuple[Any, ...]], Any]] = []
        self._recording = False
        self._stream = call(cudart.cudaStreamCreateWithFlags, cudart.cudaStreamNonBlocking)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        cudart.cudaStreamDestroy(self._stream)

    @property
    def handle(self) -> int:
        """The stream as TensorRT takes it."""
        return int(self._stream)

    def release(self) -> None:
        """Gives back all memory and graphs; what is under way ends first."""
        cudart.cudaStreamSynchronize(self._stream)
        while self._release:
            function, thing = self._release.pop()
            function(thing)

    def pinned(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """uint8 memory of the host that the GPU copies from and to without a detour."""
        size = int(np.prod(shape))
        pointer = call(cudart.cudaMallocHost, size)
        self._release.append((cudart.cudaFreeHost, pointer))
        return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(int(pointer))).reshape(shape)

    def device(self, size: int) -> int:
        """The address of `size` bytes of the GPU's memory."""
        pointer = call(cudart.cudaMalloc, size)
        self._release.append((cudart.cudaFree, pointer))
        return int(pointer)

    def upload(self, target: int, source: NDArray[np.uint8]) -> None:
        """Starts to copy pinned memory to the GPU."""
        kind = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        call(cudart.cudaMemcpyAsync, target, source.ctypes.data, source.nbytes, kind, self._stream)

    def download(self, target: NDArray[np.uint8], source: int) -> None:
        """Starts to copy from the GPU to pinned memory."""
        kind = cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        call(cudart.cudaMemcpyAsync, target.ctypes.data, source, target.nbytes, kind, self._stream)

    def copy(self, target: int, source: int, size: int) -> None:
        """Starts to copy `size` bytes within the GPU's memory."""
        kind = cudart.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        call(cudart.cudaMemcpyAsync, target, source, size, kind, self._stream)

    def wait(self) -> None:
        """Returns when all that was started is done."""
        call(cudart.cudaStreamSynchronize, self._stream)

    def event(self) -> Any:
        """A place for a time of the GPU's clock, for `mark`."""
        event = call(cudart.cudaEventCreate)
        self._release.append((cudart.cudaEventDestroy, event))
        return event

    def mark(self, event: Any) -> None:
        """Keeps in `event` when the GPU gets there: after all that was started before."""
        # an ordinary record in a graph only orders its work, and keeps no time
        external = cudart.cudaEventRecordExternal if self._recording else cudart.cudaEventRecordDefault
        call(cudart.cudaEventRecordWithFlags, event, self._stream, external)

    def seconds_between(self, first: Any, second: Any) -> float:
        """The seconds from one event to another; both must have happened, see `wait`."""
        return float(call(cudart.cudaEventElapsedTime, first, second)) / 1e3

    def recorded(self, work: Callable[[], None]) -> Callable[[], None]:
        """A function that starts what `work` starts, as one CUDA graph: a launch instead of dozens.

        Raises:
            CudaError: something in `work` can't be recorded.
        """
        mode = cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        call(cudart.cudaStreamBeginCapture, self._stream, mode)
        graph = None
        self._recording = True
        try:
            try:
                work()
            finally:
                self._recording = False
                status, graph = cudart.cudaStreamEndCapture(self._stream)
            call(lambda: (status,))
            executable = call(cudart.cudaGraphInstantiate, graph, 0)
        finally:
            if graph is not None and int(graph):
                cudart.cudaGraphDestroy(graph)
        self._release.append((cudart.cudaGraphExecDestroy, executable))
        return lambda: call(cudart.cudaGraphLaunch, executable, self._stream)
