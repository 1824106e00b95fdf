"""What our source asks of CUDA, on a double that checks each call."""

from __future__ import annotations

import numpy as np
import pytest
from fake_gpu import FakeGpu, install

SIZE = 96


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    gpu = FakeGpu()
    install(monkeypatch, gpu)
    return gpu


def test_bytes_go_up_across_and_down_again(gpu: FakeGpu) -> None:
    from unit_edge.runtime.backends.cuda import Stream

    with Stream() as stream:
        above, below = stream.pinned((4, 8, 3)), stream.pinned((4, 8, 3))
        first, second = stream.device(SIZE), stream.device(SIZE)
        above[...] = np.arange(SIZE, dtype=np.uint8).reshape(above.shape)
        stream.upload(first, above)
        stream.copy(second, first, SIZE)
        stream.download(below, second)
        assert not below.any(), "nothing is done before somebody waits"
        stream.wait()
        assert np.array_equal(above, below)
    assert gpu.left_behind == 0


@pytest.mark.parametrize("way", ["upload", "download", "copy"])
def test_the_double_refuses_the_wrong_side(gpu: FakeGpu, way: str) -> None:
    from unit_edge.runtime.backends.cuda import Stream

    with Stream() as stream:
        here, there = stream.pinned((SIZE,)), stream.device(SIZE)
        with pytest.raises(AssertionError, match="the other side"):
            if way == "upload":
                stream.upload(here.ctypes.data, here)
            elif way == "download":
                stream.download(here, here.ctypes.data)
            else:
                stream.copy(there, here.ctypes.data, SIZE)


def test_a_gpus_bandwidth_is_of_both_ways_in_its_own_time(
    gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unit_edge.runtime.bench.worker import bandwidth

    monkeypatch.setattr(bandwidth, "_BYTES", 1 << 16)
    # on the double each step takes 1 ms: the copy, and the mark behind it
    assert bandwidth.memory_bandwidth("tensorrt", 0) == pytest.approx(2 * (1 << 16) / 2e-3)
    assert gpu.left_behind == 0
