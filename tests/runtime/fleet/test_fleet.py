"""Folders of clips through real workers: whole under their names or named with their errors."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from probe import frame_times, packets

from unit_edge.errors import ConfigError, SinkError
from unit_edge.media.images import read_image
from unit_edge.runtime.fleet.fleet import translate_many
from unit_edge.runtime.fleet.items import Item, Outcome
from unit_edge.runtime.fleet.worker import Worker
from unit_edge.runtime.sinks.images import write_image
from unit_edge.runtime.translate import translate

WriteClip = Callable[..., Path]
WriteModel = Callable[..., Path]


@pytest.fixture
def recordings(write_clip: WriteClip, tmp_path: Path) -> Path:
    """Three clips, a picture, one that is cut off, one that is no video, and what isn't to be found."""
    folder = tmp_path / "in"
    (folder / "drive 1").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    write_clip("a.mp4", frames=10, audio="aac").rename(folder / "drive 1" / "a.mp4")
    write_clip("b.MP4", frames=12).rename(folder / "b.MP4")
    write_clip("c.avi", frames=14, codec="mpeg4").rename(folder / "c.avi")
    whole = write_clip("cut.mkv", frames=60).read_bytes()
    (folder / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    (folder / "none.mp4").write_bytes(b"this is no video")
    (folder / ".hidden" / "d.mp4").write_bytes(b"")
    (folder / "note.txt").write_text("from the front camera")
    write_image(folder / "p.png", np.full((24, 32, 3), 7, np.uint8))
    return folder


def made_in(folder: Path) -> list[str]:
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if not name.startswith("."))


