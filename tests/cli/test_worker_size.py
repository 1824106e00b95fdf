"""How many cores a worker gets: the arithmetic by hand, and once for real."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unit_edge.cli.subjects.worker_size import Measured, best_size, cores_for_a_worker, parse_cpus
from unit_edge.errors import ConfigError
from unit_edge.runtime.backends.open import check_model

GB = 10**9


def measured(*rows: tuple[int, float, float | None, int]) -> list[Measured]:
    return [Measured(*row) for row in rows]


def test_the_size_with_most_frames_of_a_machine() -> None:
    # eight workers of one core make 80 FPS, four of two 60
    assert best_size(measured((1, 10, None, 0), (2, 15, None, 0)), 8, None) == 1
    # decoding takes the other cores' time: eight would make 80 if the processor could
    assert best_size(measured((1, 10, 50, 0), (2, 19, 70, 0)), 8, None) == 2
    # nearly as good with one core
    assert best_size(measured((1, 10, 68, 0), (2, 19, 70, 0)), 8, None) == 1
    # only two of them have room in four fifths of the memory, whatever cores they have
    assert best_size(measured((1, 10, None, 3 * GB), (4, 30, None, 3 * GB)), 8, 8 * GB) == 4


def test_numbers_that_ray_does_not_take_are_refused() -> None:
    assert (parse_cpus("auto"), parse_cpus("0.5"), parse_cpus("4")) == (None, 0.5, 4)
    for text in ("0", "1.5", "many", "nan", "inf", "-1"):
        with pytest.raises(ConfigError, match=f"--cpus-per-worker {text}: expected auto"):
            parse_cpus(text)


@pytest.mark.slow
def test_it_is_measured_once(
    write_model: Callable[..., Path],
    write_clip: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model, clip = check_model(write_model("slow")), write_clip(frames=24)
    assert cores_for_a_worker(model, "onnxruntime", clip, cores=1) == 1
    assert not (tmp_path / "cache").exists()  # there was nothing to choose from
    found = cores_for_a_worker(model, "onnxruntime", clip, cores=2, seconds=0.2)
    assert found in (1, 2)
    store = tmp_path / "cache" / "unit-edge" / "workers.json"
    key = next(iter(store.read_text().split('"')[1::2]))
    assert "64x48" in key
    store.write_text(f'{{"{key}": {3 - found}}}')
    assert cores_for_a_worker(model, "onnxruntime", clip, cores=2) == 3 - found
