"""All probes of `unit-edge doctor`, in groups that run side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unit_edge.runtime.doctor import backends, display, machine, video
from unit_edge.runtime.doctor.finding import Finding

Probes = dict[str, Callable[[], list[Finding]]]


@dataclass(frozen=True)
class Group:
    """Probes that share a process.

    Attributes:
        topic: heading that their findings belong under.
        probes: makes them, by name and in order.
        gated: the others make no sense unless the first one finds something that works.
    """

    topic: str
    probes: Callable[[], Probes]
    gated: bool = True


GROUPS = {
    "machine": Group("machine", machine.machine_probes, gated=False),
    "gpu": Group("machine", machine.gpu_probes),
    "pyav": Group("files", video.pyav_probes),
    "opencv": Group("live", video.opencv_probes),
    "cameras": Group("live", video.camera_probes, gated=False),
    "display": Group("live", display.display_probes),
    "onnxruntime": Group("backends", backends.onnxruntime_probes),
    "openvino": Group("backends", backends.openvino_probes),
    "tensorrt": Group("backends", backends.tensorrt_probes),
    "tensorrt-rtx": Group("backends", backends.tensorrt_rtx_probes),
    "cuda-bindings": Group("backends", backends.cuda_probes),
}
