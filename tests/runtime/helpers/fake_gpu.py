"""CUDA and TensorRT as far as our source uses them, on a GPU that is as late as it may be.

What is put on a stream is done when somebody waits for that stream, and not before: whoever reads a result or
writes to a buffer too early gets wrong values, and whoever frees memory too early a KeyError.
"""

from __future__ import annotations

import ctypes
import sys
import types
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np
import pytest

from unit_edge.machine.gpu import Gpu

VERSION = "1.7.1.116"
"""Of the TensorRT-RTX that the fixture `write_engine` names."""

Operation = Callable[[], None]


class CopyKind(Enum):
    """CUDA's names for where a copy goes, with whether its source and its target are the computer's."""

    cudaMemcpyHostToDevice = True, False
    cudaMemcpyDeviceToHost = False, True
    cudaMemcpyDeviceToDevice = False, False


class FakeGpu:
    """What is on a GPU.

    `good` executions of an engine work, all for None, before TensorRT reports failures; `capturable` says
    whether they can be recorded into a CUDA graph.
    """

    def __init__(self, good: int | None = None, capturable: bool = True) -> None:
        self.memory: dict[int, Any] = {}
        self.on_host: set[int] = set()
        """Addresses of the blocks that are the computer's; all others are the GPU's."""
        self.streams: dict[int, list[Operation]] = {}
        self.graphs: dict[int, list[Operation]] = {}
        self.events: dict[int, int | None] = {}
        self.clock = 0
        self.contexts = 0
        self.executions = 0
        self.most_waiting = 0
        """The most streams that had work to do at the same time."""
        self._recording: dict[int, list[Operation]] = {}
        self._broken: set[int] = set()
        self._good, self._capturable = good, capturable
        self._next = 1

    @property
    def left_behind(self) -> int:
        """Blocks of memory, streams, graphs and events that nobody gave back."""
        return len(self.memory) + len(self.streams) + len(self.graphs) + len(self.events)

    def put(self, stream: int, operation: Operation) -> None:
        if stream in self._recording:
            self._recording[stream].append(operation)
            return
        self.streams[stream].append(operation)
        self.most_waiting = max(self.most_waiting, sum(map(bool, self.streams.values())))

    def wait(self, stream: int) -> None:
        assert stream not in self._recording, "a stream can't be waited for while it is recorded"
        while self.streams[stream]:
            self.clock += 1
            self.streams[stream].pop(0)()

    def record(self, event: int, stream: int, *, external: bool) -> None:
        """Without `external`, an event in a graph only orders its work, and keeps no time."""
        keeps = external or stream not in self._recording
        self.put(stream, lambda: self.events.__setitem__(event, self.clock if keeps else None))

    def execute(self, stream: int, source: int, target: int, size: int) -> bool:
        self.executions += 1
        if self._good is not None and self.executions > self._good:
            return False
        if stream in self._recording and not self._capturable:
            self._broken.add(stream)

        def invert() -> None:
            self.view(target, size)[:] = 255 - self.view(source, size)

        self.put(stream, invert)
        return True

    def view(self, address: int, size: int) -> Any:
        """The bytes at an address, which must be of memory that is still there."""
        block = self.memory[address]
        assert size <= len(block), "reads beyond its memory"
        return np.frombuffer(block, np.uint8)[:size]

    def number(self) -> int:
        self._next += 1
        return self._next

    def allocate(self, size: int, *, host: bool) -> int:
        block = (ctypes.c_uint8 * size)()
        address = ctypes.addressof(block)
        self.memory[address] = block
        if host:
            self.on_host.add(address)
        return address

    def free(self, address: int, *, host: bool) -> None:
        assert (int(address) in self.on_host) == host, "memory is given back where it came from"
        self.on_host.discard(int(address))
        del self.memory[int(address)]

    def copy(self, target: int, source: int, size: int, kind: CopyKind, stream: int) -> None:
        """Checks now what CUDA would check, and copies when its turn comes."""
        assert stream in self.streams, "no such stream"
        for address, host in zip((source, target), kind.value, strict=True):
            assert address in self.memory and 0 < size <= len(self.memory[address]), "no such memory"
            assert (address in self.on_host) == host, f"{kind.name}, but memory of the other side"
        self.put(stream, lambda: self.view(target, size).__setitem__(slice(None), self.view(source, size)))

    def begin(self, stream: int) -> None:
        self._recording[stream] = []

    def end(self, stream: int) -> list[Operation] | None:
        """What was recorded; None if some of it can't be."""
        operations = self._recording.pop(stream)
        broken = stream in self._broken
        self._broken.discard(stream)
        return None if broken else operations


