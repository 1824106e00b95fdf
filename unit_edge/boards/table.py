"""Every board: figures with where they are from, or None with a note.

Peaks are worked out from clocks and units, not copied: operations a clock of one tensor core are
known from a whitepaper or from a dense figure in a datasheet, and tests/boards/test_boards.py compares the
products with published totals. Most documents were not opened in November 2026, but seen in
excerpts and quotations by others; "quoted" and "device listing" mark what rests on nothing else.
"""

from __future__ import annotations

from unit_edge.boards.board import Board, Software

_JETPACK_6 = Software("6.2", "10.3")
_JETPACK_7 = Software("7.2", "10.16")
_JETPACK_7_NEWEST = Software("7.2.2", "11.4.1")
_CUDA_GPUS = "developer.nvidia.com/cuda-gpus"
_ORIN_PEAKS = (
    "clock x units: 2 fp32 operations a CUDA core, 512 fp16 and 1024 int8 a tensor core and clock, which is "
    "the dense figure of the Jetson Orin Nano data sheet (20 TOPS: 32 tensor cores, 625 MHz)"
)
_SUPER = "NVIDIA's JetPack 6.2 Super Mode announcement (GPU clock, total TOPS)"
_DLA = "its DLA needs a TensorRT up to 10.7 (on AGX Orin 11.4.1 has it again)"


def _orin(
    name: str,
    title: str,
    *,
    tensor_cores: int,
    clock_ghz: float,
    memory_gb: float,
    bandwidth_gb_s: float,
    power_modes: tuple[str, ...],
    source: str,
    dla: int = 0,
    software: tuple[Software, ...] = (_JETPACK_6, _JETPACK_7),
    notes: tuple[str, ...] = (),
) -> Board:
    """An Ampere Jetson, of 32 CUDA cores for each tensor core."""
    return Board(
        name=name,
        title=title,
        kind="gpu",
        compute_capability="8.7",
        memory_gb=memory_gb,
        bandwidth_gb_s=bandwidth_gb_s,
        fp32_tflops=round(tensor_cores * 32 * 2 * clock_ghz / 1000, 3),
        fp16_tflops=round(tensor_cores * 512 * clock_ghz / 1000, 2),
        int8_tops=round(tensor_cores * 1024 * clock_ghz / 1000, 2),
        software=software,
        dla=dla,
        power_modes=power_modes,
        sources={
            "compute_capability": _CUDA_GPUS,
            "memory_gb": source,
            "bandwidth_gb_s": source,
            "peaks": f"{_ORIN_PEAKS}; clock: {source}",
            "software": "device listings (6.2, 7.2), quoted; 7.2.2: notes of NVIDIA documents",
            "dla": source,
            "power_modes": source if power_modes else "",
        },
        notes=((_DLA,) if dla else ()) + notes,
    )


_NANO = "Jetson Orin Nano Series data sheet"
_NX = "Jetson Orin NX Series data sheet DS-10712-001"
_AGX = "Jetson AGX Orin Series technical brief and data sheet"