@pytest.mark.slow
def test_each_clip_is_whole_or_named(
    ray_cluster: None, recordings: Path, write_model: WriteModel, tmp_path: Path
) -> None:
    model = write_model("invert")
    report = translate_many(recordings, tmp_path / "out", model)
    assert made_in(tmp_path / "out") == ["b.MP4", "c.mp4", "drive 1/a.mp4", "p.png"]
    failures = {one.name: one.error for one in report.failed}
    assert sorted(failures) == ["cut.mkv", "none.mp4"]
    assert failures["none.mp4"].startswith("none.mp4: not a video")
    assert (report.total, len(report.done), report.frames) == (6, 4, 10 + 12 + 14 + 1)
    translate(recordings / "drive 1" / "a.mp4", tmp_path / "alone.mp4", model)
    for kind in ("video", "audio"):  # the same as the plain translation, to the bit
        assert packets(tmp_path / "out/drive 1/a.mp4", kind) == packets(tmp_path / "alone.mp4", kind)
    assert frame_times(tmp_path / "out/c.mp4") == frame_times(recordings / "c.avi")
    assert (read_image(tmp_path / "out/p.png") == 248).all()
    left = [path.name for path in (tmp_path / "out").rglob("*") if path.is_file() and "work" in path.parts]
    assert left == []

    # what is there stays as it is; what is missing is made
    before = (tmp_path / "out/b.MP4").stat().st_mtime_ns
    (tmp_path / "out/c.mp4").unlink()
    (recordings / "cut.mkv").unlink()
    with pytest.raises(SinkError, match="add --resume to make what is missing"):
        translate_many(recordings, tmp_path / "out", model)
    with pytest.raises(ConfigError, match="were made with another model"):
        translate_many(recordings, tmp_path / "out", write_model("identity"), resume=True)
    again = translate_many(recordings, tmp_path / "out", model, resume=True)
    assert [one.name for one in again.done] == ["c.avi"] and again.skipped == 3
    assert (tmp_path / "out/b.MP4").stat().st_mtime_ns == before
    assert len(frame_times(tmp_path / "out/c.mp4")) == 14

    report.write(tmp_path / "report.json")
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["clips"] == {"total": 6, "done": 4, "skipped": 0, "failed": 2}
    assert content["nodes"][0]["frames"] == 37 and content["nodes"][0]["node"] == socket.gethostname()
    assert {one["name"] for one in content["failures"]} == {"cut.mkv", "none.mp4"}
    report.write(tmp_path / "report.html")
    assert "none.mp4: not a video" in (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_what_kills_its_worker_is_left_out(
    ray_cluster: None, write_clip: WriteClip, write_model: WriteModel, tmp_path: Path
) -> None:
    from unit_edge.runtime.backends.open import check_model
    from unit_edge.runtime.fleet.fleet import FleetRequest, carry_out_all
    from unit_edge.runtime.fleet.items import Crew

    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.mp4", "killer.mp4", "z.mp4"):
        write_clip(name, frames=6).rename(folder / name)
    died = tmp_path / "died"
    once = tmp_path / "once"

    class Killed(Worker):
        """Dies of one clip each time, of another the first time, as if a decoder had crashed."""

        def translate(self, items: Sequence[Item]) -> list[Outcome]:
            if items[0].name == "killer.mp4" or (items[0].name == "z.mp4" and not once.exists()):
                once.touch() if items[0].name == "z.mp4" else died.open("a").write("x")
                os.kill(os.getpid(), signal.SIGKILL)
            return super().translate(items)

    request = FleetRequest(
        source=str(folder),
        destination=str(tmp_path / "out"),
        model=check_model(write_model()),
        crew=Crew(workers=1),
    )
    report = carry_out_all(request, worker=Killed)
    assert [(one.name, one.kills) for one in report.failed] == [("killer.mp4", 3)]
    assert "its worker died 3 times; it is left out" in report.failed[0].error
    assert died.read_text() == "xxx"
    assert made_in(tmp_path / "out") == ["a.mp4", "z.mp4"]
    assert {one.name: one.kills for one in report.done} == {"a.mp4": 0, "z.mp4": 1}


def test_workers_take_no_modules_from_the_folder_we_are_called_in(ray_cluster: None) -> None:
    """A `numpy.py` among recordings would be run by them."""
    ray = pytest.importorskip("ray")

    @ray.remote(num_cpus=0)
    def searched() -> list[str]:
        import sys

        return sys.path

    assert str(Path.cwd()) not in ray.get(searched.remote())


def test_workers_get_as_much_of_a_busy_machine_as_plain_programs(ray_cluster: None) -> None:
    """Ray would have them nice'd by 15, so that anything else would come first."""
    ray = pytest.importorskip("ray")

    @ray.remote(num_cpus=0)
    def niceness() -> int:
        return os.nice(0)

    assert ray.get(niceness.remote()) == os.nice(0)


def test_ray_tells_its_makers_nothing(ray_cluster: None) -> None:
    usage = pytest.importorskip("ray._common.usage.usage_lib")
    assert usage.usage_stats_enabled() is False


def test_ray_listens_on_loopback_alone(ray_cluster: None) -> None:
    own = _family(os.getpid())
    inodes = {inode for pid in own for inode in _sockets(pid)}
    listening = {
        address.rpartition(":")[0]
        for table in ("tcp", "tcp6")
        for _, address, _, state, *_, inode in (
            [*row.split()[:4], row.split()[9]]
            for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        )
        if state == "0A" and inode in inodes
    }
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    assert len(own) > 3 and listening and listening <= loopback


def _sockets(pid: int) -> list[str]:
    """Inodes of the sockets that a process has open."""
    found: list[str] = []
    with suppress(OSError):  # it has ended
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = str(link.readlink())
                if target.startswith("socket:["):
                    found.append(target[len("socket:[") : -1])
    return found


def _family(pid: int) -> list[int]:
    """A process and all below it."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            child, rest = stat.read_text().split(" ", 1)
            parents.setdefault(int(rest.rpartition(")")[2].split()[1]), []).append(int(child))
    below = [pid]
    for one in below:
        below += parents.get(one, [])
    return below
