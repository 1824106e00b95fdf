"""Which GPUs are here, asked of the CUDA driver itself, so that nothing needs to be installed for it."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass

_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*


@dataclass(frozen=True)
class Gpu:
    """Name and CUDA compute capability ("8.7") of a GPU."""

    name: str
    compute_capability: str


def find_gpu() -> Gpu | None:
    """The first GPU; None without one or without a driver."""
    cuda = _driver()
    return _gpu(cuda, 0) if cuda is not None else None


def find_gpus() -> list[Gpu]:
    """All GPUs, in the driver's order."""
    cuda, count = _driver(), ctypes.c_int()
    if cuda is None or cuda.cuDeviceGetCount(ctypes.byref(count)):
        return []
    return [gpu for index in range(count.value) if (gpu := _gpu(cuda, index)) is not None]


def driver_cuda() -> int | None:
    """Major version of the newest CUDA that the driver runs; None without a GPU."""
    cuda, version = _driver(), ctypes.c_int()
    if cuda is None or cuda.cuDriverGetVersion(ctypes.byref(version)):
        return None
    return version.value // 1000


def _driver() -> ctypes.CDLL | None:
    try:
        cuda = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    return None if cuda.cuInit(0) else cuda


def _gpu(cuda: ctypes.CDLL, index: int) -> Gpu | None:
    device, name, values = ctypes.c_int(), ctypes.create_string_buffer(256), []
    if cuda.cuDeviceGet(ctypes.byref(device), index) or cuda.cuDeviceGetName(name, 256, device):
        return None
    for attribute in (_MAJOR, _MINOR):
        value = ctypes.c_int()
        if cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device):
            return None
        values.append(str(value.value))
    return Gpu(name.value.decode(errors="replace"), ".".join(values))
