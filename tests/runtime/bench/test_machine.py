"""What spoils figures, read from files as the kernel's documentation has them, and this machine's own."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from unit_edge.machine.system import processor_name, resident_bytes
from unit_edge.runtime.bench.machine.machine import describe_machine
from unit_edge.runtime.bench.machine.watch import (
    Instant,
    Samples,
    Sensors,
    Watch,
    load_spoilers,
    power_spoilers,
    speed_spoilers,
)
from unit_edge.runtime.sensors.power import GpuReading, Nvml, find_ina3221
from unit_edge.runtime.sensors.system import (
    Counters,
    available_bytes,
    frequency_share,
    governor,
    on_battery,
    power_mode,
    process_cpu_s,
    read_counters,
    swap_used_bytes,
)

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's own files")


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    assert read_counters(tmp_path) == Counters(None, None, None, None, None)
    looks = (frequency_share, governor, on_battery, available_bytes, swap_used_bytes, power_mode)
    assert [look(tmp_path) for look in looks] == [None] * len(looks)
    assert process_cpu_s(1, tmp_path) is None and resident_bytes(1, tmp_path) is None
    assert processor_name(tmp_path) is None and find_ina3221(tmp_path) is None


@linux
def test_counters(tmp_path: Path) -> None:
    second = os.sysconf("SC_CLK_TCK")
    #       user, nice, system, idle, iowait, irq, softirq, steal, guest
    ticks = [k * second for k in (10, 20, 30, 1000, 500, 1, 2, 7, 99)]
    root = tree(
        tmp_path,
        {
            "proc/stat": f"cpu  {' '.join(map(str, ticks))}\ncpu0 1 2 3",
            "proc/vmstat": "pgpgin 5\npswpin 30\npswpout 12",
            "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "4",
            "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": "5",
            "sys/class/thermal/cooling_device0/type": "pwm-fan",
            "sys/class/thermal/cooling_device0/cur_state": "3",
            "sys/class/thermal/cooling_device1/type": "cpufreq-cpu0",
            "sys/class/thermal/cooling_device1/cur_state": "2",
            "sys/class/thermal/cooling_device2/type": "intel_powerclamp",
            "sys/class/thermal/cooling_device2/cur_state": "-1",
        },
    )
    assert read_counters(root) == Counters(63, 7, 42, 9, 2)


def test_clocks_battery_memory_and_names(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu/cpufreq"
    root = tree(
        tmp_path,
        {
            f"{cpu}/policy0/scaling_cur_freq": "900000",
            f"{cpu}/policy0/cpuinfo_max_freq": "1500000",
            f"{cpu}/policy0/scaling_governor": "schedutil",
            f"{cpu}/policy4/scaling_cur_freq": "2000000",
            f"{cpu}/policy4/cpuinfo_max_freq": "2000000",
            f"{cpu}/policy4/scaling_governor": "schedutil",
            "sys/class/power_supply/AC/type": "Mains",
            "sys/class/power_supply/BAT0/type": "Battery",
            "sys/class/power_supply/BAT0/status": "Discharging",
            "sys/class/power_supply/mouse/type": "Battery",
            "sys/class/power_supply/mouse/scope": "Device",
            "sys/class/power_supply/mouse/status": "Discharging",
            "proc/meminfo": "MemTotal: 8000 kB\nMemAvailable:   4000 kB\nSwapTotal: 100 kB\nSwapFree: 60 kB",
            "proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD EPYC",
        },
    )
    assert frequency_share(root) == pytest.approx(0.8) and governor(root) == "schedutil"
    assert on_battery(root) is True and processor_name(root) == "AMD EPYC"
    assert available_bytes(root) == 4000 * 1024 and swap_used_bytes(root) == 40 * 1024
    tree(root, {"sys/fs/cgroup/memory.max": "max", "sys/fs/cgroup/memory.current": "500"})
    assert available_bytes(root) == 4000 * 1024
    tree(root, {"sys/fs/cgroup/memory.max": "1500", "sys/class/power_supply/BAT0/status": "Charging"})
    assert available_bytes(root) == 1000 and on_battery(root) is False
    (root / "sys/class/power_supply/BAT0/type").unlink()
    assert on_battery(root) is None


@pytest.mark.parametrize(("number", "mode"), [("0000", ("MAXN", True)), ("0002", ("15W", False))])
def test_a_jetsons_power_mode(number: str, mode: tuple[str, bool], tmp_path: Path) -> None:
    conf = "# comment\n< POWER_MODEL ID=0 NAME=MAXN >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=2 NAME=15W >"
    root = tree(
        tmp_path, {"var/lib/nvpmodel/status": f"pmode:{number} fmode:quiet", "etc/nvpmodel.conf": conf}
    )
    assert power_mode(root) == mode
    tree(root, {"var/lib/nvpmodel/status": f"pmode:{number}"})
    assert power_mode(root) == mode


def test_a_jetsons_power(tmp_path: Path) -> None:
    hwmon = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon1"
    root = tree(
        tmp_path,
        {
            f"{hwmon}/in1_label": "VDD_GPU_SOC",
            f"{hwmon}/in1_input": "5000",
            f"{hwmon}/curr1_input": "400",
            f"{hwmon}/in2_label": "VDD_CPU_CV",
            f"{hwmon}/in2_input": "5000",
            f"{hwmon}/curr2_input": "200",
            f"{hwmon}/in4_label": "sum of shunt voltages",
        },
    )
    sensor = find_ina3221(root)
    assert sensor is not None and sensor.read() == pytest.approx(3.0)
    assert sensor.name == "VDD_GPU_SOC + VDD_CPU_CV"
    tree(
        root,
        {f"{hwmon}/in3_label": "VDD_IN", f"{hwmon}/in3_input": "19000", f"{hwmon}/curr3_input": "500"},
    )
    sensor = find_ina3221(root)
    assert sensor is not None and (sensor.name, sensor.read()) == ("VDD_IN", pytest.approx(9.5))


class FakeNvml(SimpleNamespace):
    """Answers as a GPU that has no power meter; with the library's own names and constants."""

    def __init__(self, pynvml: Any) -> None:
        def no(*_: object) -> None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

        real = {name: getattr(pynvml, name) for name in ("NVMLError", "NVML_CLOCK_SM")}
        reasons = pynvml.nvmlClocksThrottleReasonSwPowerCap | pynvml.nvmlClocksThrottleReasonGpuIdle
        answers: dict[str, Any] = {
            "nvmlInit": lambda: None,
            "nvmlShutdown": lambda: None,
            "nvmlDeviceGetHandleByIndex": lambda index: f"gpu {index}",
            "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(used=3 << 20),
            "nvmlDeviceGetUtilizationRates": lambda _: SimpleNamespace(gpu=85),
            "nvmlDeviceGetPowerUsage": no,
            "nvmlDeviceGetClockInfo": lambda _, kind: 900,
            "nvmlDeviceGetMaxClockInfo": lambda _, kind: 1800,
            "nvmlDeviceGetCurrentClocksThrottleReasons": lambda _: reasons,
        }
        assert all(callable(getattr(pynvml, name)) for name in answers)
        super().__init__(**real, **answers)


