"""What a GPU's runner knows of its last call: how long the frames travelled, and how long it computed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GpuTimes:
    """The GPU's part of one call, in seconds.

    What is left of the call's time was the host's: copies, and starting it all.

    Attributes:
        upload_s: frames to the GPU.
        compute_s: the network.
        download_s: frames back.
    """

    upload_s: float
    compute_s: float
    download_s: float


def last_gpu_times(runner: object) -> GpuTimes | None:
    """The times of the call that came back last; None of runners on the CPU, where nothing travels."""
    found = getattr(runner, "last_gpu_times", None)
    return found if isinstance(found, GpuTimes) else None
