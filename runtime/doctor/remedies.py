"""The command that mends what `unit-edge doctor` finds missing, by the kind of machine."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from unit_edge.machine.gpu import driver_cuda, find_gpu
from unit_edge.machine.system import board_model

_TEGRA_RELEASE = Path("/etc/nv_tegra_release")
_FOR_GPUS = (
    "onnxruntime",
    "onnxruntime-cuda",
    "one-onnxruntime",
    "tensorrt",
    "tensorrt-rtx",
    "cuda-bindings",
)


@dataclass(frozen=True)
class Machine:
    """What decides how something is installed.

    Attributes:
        jetson: an NVIDIA Jetson, whose TensorRT and OpenCV are JetPack's.
        apt: a Linux with Debian's packages.
        gpu: has an NVIDIA GPU with a driver.
        cuda: major version of CUDA that the driver is for; None without one.
    """

    jetson: bool = False
    apt: bool = False
    gpu: bool = False
    cuda: int | None = None


def is_jetson() -> bool:
    """Whether TensorRT and OpenCV are JetPack's here."""
    return "Jetson" in board_model() or _TEGRA_RELEASE.exists()


@cache
def this_machine(*, ask_driver: bool) -> Machine:
    """What remedies depend on.

    `gpu` and `cuda` are only looked for with `ask_driver`, which can hang where the driver is broken.
    """
    return Machine(
        jetson=is_jetson(),
        apt=sys.platform == "linux" and shutil.which("apt") is not None,
        gpu=ask_driver and find_gpu() is not None,
        cuda=driver_cuda() if ask_driver else None,
    )


def remedy(what: str, machine: Machine | None = None) -> str | None:
    """The one command that puts a thing in place; None where it is of no use, or no command does."""
    machine = machine or this_machine(ask_driver=what in _FOR_GPUS)
    onnxruntime = "gpu" if machine.gpu and not machine.jetson else "cpu"
    gpu_package = machine.gpu and not machine.jetson
    commands: dict[str, str | None] = {
        "numpy": 'pip install "numpy<2"' if machine.jetson else "pip install numpy",
        "numpy-1": 'pip install "numpy<2"',
        "opencv": "sudo apt install python3-opencv" if machine.jetson else "pip install opencv-python",
        "opencv-window": "pip uninstall -y opencv-python-headless opencv-contrib-python-headless && "
        "pip install --force-reinstall opencv-python",
        "one-opencv": _one_opencv(machine),
        "gstreamer": "sudo apt install python3-opencv gstreamer1.0-plugins-base" if machine.apt else None,
        "gstreamer-wheel": _gstreamer_for_wheel() if machine.apt else None,
        "libgl": "sudo apt install libgl1 libglib2.0-0"
        if machine.apt
        else "pip uninstall -y opencv-python && pip install opencv-python-headless",
        "av": 'pip install "av>=17.1,<20"',
        "av-anew": 'pip install --force-reinstall "av>=17.1,<20"',
        "onnxruntime": f'pip install "unit-edge[{onnxruntime}]"',
        "onnxruntime-cuda": 'pip uninstall -y onnxruntime && pip install "unit-edge[gpu]"'
        if gpu_package
        else None,
        "one-onnxruntime": "pip uninstall -y onnxruntime onnxruntime-gpu && "
        f'pip install "unit-edge[{onnxruntime}]"',
        "openvino": None if machine.jetson else 'pip install "unit-edge[openvino]"',
        "tensorrt": "sudo apt install python3-libnvinfer"
        if machine.jetson
        else 'pip install "unit-edge[tensorrt]"'
        if machine.gpu
        else None,
        "tensorrt-rtx": 'pip install "unit-edge[rtx]"' if gpu_package else None,
        "cuda-bindings": f'pip install "cuda-bindings=={machine.cuda}.*"' if machine.cuda else None,
        "video-group": "sudo usermod -aG video $USER",
    }
    return commands.get(what, f"pip install {what}")


def _gstreamer_for_wheel() -> str | None:
    """Takes OpenCV's wheel out of the way of Debian's, which most environments don't see as they are."""
    install = "sudo apt install python3-opencv gstreamer1.0-plugins-base"
    uninstall = "pip uninstall -y opencv-python opencv-python-headless"
    settings = Path(sys.prefix, "pyvenv.cfg")
    if not settings.is_file():
        return f"{install} && {uninstall}"
    if sys.base_prefix != "/usr":  # Debian's is for Debian's Python
        return None
    if "include-system-site-packages = true" in settings.read_text(encoding="utf-8").lower():
        return f"{install} && {uninstall}"
    return f"{install} && python3 -m venv --system-site-packages {sys.prefix} && {uninstall}"


def _one_opencv(machine: Machine) -> str:
    wheels = "opencv-python opencv-contrib-python opencv-python-headless opencv-contrib-python-headless"
    return f"pip uninstall -y {wheels}" + ("" if machine.jetson else " && pip install opencv-python")
