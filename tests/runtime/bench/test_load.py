"""The models that measure a machine's peak: valid ONNX, of the arithmetic claimed, and computed right."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from unit_edge.errors import ConfigError
from unit_edge.interrupt import StopWish
from unit_edge.machine.gpu import find_gpu
from unit_edge.runtime.backends.open import open_runner, read_model
from unit_edge.runtime.bench import peak as bench_peak
from unit_edge.runtime.bench.load_model import PRECISIONS, Load, write_load
from unit_edge.runtime.bench.peak import Limits
from unit_edge.runtime.bench.result import Peak
from unit_edge.runtime.bench.worker.bandwidth import memory_bandwidth

LOADS = (Load(kernel=1, layers=2, channels=8, side=16), Load(kernel=3, layers=3, channels=4, side=20))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("load", LOADS)
def test_a_load_is_what_it_says(load: Load, precision: str, signed: bool, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs the export extra")
    from onnx.reference import ReferenceEvaluator

    from unit_edge.export.graph.costs import count_costs

    path = tmp_path / "load.onnx"
    assert write_load(path, precision, load, signed=signed) == read_model(path)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert 2 * count_costs(model).at[0].macs == load.operations
    frames = np.random.default_rng(0).integers(0, 256, (1, load.side, load.side, 3), dtype=np.uint8)
    (expected,) = ReferenceEvaluator(model).run(None, {"frame": frames})
    with open_runner(path, "onnxruntime") as runner:
        found = runner.infer(frames)
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert len(np.unique(found)) > 1  # nothing has become zero or infinite on the way


def test_an_unknown_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fp32, fp16, int8"):
        write_load(tmp_path / "load.onnx", "bf16", LOADS[0])


def test_the_better_of_two_measurements_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bench_peak.LOADS, "cpu", LOADS)
    limits = Limits(tmp_path, StopWish(), None, seconds=0, warm_up_s=0)
    limits.measure("onnxruntime", "fp32", 1)
    first = limits.peaks["onnxruntime", "fp32", 1].tflops
    limits.measure("onnxruntime", "fp32", 1)
    assert limits.peaks["onnxruntime", "fp32", 1].tflops >= first > 0
    assert limits.bandwidth_gb_s["memory"] > 0.1 and not limits.problems


@pytest.mark.skipif(find_gpu() is not None, reason="of a machine without a GPU")
def test_what_has_no_peak_is_said(tmp_path: Path) -> None:
    limits = Limits(tmp_path, StopWish(), None, seconds=0, warm_up_s=0)
    limits.measure("tensorrt", "fp16", None)
    limits.measure("tensorrt", "fp16", None)
    assert not limits.peaks
    peak, bandwidth = limits.problems["tensorrt"]
    assert "peak of tensorrt in fp16" in peak and "builder" in peak and "gpu memory" in bandwidth


def test_bf16_on_a_cpu_has_the_cpus_memory_and_no_peak_of_another_precision(tmp_path: Path) -> None:
    limits = Limits(tmp_path, StopWish(), None, seconds=0, warm_up_s=0)
    limits.measure("openvino-bf16", "fp32", 1)
    assert limits.bandwidth_gb_s.keys() == {"memory"}
    (problem,) = limits.problems["openvino-bf16"]
    assert problem.startswith("no peak of openvino-bf16") and str(tmp_path) not in problem
    limits.peaks["openvino", "fp32", 1] = Peak(
        backend="openvino", precision="fp32", threads=1, tflops=0.1, load="convolutions"
    )
    row = SimpleNamespace(
        backend="openvino-bf16", precision="fp32", threads=1, model_only=SimpleNamespace(fps=10.0)
    )
    roof = limits.roof_of(row, 10, 10)  # type: ignore[arg-type]
    assert roof is not None and roof.peak_tflops is None and roof.share is None


def test_the_memory_copies_faster_than_a_disk() -> None:
    assert memory_bandwidth("onnxruntime", 0) > 1e8