def test_a_gpu_that_tells_not_all() -> None:
    pynvml = pytest.importorskip("pynvml", reason="needs the bench extra")
    with Nvml(FakeNvml(pynvml)) as nvml:
        assert nvml.read() == GpuReading(3 << 20, 0.85, None, 0.5, ("power cap",))


def test_names_of_throttling_are_nvmls_own_bits() -> None:
    pynvml = pytest.importorskip("pynvml", reason="needs the bench extra")
    fake = FakeNvml(pynvml)
    for name, text in (
        ("HwSlowdown", "hardware slowdown"),
        ("SwThermalSlowdown", "software thermal slowdown"),
        ("HwThermalSlowdown", "hardware thermal slowdown"),
        ("HwPowerBrakeSlowdown", "power brake"),
    ):
        bit = getattr(pynvml, f"nvmlClocksThrottleReason{name}")
        fake.nvmlDeviceGetCurrentClocksThrottleReasons = lambda _, bit=bit: bit
        with Nvml(fake) as nvml:
            assert nvml.read().throttled == (text,)


def instant(at_s: float, cpu_s: float, busy_s: float, steal_s: float = 0, pages: int = 0) -> Instant:
    return Instant(at_s, Counters(busy_s, steal_s, pages, None, None), cpu_s, own_s=0)


def test_other_load_is_what_neither_process_took() -> None:
    begin = instant(0, 0, 100)
    assert load_spoilers(begin, instant(10, 15, 115.9), cores=2) == []
    (found,) = load_spoilers(begin, instant(10, 15, 120), cores=2)
    assert found == "other programs took 25% of the processor"
    found, more = load_spoilers(begin, instant(10, 15, 115, steal_s=1, pages=8), cores=2)
    assert "host withheld 5%" in found and "8 pages were swapped" in more


def test_slow_clocks_and_heat() -> None:
    cool, hot = Counters(None, None, None, 5, 0), Counters(None, None, None, 8, 2)
    assert speed_spoilers(cool, cool, Samples([1.0, 0.95])) == []
    found = speed_spoilers(cool, hot, Samples([0.5, 0.7], gpu=[GpuReading(throttled=("power cap",))]))
    assert [line.split(" ")[0:2] for line in found] == [
        ["the", "processor"],
        ["the", "system"],
        ["the", "processor"],
        ["the", "GPU"],
    ]
    assert "3 times" in found[0] and "60%" in found[2] and "power cap" in found[3]


def test_power() -> None:
    assert power_spoilers(None, None) == power_spoilers(False, ("MAXN_SUPER", True)) == []
    battery, mode = power_spoilers(True, ("15W", False))
    assert "battery" in battery and "15W" in mode and "nvpmodel -m 0" in mode


@linux
def test_this_process_is_seen_as_it_sees_itself() -> None:
    times = os.times()
    assert process_cpu_s(os.getpid()) == pytest.approx(times.user + times.system, abs=0.1)
    held = resident_bytes(os.getpid())
    most = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert held is not None and held[0] <= held[1] == pytest.approx(most, rel=0.05)
    with Watch(os.getpid(), Sensors()) as watch:
        sum(range(1_000_000))
    assert watch.resources.cpu_cores is not None and watch.resources.peak_resident_bytes is not None
    assert watch.resources.watts is watch.resources.power_of is watch.resources.gpu_memory_bytes is None


def test_the_machine_is_described() -> None:
    found = describe_machine()
    assert found["cores"] == os.cpu_count() and found["system"] and found["python"] == sys.version.split()[0]
