"""The peak of this machine: load models through the engines that were measured, in the same run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from unit_edge.errors import UnitEdgeError
from unit_edge.interrupt import StopWish
from unit_edge.runtime.bench_onnx import Load, write_load
from unit_edge.runtime.bench_process import CaseFailed, Worker
from unit_edge.runtime.bench_result import Peak, Roof, Row

# as large as it takes to keep a CPU's cores, or a data centre's GPU, from waiting for anything
_LOADS = {
    "cpu": (Load(kernel=1, layers=8, channels=512, side=64), Load(kernel=3, layers=8, channels=128, side=64)),
    "gpu": (
        Load(kernel=1, layers=8, channels=1024, side=256),
        Load(kernel=3, layers=8, channels=256, side=256),
    ),
}
_SECONDS = 1.0
_WARM_UP_S = 3.0

Built = Callable[[Path], Path]
"""Makes the TensorRT engine of a model and returns where it is."""


def device_of(engine: str) -> str:
    """ "gpu" or "cpu", where an engine computes."""
    return "gpu" if engine in ("tensorrt", "onnxruntime-cuda") else "cpu"


def measure_peak(
    engine: str, precision: str, threads: int | None, folder: Path, wish: StopWish, build: Built | None
) -> Peak:
    """What an engine reaches with the better of two load models, which are written to `folder`.

    `build` is for TensorRT.

    Raises:
        CaseFailed: none of them runs.
        Interrupted: the wish came.
    """
    found, why = [], "it can't be built without TensorRT's builder"
    for load in _LOADS[device_of(engine)]:
        path = folder / f"{engine}-{precision}-{load.kernel}.onnx"
        target = write_load(path, precision, load, signed=engine == "tensorrt").target
        try:
            if engine == "tensorrt":
                if build is None:
                    continue
                path = build(path)
            tflops = _run(path, engine, threads, load, wish)
        except (CaseFailed, UnitEdgeError) as error:
            why = str(error)
            continue
        found.append(Peak(engine, precision, threads, tflops, target))
    if not found:
        raise CaseFailed(why)
    return max(found, key=lambda peak: peak.tflops)


def _run(path: Path, engine: str, threads: int | None, load: Load, wish: StopWish) -> float:
    with Worker(wish) as worker:
        worker.ask(
            "open",
            model=str(path),
            engine=engine,
            batch=1,
            size=[load.side, load.side],
            streams=1,
            threads=threads,
            clip=None,
        )
        worker.ask("warm_up", limit_s=_WARM_UP_S)
        calls = worker.ask("calls", seconds=_SECONDS, calls=None)
    times: list[float] = [split["compute_s"] for split in calls["splits"]] or calls["latencies_s"]
    return load.operations / min(times) / 1e12


def roof_of(
    row: Row,
    operations: int,
    traffic_bytes: int,
    peaks: Iterable[Peak],
    bandwidth_gb_s: float | None,
) -> Roof | None:
    """A row under its roof; None if the model alone wasn't measured.

    Args:
        operations: of a frame.
        traffic_bytes: that a frame moves.
        peaks: of all engines.
        bandwidth_gb_s: of the memory that the row's engine computes in.
    """
    if row.model_only is None:
        return None
    tflops = operations * row.model_only.fps / 1e12
    fitting = [
        peak.tflops
        for peak in peaks
        if (device_of(peak.engine), peak.precision, peak.threads)
        == (device_of(row.engine), row.precision, row.threads)
    ]
    peak = max(fitting, default=None)
    intensity = operations / traffic_bytes if traffic_bytes else None
    bound = None
    if peak is not None and intensity is not None and bandwidth_gb_s is not None:
        bound = min(peak, intensity * bandwidth_gb_s / 1e3)
    return Roof(operations, tflops, peak, tflops / peak if peak else None, intensity, bound)
