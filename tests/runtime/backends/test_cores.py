"""The number of processors, told from what Linux says of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unit_edge.runtime.backends.cores import physical_cores, usable_cores


@pytest.mark.parametrize(
    ("usable", "siblings", "cores"),
    [
        ({0, 1, 2, 3}, ["0,2", "1,3", "0,2", "1,3"], 2),
        ({0, 1}, ["0,2", "1,3", "0,2", "1,3"], 2),
        ({0, 2}, ["0,2", "1,3", "0,2", "1,3"], 1),
        ({0, 1, 2}, ["0", "1", "2"], 3),
        ({0, 1, 2}, [], 3),
    ],
)
def test_threads_of_one_core_count_once(
    usable: set[int], siblings: list[str], cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: usable, raising=False)
    for core, text in enumerate(siblings):
        folder = tmp_path / f"sys/devices/system/cpu/cpu{core}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{text}\n")
    assert physical_cores(tmp_path) == cores
    assert usable_cores() == len(usable)
