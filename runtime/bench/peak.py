"""The peak of this machine: load models through the backends that were measured, in the same run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from unit_edge.errors import UnitEdgeError
from unit_edge.interrupt import StopWish
from unit_edge.runtime.bench.cases import device_of, memory_of
from unit_edge.runtime.bench.load_model import Load, write_load
from unit_edge.runtime.bench.process import BenchWorker, CaseFailed
from unit_edge.runtime.bench.result import BenchRow, Peak, Roof

LOADS: dict[str, tuple[Load, ...]] = {
    "cpu": (Load(kernel=1, layers=8, channels=512, side=64), Load(kernel=3, layers=8, channels=128, side=64)),
    "gpu": (
        Load(kernel=1, layers=8, channels=1024, side=256),
        Load(kernel=3, layers=8, channels=256, side=256),
    ),
}
"""As large as it takes to keep a CPU's cores, or a data centre's GPU, from waiting for anything."""

Built = Callable[[Path], Path]
"""Makes the TensorRT engine of a model and returns where it is."""


def _in_bf16(backend: str) -> bool:
    return backend.endswith("-bf16")


class Limits:
    """The peaks and bandwidths of this machine, the best that was measured of each.

    Attributes:
        peaks: by backend, precision and number of threads.
        bandwidth_gb_s: of "memory" and "gpu memory", 10⁹ bytes a second, read and written.
        problems: why one is missing, by backend.
    """

    def __init__(
        self,
        folder: Path,
        wish: StopWish,
        build: Built | None,
        *,
        seconds: float = 1.0,
        warm_up_s: float = 3.0,
    ) -> None:
        """Load models go to `folder`; `build` is for TensorRT; each measurement takes `seconds`."""
        self._folder, self._wish, self._build = folder, wish, build
        self._seconds, self._warm_up_s = seconds, warm_up_s
        self.peaks: dict[tuple[str, str, int | None], Peak] = {}
        self.bandwidth_gb_s: dict[str, float] = {}
        self.problems: dict[str, list[str]] = {}

    def measure(self, backend: str, precision: str, threads: int | None) -> None:
        """Measures both limits of a backend, once more if they were before.

        Raises:
            Interrupted: the wish came.
        """
        key = backend, precision, threads
        try:
            if _in_bf16(backend):
                raise CaseFailed("a load model has no E and G, which alone it computes in bf16")
            peaks = [self._peak(backend, precision, threads)]
            peaks += [self.peaks[key]] if key in self.peaks else []
            self.peaks[key] = max(peaks, key=lambda peak: peak.tflops)
        except CaseFailed as error:
            self._missing(backend, f"no peak of {backend} in {precision}: {error}")
        name = memory_of(backend)
        try:
            with BenchWorker(self._wish) as worker:
                found = worker.ask("bandwidth", backend=backend, seconds=self._seconds)
            gb_s = found["bytes_per_s"] / 1e9
            self.bandwidth_gb_s[name] = max(gb_s, self.bandwidth_gb_s.get(name, 0.0))
        except CaseFailed as error:
            self._missing(backend, f"no bandwidth of the {name}: {error}")

    def _missing(self, backend: str, problem: str) -> None:
        known = self.problems.setdefault(backend, [])
        if problem not in known:
            known.append(problem)

    def _peak(self, backend: str, precision: str, threads: int | None) -> Peak:
        """What a backend reaches with the better of two load models.

        Raises:
            CaseFailed: none of them runs.
        """
        found, why = [], "it can't be built without TensorRT's builder"
        for load in LOADS[device_of(backend)]:
            path = self._folder / f"{backend}-{precision}-{load.kernel}.onnx"
            target = write_load(path, precision, load, signed="tensorrt" in backend).target
            try:
                if backend == "tensorrt":
                    if self._build is None:
                        continue
                    path = self._build(path)
                tflops = self._run(path, backend, threads, load)
            except (CaseFailed, UnitEdgeError) as error:
                why = str(error)
                continue
            found.append(
                Peak(backend=backend, precision=precision, threads=threads, tflops=tflops, load=target)
            )
        if not found:
            raise CaseFailed(why)
        return max(found, key=lambda peak: peak.tflops)

    def _run(self, path: Path, backend: str, threads: int | None, load: Load) -> float:
        with BenchWorker(self._wish) as worker:
            worker.ask(
                "open",
                model=str(path),
                backend=backend,
                batch=1,
                size=[load.side, load.side],
                streams=1,
                threads=threads,
                clip=None,
            )
            worker.ask("warm_up", seconds=self._warm_up_s)
            calls = worker.ask("calls", seconds=self._seconds, calls=None)
        times: list[float] = [gpu["compute_s"] for gpu in calls["gpu_times"]] or calls["latencies_s"]
        return load.operations / min(times) / 1e12

    def roof_of(self, row: BenchRow, operations: int, traffic_bytes: int) -> Roof | None:
        """A row under its roof; None if the model alone wasn't measured.

        Args:
            operations: of a frame.
            traffic_bytes: that a frame moves.
        """
        if row.model_only is None:
            return None
        tflops = operations * row.model_only.fps / 1e12
        peak = max(
            (
                peak.tflops
                for (backend, precision, threads), peak in self.peaks.items()
                if (device_of(backend), _in_bf16(backend), precision, threads)
                == (device_of(row.backend), _in_bf16(row.backend), row.precision, row.threads)
            ),
            default=None,
        )
        bandwidth = self.bandwidth_gb_s.get(memory_of(row.backend))
        intensity = operations / traffic_bytes if traffic_bytes else None
        bound = None
        if peak is not None and intensity is not None and bandwidth is not None:
            bound = min(peak, intensity * bandwidth / 1e3)
        return Roof(
            operations=operations,
            tflops=tflops,
            peak_tflops=peak,
            share=tflops / peak if peak else None,
            intensity=intensity,
            bound_tflops=bound,
        )
