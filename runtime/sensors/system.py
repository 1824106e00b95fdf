"""What Linux says of the machine while something is measured, as files under /proc and /sys.

Every figure is None where the system, or its kind of processor, has none; on other systems that is all of
them. Paths are below `root`, so that it can be shown another machine's files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from unit_edge.machine.system import words_of

_NVPMODEL_LIMIT_S = 5
_CGROUP_UNLIMITED = 1 << 60
_CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")
_PLAUSIBLE_C = (0, 150)  # a zone that is switched off says 0 or -256


@dataclass(frozen=True)
class Counters:
    """Sums since the machine was started; differences of two readings say what happened in between.

    Attributes:
        busy_s: time that all cores together were at work, in seconds.
        steal_s: of a virtual machine, time that its cores waited for the real ones.
        swapped_pages: into swap and out of it.
        throttled: how often the processor was slowed down for its heat (x86).
        cooling: sum of the states of all cooling devices but fans; above 0, something is slowed down.
    """

    busy_s: float | None
    steal_s: float | None
    swapped_pages: int | None
    throttled: int | None
    cooling: int | None


def read_counters(root: Path = Path("/")) -> Counters:
    """A reading of now."""
    ticks = [int(value) for value in words_of(root / "proc/stat", "cpu ")]
    second = os.sysconf("SC_CLK_TCK") if ticks else 1
    swapped = [words_of(root / "proc/vmstat", f"{name} ") for name in ("pswpin", "pswpout")]
    throttled = list(_numbers(root, "sys/devices/system/cpu/cpu*/thermal_throttle/core_throttle_count"))
    devices = (root / "sys/class/thermal").glob("cooling_device*")
    slowing = [device for device in devices if "fan" not in (_read(device / "type") or "").lower()]
    cooling = [state for device in slowing for state in _numbers(device, "cur_state")]
    return Counters(
        # user, nice, system, irq, softirq; idle and iowait aren't work, guests are in user
        busy_s=sum(ticks[i] for i in (0, 1, 2, 5, 6)) / second if ticks else None,
        steal_s=ticks[7] / second if len(ticks) > 7 else None,
        swapped_pages=sum(int(values[0]) for values in swapped) if all(swapped) else None,
        throttled=sum(throttled) if throttled else None,
        cooling=sum(cooling) if cooling else None,
    )


def frequency_share(root: Path = Path("/")) -> float | None:
    """The cores' mean clock over the highest that they can have, 0 to 1."""
    shares = []
    for policy in (root / "sys/devices/system/cpu/cpufreq").glob("policy*"):
        now, most = (next(_numbers(policy, f"{name}_freq"), 0) for name in ("scaling_cur", "cpuinfo_max"))
        if now and most:
            shares.append(now / most)
    return sum(shares) / len(shares) if shares else None


def governor(root: Path = Path("/")) -> str | None:
    """Which of Linux's strategies sets the clocks, "schedutil"."""
    policies = (root / "sys/devices/system/cpu/cpufreq").glob("policy*/scaling_governor")
    return next((_read(path) for path in sorted(policies)), None)


def on_battery(root: Path = Path("/")) -> bool | None:
    """Whether a battery is being discharged; None without a battery."""
    states = [
        _read(supply / "status")
        for supply in (root / "sys/class/power_supply").glob("*")
        if _read(supply / "type") == "Battery" and _read(supply / "scope") != "Device"  # a mouse's, say
    ]
    return any(state == "Discharging" for state in states) if states else None


def available_bytes(root: Path = Path("/")) -> int | None:
    """Memory that programs can still get: the machine's, or what is left of a container's limit."""
    found = words_of(root / "proc/meminfo", "MemAvailable:")
    left = [1024 * int(found[0])] if found else []
    group = root / "sys/fs/cgroup"
    limit, used = (next(_numbers(group, name), None) for name in ("memory.max", "memory.current"))
    if limit is not None and used is not None and limit < _CGROUP_UNLIMITED:
        left.append(max(0, limit - used))
    return min(left) if left else None


def swap_used_bytes(root: Path = Path("/")) -> int | None:
    """What of the memory is on a disk."""
    total, free = (words_of(root / "proc/meminfo", f"{name}:") for name in ("SwapTotal", "SwapFree"))
    return 1024 * (int(total[0]) - int(free[0])) if total and free else None


def process_cpu_s(pid: int, root: Path = Path("/")) -> float | None:
    """Processor time of a process, all its threads, in seconds."""
    text = _read(root / f"proc/{pid}/stat")
    if text is None:
        return None
    after_name = text.rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def power_mode(root: Path = Path("/")) -> tuple[str, bool] | None:
    """A Jetson's power mode, and whether it is one without limits; None on other machines."""
    if root == Path("/") and (tool := shutil.which("nvpmodel")) is not None:
        with suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run([tool, "-q"], capture_output=True, text=True, timeout=_NVPMODEL_LIMIT_S)
            for line in done.stdout.splitlines():
                if line.startswith("NV Power Mode:"):
                    return _mode(line.partition(":")[2].strip())
    number = (_read(root / "var/lib/nvpmodel/status") or "").partition("pmode:")[2].partition(" ")[0]
    if not number.isdecimal():
        return None
    # < POWER_MODEL ID=0 NAME=MAXN >
    for line in (_read(root / "etc/nvpmodel.conf") or "").splitlines():
        words = line.strip("<> ").split()
        if words[:1] == ["POWER_MODEL"] and f"ID={int(number)}" in words:
            return _mode(next((w.partition("=")[2] for w in words if w.startswith("NAME=")), number))
    return None


def _mode(name: str) -> tuple[str, bool]:
    return name, name.startswith("MAXN")


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None


def _numbers(root: Path, pattern: str) -> Iterator[int]:
    for path in sorted(root.glob(pattern)):
        text = _read(path)
        if text is not None and text.isdecimal():
            yield int(text)


def temperature_c(root: Path = Path("/")) -> float | None:
    """The temperature of the hottest thermal zone, or of the processor's own sensor, in degrees Celsius."""
    zones = _numbers(root, "sys/class/thermal/thermal_zone*/temp")
    sensors = [
        value
        for name in (root / "sys/class/hwmon").glob("hwmon*/name")
        if _read(name) in _CPU_SENSORS
        for value in _numbers(name.parent, "temp*_input")
    ]
    readings = [value / 1000 for value in (*zones, *sensors)]
    plausible = [value for value in readings if _PLAUSIBLE_C[0] < value < _PLAUSIBLE_C[1]]
    return max(plausible, default=None)