_JETSONS = (
    _orin(
        "orin-nano-4gb",
        "Jetson Orin Nano 4GB",
        tensor_cores=16,
        clock_ghz=0.625,
        memory_gb=4,
        bandwidth_gb_s=34.1,
        power_modes=(),
        source=f"{_NANO} (64-bit LPDDR5 at 2133 MHz)",
        notes=("power modes: not verified",),
    ),
    _orin(
        "orin-nano-4gb-super",
        "Jetson Orin Nano 4GB, Super mode",
        tensor_cores=16,
        clock_ghz=1.02,
        memory_gb=4,
        bandwidth_gb_s=51.2,
        power_modes=(),
        source=f"{_NANO} (64-bit LPDDR5 at 3199 MHz in MAXN_SUPER); {_SUPER}",
        notes=("power modes: not verified",),
    ),
    _orin(
        "orin-nano-8gb",
        "Jetson Orin Nano 8GB",
        tensor_cores=32,
        clock_ghz=0.625,
        memory_gb=8,
        bandwidth_gb_s=68.3,
        power_modes=("7W", "15W"),
        source=f"{_NANO} (128-bit LPDDR5 at 2133 MHz)",
    ),
    _orin(
        "orin-nano-8gb-super",
        "Jetson Orin Nano 8GB, Super mode",
        tensor_cores=32,
        clock_ghz=1.02,
        memory_gb=8,
        bandwidth_gb_s=102.4,
        power_modes=("7W", "15W", "25W", "MAXN_SUPER"),
        source=f"{_NANO} (128-bit LPDDR5 at 3199 MHz in MAXN_SUPER); {_SUPER}; nvpmodel on a device",
    ),
    _orin(
        "orin-nx-8gb",
        "Jetson Orin NX 8GB",
        tensor_cores=32,
        clock_ghz=0.765,
        memory_gb=8,
        bandwidth_gb_s=102.4,
        power_modes=("10W", "15W", "20W", "MAXN"),
        source=f"{_NX}; module makers' tables",
        dla=1,
    ),
    _orin(
        "orin-nx-8gb-super",
        "Jetson Orin NX 8GB, Super mode",
        tensor_cores=32,
        clock_ghz=1.173,
        memory_gb=8,
        bandwidth_gb_s=102.4,
        power_modes=("10W", "15W", "20W", "40W", "MAXN_SUPER"),
        source=f"{_NX}; {_SUPER}",
        dla=1,
    ),
    _orin(
        "orin-nx-16gb",
        "Jetson Orin NX 16GB",
        tensor_cores=32,
        clock_ghz=0.918,
        memory_gb=16,
        bandwidth_gb_s=102.4,
        power_modes=("10W", "15W", "25W", "MAXN"),
        source=f"{_NX}; deviceQuery on a device (918 MHz)",
        dla=2,
    ),
    _orin(
        "orin-nx-16gb-super",
        "Jetson Orin NX 16GB, Super mode",
        tensor_cores=32,
        clock_ghz=1.173,
        memory_gb=16,
        bandwidth_gb_s=102.4,
        power_modes=("10W", "15W", "25W", "40W", "MAXN_SUPER"),
        source=f"{_NX}; {_SUPER}",
        dla=2,
    ),
    _orin(
        "agx-orin-32gb",
        "Jetson AGX Orin 32GB",
        tensor_cores=56,
        clock_ghz=0.93,
        memory_gb=32,
        bandwidth_gb_s=204.8,
        power_modes=("15W to 40W",),
        source=f"{_AGX}; module makers' tables (1792 CUDA cores, 930 MHz)",
        dla=2,
        software=(_JETPACK_6, _JETPACK_7, _JETPACK_7_NEWEST),
    ),
    _orin(
        "agx-orin-64gb",
        "Jetson AGX Orin 64GB",
        tensor_cores=64,
        clock_ghz=1.3,
        memory_gb=64,
        bandwidth_gb_s=204.8,
        power_modes=("15W", "30W", "50W", "MAXN"),
        source=f"{_AGX}; NVIDIA's Deep-Learning-Accelerator-SW README (171 sparse int8 TOPS, power modes)",
        dla=2,
        software=(_JETPACK_6, _JETPACK_7, _JETPACK_7_NEWEST),
    ),
    Board(
        name="xavier-nx",
        title="Jetson Xavier NX 8GB",
        kind="gpu",
        compute_capability="7.2",
        memory_gb=8,
        bandwidth_gb_s=59.7,
        fp32_tflops=round(384 * 2 * 1.1 / 1000, 3),
        fp16_tflops=round(48 * 128 * 1.1 / 1000, 2),
        int8_tops=None,
        software=(Software("5.1", "8.5.2"),),
        dla=2,
        power_modes=("10W to 20W",),
        sources={
            "compute_capability": "developer.nvidia.com/cuda-legacy-gpus",
            "memory_gb": "Jetson Xavier NX data sheet DA-09366-001",
            "bandwidth_gb_s": "NVIDIA's Jetson Xavier series page, quoted",
            "peaks": "clock x units (384 CUDA cores, 48 tensor cores, 1100 MHz: data sheet); 128 fp16 "
            "operations a tensor core and clock, as 125 TFLOPS of a V100 (640 tensor cores, 1530 MHz)",
            "software": "listing of a device with JetPack 5.1.6",
            "dla": "NVIDIA's Jetson Xavier series page, quoted",
            "power_modes": "NVIDIA's Jetson Xavier series page, quoted",
        },
        notes=(
            "int8 peak of the GPU alone: not verified; the 21 TOPS of the data sheet include the two DLAs",
            "its last JetPack has TensorRT 8.5.2, older than the 10.3 that unit-edge builds engines with",
        ),
    ),
    Board(
        name="thor-t5000",
        title="Jetson AGX Thor (T5000)",
        kind="gpu",
        compute_capability="11.0",
        memory_gb=128,
        bandwidth_gb_s=273,
        fp32_tflops=round(2560 * 2 * 1.575 / 1000, 3),
        fp16_tflops=258.5,
        int8_tops=None,
        software=(Software("7.0", "10.13"), _JETPACK_7, _JETPACK_7_NEWEST),
        dla=0,
        power_modes=("120W", "MAXN"),
        sources={
            "compute_capability": _CUDA_GPUS,
            "memory_gb": "Jetson Thor data sheet, quoted",
            "bandwidth_gb_s": "Jetson Thor data sheet, quoted (256-bit LPDDR5X)",
            "peaks": "fp32: 2560 CUDA cores at 1575 MHz, read on a device; fp16: half of the data sheet's "
            "517 dense fp8 TFLOPS",
            "software": "the project's notes of NVIDIA's documents; not seen on a device",
            "dla": "the project's notes of TensorRT 11.4.1: DLA on AGX Orin only",
            "power_modes": "nvpmodel on a device with JetPack 7",
        },
        notes=("int8 peak: not verified; the data sheet has fp4 and fp8 only",),
    ),
)

