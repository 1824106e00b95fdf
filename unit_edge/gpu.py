"""Which GPU is here, asked of the CUDA driver itself, so that nothing needs to be installed for it."""

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
    try:
        cuda = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    device, name, values = ctypes.c_int(), ctypes.create_string_buffer(256), []
    if cuda.cuInit(0) or cuda.cuDeviceGet(ctypes.byref(device), 0) or cuda.cuDeviceGetName(name, 256, device):
        return None
    for attribute in (_MAJOR, _MINOR):
        value = ctypes.c_int()
        if cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device):
            return None
        values.append(str(value.value))
    return Gpu(name.value.decode(errors="replace"), ".".join(values))
