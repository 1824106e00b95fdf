"""GPU memory, utilisation and power, as NVML or a Jetson's INA3221 sensors give them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

_WHOLE_MODULE = ("VDD_IN", "POM_5V_IN")  # rails that feed all the others
_THROTTLES = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}


@dataclass(frozen=True)
class GpuReading:
    """One look at a GPU; None is what it or its driver doesn't say.

    Attributes:
        memory_bytes: in use by all programs.
        utilisation: share of the time in which a kernel ran, 0 to 1.
        clock_share: the clock over the highest that it can have.
        throttled: why it is slower than it could be; empty if it isn't.
    """

    memory_bytes: int | None = None
    utilisation: float | None = None
    watts: float | None = None
    clock_share: float | None = None
    throttled: tuple[str, ...] = ()


class Nvml:
    """The first GPU through NVIDIA's own library; a context manager."""

    def __init__(self, module: Any) -> None:
        """`module` is pynvml, of the package nvidia-ml-py."""
        self._nvml = module

    def __enter__(self) -> Nvml:
        self._nvml.nvmlInit()
        self._gpu = self._nvml.nvmlDeviceGetHandleByIndex(0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(self._nvml.NVMLError):
            self._nvml.nvmlShutdown()

    def read(self) -> GpuReading:
        nvml, gpu = self._nvml, self._gpu

        def ask(question: Callable[..., Any], *arguments: Any) -> Any:
            try:
                return question(gpu, *arguments)
            except nvml.NVMLError:
                return None

        memory, rates = ask(nvml.nvmlDeviceGetMemoryInfo), ask(nvml.nvmlDeviceGetUtilizationRates)
        milliwatts = ask(nvml.nvmlDeviceGetPowerUsage)
        clock, most = (
            ask(question, nvml.NVML_CLOCK_SM)
            for question in (nvml.nvmlDeviceGetClockInfo, nvml.nvmlDeviceGetMaxClockInfo)
        )
        reasons = ask(nvml.nvmlDeviceGetCurrentClocksThrottleReasons) or 0
        return GpuReading(
            memory_bytes=None if memory is None else int(memory.used),
            utilisation=None if rates is None else rates.gpu / 100,
            watts=None if milliwatts is None else milliwatts / 1000,
            clock_share=clock / most if clock and most else None,
            throttled=tuple(name for bit, name in _THROTTLES.items() if reasons & bit),
        )


def open_nvml() -> Nvml | None:
    """None without nvidia-ml-py, a driver or a GPU."""
    try:
        import pynvml
    except ModuleNotFoundError:
        return None
    try:
        with Nvml(pynvml):
            return Nvml(pynvml)
    except pynvml.NVMLError:
        return None


@dataclass(frozen=True)
class PowerSensor:
    """What a function measures the power of: the rails' names; and the function, in watts."""

    name: str
    read: Callable[[], float]


def find_ina3221(root: Path = Path("/")) -> PowerSensor | None:
    """The sensors of a Jetson: of the rail that feeds the module, or of all rails together; None without any.

    The driver shows each channel as in*_label, in*_input in mV and curr*_input in mA.
    """
    rails: dict[str, tuple[Path, Path]] = {}
    for label in sorted(root.glob("sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*/in*_label")):
        channel = label.name.removeprefix("in").removesuffix("_label")
        volts, amperes = label.with_name(f"in{channel}_input"), label.with_name(f"curr{channel}_input")
        with suppress(OSError):
            if volts.exists() and amperes.exists():
                rails[label.read_text().strip()] = volts, amperes
    chosen = [name for name in _WHOLE_MODULE if name in rails][:1] or list(rails)
    if not chosen:
        return None

    def read() -> float:
        return sum(int(volts.read_text()) * int(amperes.read_text()) / 1e6 for volts, amperes in parts)

    parts = [rails[name] for name in chosen]
    return PowerSensor(" + ".join(chosen), read)