def fake_cudart(gpu: FakeGpu) -> Any:
    """A stand-in for cuda.bindings.runtime."""

    class cudaError_t(Enum):
        cudaSuccess = 0
        cudaErrorNotReady = 600
        cudaErrorStreamCaptureInvalidated = 901

    good = cudaError_t.cudaSuccess

    def create_stream(_flags: int) -> tuple[Any, int]:
        stream = gpu.number()
        gpu.streams[stream] = []
        return good, stream

    def destroy_stream(stream: int) -> tuple[Any]:
        gpu.wait(stream)
        del gpu.streams[stream]
        return (good,)

    def synchronize(stream: int) -> tuple[Any]:
        gpu.wait(stream)
        return (good,)

    def copy(target: int, source: int, size: int, kind: CopyKind, stream: int) -> tuple[Any]:
        gpu.copy(target, source, size, kind, stream)
        return (good,)

    def begin(stream: int, _mode: Any) -> tuple[Any]:
        gpu.begin(stream)
        return (good,)

    def end(stream: int) -> tuple[Any, int]:
        graph, operations = gpu.number(), gpu.end(stream)
        if operations is None:
            return cudaError_t.cudaErrorStreamCaptureInvalidated, 0
        gpu.graphs[graph] = operations
        return good, graph

    def instantiate(graph: int, _flags: int) -> tuple[Any, int]:
        executable = gpu.number()
        gpu.graphs[executable] = list(gpu.graphs[graph])
        return good, executable

    def destroy_graph(graph: int) -> tuple[Any]:
        del gpu.graphs[graph]
        return (good,)

    def launch(graph: int, stream: int) -> tuple[Any]:
        for operation in gpu.graphs[graph]:
            gpu.put(stream, operation)
        return (good,)

    def create_event() -> tuple[Any, int]:
        event = gpu.number()
        gpu.events[event] = None
        return good, event

    def destroy_event(event: int) -> tuple[Any]:
        del gpu.events[event]
        return (good,)

    def record(event: int, stream: int, flags: int) -> tuple[Any]:
        gpu.record(event, stream, external=flags == 1)
        return (good,)

    def elapsed(first: int, second: int) -> tuple[Any, float]:
        began, ended = gpu.events[first], gpu.events[second]
        if began is None or ended is None:
            return cudaError_t.cudaErrorNotReady, 0.0
        return good, float(ended - began)

    def free(*, host: bool) -> Callable[[int], tuple[Any]]:
        def release(address: int) -> tuple[Any]:
            gpu.free(address, host=host)
            return (good,)

        return release

    def allocate(*, host: bool) -> Callable[[int], tuple[Any, int]]:
        return lambda size: (good, gpu.allocate(size, host=host))

    return types.SimpleNamespace(
        cudaError_t=cudaError_t,
        cudaGetErrorString=lambda status: (good, status.name.encode()),
        cudaMemcpyKind=CopyKind,
        cudaStreamCaptureMode=types.SimpleNamespace(cudaStreamCaptureModeThreadLocal=1),
        cudaStreamNonBlocking=1,
        cudaStreamCreateWithFlags=create_stream,
        cudaStreamDestroy=destroy_stream,
        cudaStreamSynchronize=synchronize,
        cudaMallocHost=allocate(host=True),
        cudaFreeHost=free(host=True),
        cudaMalloc=allocate(host=False),
        cudaFree=free(host=False),
        cudaMemcpyAsync=copy,
        cudaStreamBeginCapture=begin,
        cudaStreamEndCapture=end,
        cudaGraphInstantiate=instantiate,
        cudaGraphDestroy=destroy_graph,
        cudaGraphExecDestroy=destroy_graph,
        cudaGraphLaunch=launch,
        cudaEventCreate=create_event,
        cudaEventDestroy=destroy_event,
        cudaEventRecordDefault=0,
        cudaEventRecordExternal=1,
        cudaEventRecordWithFlags=record,
        cudaEventElapsedTime=elapsed,
    )


def fake_tensorrt(gpu: FakeGpu) -> Any:
    """A stand-in for the module, whose engines turn every value x into 255 - x."""

    class Context:
        def __init__(self) -> None:
            self._address: dict[str, int] = {}
            gpu.contexts += 1

        def __del__(self) -> None:
            gpu.contexts -= 1

        def set_input_shape(self, _name: str, shape: tuple[int, ...]) -> bool:
            self._size = int(np.prod(shape))
            return True

        def set_tensor_address(self, name: str, address: int) -> None:
            self._address[name] = address

        def execute_async_v3(self, stream: int) -> bool:
            return gpu.execute(stream, self._address["frame"], self._address["translated"], self._size)

    names = ("frame", "translated")
    engine = types.SimpleNamespace(
        num_io_tensors=2,
        get_tensor_name=lambda index: names[index],
        get_tensor_dtype=lambda _name: "uint8",
        create_execution_context=Context,
    )

    class Logger:
        ERROR, INTERNAL_ERROR = "error", "internal"

    runtime = types.SimpleNamespace(deserialize_cuda_engine=lambda _plan: engine)
    return types.SimpleNamespace(
        __version__=VERSION,
        ILogger=Logger,
        DataType=types.SimpleNamespace(UINT8="uint8"),
        Runtime=lambda _logger: runtime,
    )


def install(monkeypatch: pytest.MonkeyPatch, gpu: FakeGpu) -> None:
    """Has our source find this GPU, CUDA and TensorRT-RTX for one test."""
    cudart = fake_cudart(gpu)
    bindings = types.ModuleType("cuda.bindings")
    bindings.runtime = cudart  # type: ignore[attr-defined]
    for name, module in {
        "cuda": types.ModuleType("cuda"),
        "cuda.bindings": bindings,
        "cuda.bindings.runtime": cudart,
        "tensorrt_rtx": fake_tensorrt(gpu),
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    for name in ("unit_edge.runtime.backends.cuda", "unit_edge.runtime.backends.tensorrt.slot"):
        monkeypatch.setitem(sys.modules, name, None)  # so that what it was is put back afterwards
        del sys.modules[name]
    monkeypatch.setattr("unit_edge.runtime.backends.tensorrt.runner.find_gpu", lambda: Gpu("Fake", "8.9"))
