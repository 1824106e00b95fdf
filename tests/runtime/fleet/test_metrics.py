"""What workers count can be read where Ray's dashboard and Prometheus read it."""

from __future__ import annotations

import re
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from unit_edge.runtime.fleet import translate_many

pytest.importorskip("fsspec")
pytest.importorskip("opencensus")  # of ray[default], without which nodes tell nothing


def counted(page: str, name: str) -> dict[str, float]:
    """The counter's values by their stage, of all workers together."""
    found: dict[str, float] = {}
    for tags, value in re.findall(rf"^{name}\{{(.*?)\}} (\S+)$", page, re.MULTILINE):
        stage = re.search(r'stage="(\w+)"', tags)
        key = stage[1] if stage else ""
        found[key] = found.get(key, 0.0) + float(value)
    return found


@pytest.mark.slow
def test_frames_seconds_and_failures_are_counted(
    ray_cluster: None, write_clip: Callable[..., Path], write_model: Callable[..., Path], tmp_path: Path
) -> None:
    ray = pytest.importorskip("ray")
    folder = tmp_path / "in"
    folder.mkdir()
    write_clip("a.mp4", frames=17).rename(folder / "a.mp4")
    (folder / "none.mp4").write_bytes(b"no video")
    [node] = [node for node in ray.nodes() if node["Alive"]]
    address = f"http://127.0.0.1:{node['MetricsExportPort']}/metrics"

    def read() -> tuple[float, float, dict[str, float]]:
        with urllib.request.urlopen(address, timeout=10) as answer:
            page = answer.read().decode()
        frames = counted(page, "ray_unit_edge_fleet_frames_total").get("", 0.0)
        failures = counted(page, "ray_unit_edge_fleet_failures_total").get("", 0.0)
        return frames, failures, counted(page, "ray_unit_edge_fleet_seconds_total")

    before = read()
    translate_many(folder, tmp_path / "out", write_model())
    until = time.monotonic() + 60  # workers tell their node every few seconds
    while read()[:2] != (before[0] + 17, before[1] + 1) and time.monotonic() < until:
        time.sleep(1)
    after = read()
    assert after[:2] == (before[0] + 17, before[1] + 1)
    assert {"decode", "infer", "encode", "deliver"} <= set(after[2])
    assert all(seconds > 0 for seconds in after[2].values())
