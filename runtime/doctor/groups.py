"""All probes of `unit-edge doctor`, in groups that run side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unit_edge.runtime.doctor import backends as doctor_engines
from unit_edge.runtime.doctor import display as doctor_display
from unit_edge.runtime.doctor import machine as doctor_machine
from unit_edge.runtime.doctor import video as doctor_video
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
    "machine": Group("machine", doctor_machine.machine_probes, gated=False),
    "gpu": Group("machine", doctor_machine.gpu_probes),
    "pyav": Group("files", doctor_video.pyav_probes),
    "opencv": Group("live", doctor_video.opencv_probes),
    "cameras": Group("live", doctor_video.camera_probes, gated=False),
    "display": Group("live", doctor_display.display_probes),
    "onnxruntime": Group("engines", doctor_engines.onnxruntime_probes),
    "openvino": Group("engines", doctor_engines.openvino_probes),
    "tensorrt": Group("engines", doctor_engines.tensorrt_probes),
    "tensorrt-rtx": Group("engines", doctor_engines.tensorrt_rtx_probes),
    "cuda-bindings": Group("engines", doctor_engines.cuda_probes),
}