_DESKTOPS = (
    Board(
        name="rtx-3090",
        title="GeForce RTX 3090",
        kind="gpu",
        compute_capability="8.6",
        memory_gb=24,
        bandwidth_gb_s=936,
        fp32_tflops=35.6,
        fp16_tflops=71,
        int8_tops=284,
        software=(),
        dla=0,
        power_modes=(),
        sources={
            "compute_capability": _CUDA_GPUS,
            "memory_gb": "quoted in GPU comparisons",
            "bandwidth_gb_s": "quoted in GPU comparisons",
            "peaks": "fp16, int8: Ampere GA102 whitepaper, quoted (dense); fp32: GPU comparisons",
        },
        notes=("any TensorRT from 10.3, and TensorRT-RTX",),
    ),
    Board(
        name="rtx-4090",
        title="GeForce RTX 4090",
        kind="gpu",
        compute_capability="8.9",
        memory_gb=24,
        bandwidth_gb_s=1008,
        fp32_tflops=82.6,
        fp16_tflops=165.2,
        int8_tops=660.6,
        software=(),
        dla=0,
        power_modes=(),
        sources={
            "compute_capability": _CUDA_GPUS,
            "memory_gb": "quoted in GPU comparisons",
            "bandwidth_gb_s": "quoted in GPU comparisons",
            "peaks": "fp16, int8: Ada GPU whitepaper, quoted (dense); fp32: GPU comparisons",
        },
        notes=("any TensorRT from 10.3, and TensorRT-RTX",),
    ),
)

_FP16_ON_CPU = "fp16: CPU backends compute in fp32, so there is no peak of its own"


def _x86(cores: int, clock_ghz: float, source: str, notes: tuple[str, ...] = ()) -> Board:
    """A processor with two 256-bit multiply-add units a core, such as Zen 3."""
    return Board(
        name=f"x86-{cores}-cores",
        title=f"x86 CPU, {cores} cores with AVX2 at {clock_ghz} GHz",
        kind="cpu",
        compute_capability=None,
        memory_gb=None,
        bandwidth_gb_s=51.2,
        fp32_tflops=round(cores * 2 * 8 * 2 * clock_ghz / 1000, 3),
        fp16_tflops=None,
        int8_tops=None,
        software=(),
        dla=0,
        power_modes=(),
        sources={
            "bandwidth_gb_s": "an assumption: two channels of DDR4-3200 (2 x 8 bytes x 3.2 GHz)",
            "peaks": f"cores x 2 multiply-add units x 8 fp32 values x 2 operations x clock; {source}",
        },
        notes=("memory: whatever is fitted", _FP16_ON_CPU, "int8 peak: not verified", *notes),
    )


_CPUS = (
    _x86(2, 2.5, "convolutions reached it on two cores of a Zen 3 server with OpenVINO"),
    _x86(8, 3.5, "clock: an assumption, with all cores busy"),
    Board(
        name="raspberry-pi-5",
        title="Raspberry Pi 5 8GB",
        kind="cpu",
        compute_capability=None,
        memory_gb=8,
        bandwidth_gb_s=17.1,
        fp32_tflops=round(4 * 2 * 4 * 2 * 2.4 / 1000, 3),
        fp16_tflops=None,
        int8_tops=None,
        software=(),
        dla=0,
        power_modes=(),
        sources={
            "memory_gb": "Raspberry Pi 5 product page",
            "bandwidth_gb_s": "32-bit LPDDR4X at 4267 MT/s, announcement of the Raspberry Pi 5",
            "peaks": "4 Cortex-A76 cores at 2.4 GHz x 2 pipelines of 128 bits (Arm's Cortex-A76 Software "
            "Optimization Guide) x 4 fp32 values x 2 operations",
        },
        notes=(_FP16_ON_CPU, "int8 peak: not verified (dot products a clock)"),
    ),
)

BOARDS = _JETSONS + _DESKTOPS + _CPUS
