"""What a fleet costs beside its translations: Ray's overhead, the dispatcher's ceiling, a lost node.

    python docs/experiments/fleet.py overhead CLIP.mp4 --clips 20 --frames 40 --rounds 2
    python docs/experiments/fleet.py workers CLIP.mp4 --clips 8 --frames 40
    python docs/experiments/fleet.py simulate --actors 200 --clips 100000
    python docs/experiments/fleet.py lost --clips 10

Each prints a line of JSON. `overhead` and `workers` run the command line on copies of the clip's first
frames; `simulate` and `lost` run the real dispatcher and real Ray actors, whose work is to sleep.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # loopback alone
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - as `fleet` has it

import av

from unit_edge import __version__
from unit_edge.interrupt import StopWish
from unit_edge.runtime.fleet.cluster import joined
from unit_edge.runtime.fleet.dispatch import Dispatch, Standing
from unit_edge.runtime.fleet.items import Crew, Item, Outcome, Work

MAIN = [sys.executable, "-m", "unit_edge.cli"]
TO = ["--to", "night", "--backend", "onnxruntime"]


class Sleeper:
    """Has a worker's methods; its work takes `seconds`."""

    seconds = 0.0

    def __init__(self, work: Work) -> None:
        self._done = 0

    def open(self) -> dict[str, str]:
        import ray

        node = ray.get_runtime_context().get_node_id()
        return {"node": node, "node_id": node, "version": __version__, "error": ""}

    def translate(self, items: Sequence[Item]) -> list[Outcome]:
        time.sleep(self.seconds)
        self._done += len(items)
        return [Outcome(item.name, frames=1, seconds=self.seconds) for item in items]

    def frames(self) -> int:
        return self._done

    def stop(self) -> None: ...

    def close(self) -> None: ...


def resident_mib() -> float:
    words = Path("/proc/self/statm").read_text().split()
    return int(words[1]) * resource.getpagesize() / 2**20


class Family:
    """The processor time and memory of a process and of all below it, also of those that are gone.

    What a process does after the last look is lost, and all of what begins and ends between two.
    """

    def __init__(self, pid: int) -> None:
        self._seconds = {pid: 0.0}

    def look(self) -> float:
        """The seconds until now."""
        tick = os.sysconf("SC_CLK_TCK")
        found: dict[int, tuple[int, float]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                spent = (int(fields[11]) + int(fields[12])) / tick
                found[int(stat.parent.name)] = (int(fields[1]), spent)
        grown = True
        while grown:
            grown = False
            for pid, (parent, _) in found.items():
                if parent in self._seconds and pid not in self._seconds:
                    self._seconds[pid], grown = 0.0, True
        for pid in self._seconds.keys() & found.keys():
            self._seconds[pid] = max(found[pid][1], self._seconds[pid])
        return sum(self._seconds.values())

    def private_mib(self) -> float:
        """Memory that is theirs alone, now."""
        total = 0
        for pid in list(self._seconds):
            with suppress(OSError):
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
                total += sum(int(kib) for kib in re.findall(r"Private_\w+: +(\d+)", text))
        return total / 1024


def simulate(given: argparse.Namespace) -> dict[str, Any]:
    """All of `fleet` but the translations: list, dispatcher, ledger and report, with workers that sleep."""
    from unit_edge.runtime.backends.open import check_model
    from unit_edge.runtime.fleet.fleet import FleetRequest, carry_out_all
    from unit_edge.runtime.library import find_translator

    os.environ["RAY_worker_register_timeout_seconds"] = "1200"  # noqa: SIM112
    os.environ["MALLOC_ARENA_MAX"], os.environ["PYTHONNODEBUGRANGES"] = "1", "1"  # smaller actors
    Sleeper.seconds = given.sleep
    rows: list[tuple[int, float, float, float]] = []
    opened: list[tuple[float, int, float]] = []
    with tempfile.TemporaryDirectory(prefix="ue-") as name:
        folder, family = Path(name), Family(os.getpid())
        (folder / "list.txt").write_text("".join(f"/in/{n:06}.mp4\n" for n in range(given.clips)))
        request = FleetRequest(
            source=str(folder / "list.txt"),
            destination=str(folder / "out"),
            model=check_model(find_translator("night")),
            crew=Crew(workers=given.actors, cpus=1 / given.actors, gpus=0),
        )
        began = time.monotonic()

        def watch(standing: Standing) -> None:
            now = time.monotonic() - began
            if not opened and standing.workers == given.actors:
                opened.append((now, standing.done + standing.failed, family.look()))
                print("all open", *opened[0], round(family.private_mib()), file=sys.stderr, flush=True)
            if standing.done >= (len(rows) + 1) * given.clips // 20:
                rows.append((standing.done, now, resident_mib(), time.process_time()))
                print(*rows[-1], round(family.private_mib()), file=sys.stderr, flush=True)
            if given.limit and now > given.limit:
                os.kill(os.getpid(), signal.SIGINT)

        with joined(None, cpus=1):
            begun_mib = resident_mib()
            report = carry_out_all(request, worker=Sleeper, progress=watch)
            ended = time.monotonic() - began
            cpu, memory = family.look(), family.private_mib()
    done = len({one.name for one in report.done})
    assert done == len(report.done) and not report.failed
    at, before, cpu_before = opened[0] if opened else (ended, done, cpu)
    return {
        "actors": given.actors,
        "clips": given.clips,
        "done_each_once": done,
        "sleep_s": given.sleep,
        "until_all_are_open_s": round(at, 1),
        "clips_a_second_then": round((done - before) / max(ended - at, 1e-9), 1),
        "cpu_ms_a_clip_then_of_all_processes": round(1000 * (cpu - cpu_before) / max(1, done - before), 2),
        "driver_cpu_ms_a_clip": round(1000 * (rows[-1][3] - rows[0][3]) / (rows[-1][0] - rows[0][0]), 2)
        if len(rows) > 1
        else None,
        "driver_mib_before_the_first": round(begun_mib, 1),
        "driver_mib_at_each_twentieth": [round(row[2], 1) for row in rows],
        "seconds_at_each_twentieth": [round(row[1], 1) for row in rows],
        "private_mib_of_all_processes": round(memory),
    }


def dispatch(clips: int, actors: int, seconds: float, progress: Any = lambda _: None) -> Dispatch:
    Sleeper.seconds = seconds
    items = [Item(f"{n:06}.mp4", f"/in/{n:06}.mp4", f"{n:06}.mp4", 1000) for n in range(clips)]
    work = Work(model="", suffix="", destination="/out")
    return Dispatch(items, work, Crew(workers=actors, gpus=0), Sleeper, wish=StopWish(), progress=progress)


def lost(given: argparse.Namespace) -> dict[str, Any]:
    """How long the clip that a lost node was at is late, and how long nothing was done of it."""
    import ray
    from ray.cluster_utils import Cluster

    one = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**one, "include_dashboard": False})
    second = cluster.add_node(**one)
    ray.init(address=cluster.address, log_to_driver=False, logging_level=40)
    found: dict[str, Any] = {}

    def watch(standing: Standing) -> None:
        away = [hand for hand in run._hands if hand.node not in ("", head) and hand.at]
        at = next(iter(away[0].at.values()))[0].name if away else None
        new, found["before"] = at != found.get("before"), at
        if "clip" not in found and standing.done >= 2 and at is not None and new:  # it has just been begun
            found["clip"] = at
            cluster.remove_node(second, allow_graceful=False)
            found["removed"] = time.monotonic()

    head = ray.get_runtime_context().get_node_id()
    run = dispatch(given.clips, 2, given.sleep, watch)
    done = 0
    for outcome in run:
        done += 1
        if outcome.name == found.get("clip"):
            found["made"] = time.monotonic()
    ray.shutdown()
    cluster.shutdown()
    return {
        "clips": given.clips,
        "sleep_s": given.sleep,
        "done": done,
        "node_gone_until_the_clip_is_made_elsewhere_s": round(found["made"] - found["removed"], 2),
        "of_which_its_own_work_s": given.sleep,
    }


def cut(clip: Path, folder: Path, clips: int, frames: int) -> None:
    """Copies of a clip's first frames, encoded anew, without sound."""
    folder.mkdir()
    with av.open(str(clip)) as source:
        stream = source.streams.video[0]
        images = [frame.to_ndarray(format="bgr24") for frame in islice(source.decode(stream), frames)]
        rate = stream.average_rate
    first = folder / "00.mp4"
    with av.open(str(first), "w") as target:
        out = target.add_stream("libx264", rate=rate)
        out.height, out.width = images[0].shape[:2]
        out.pix_fmt = "yuv420p"
        for image in images:
            target.mux(out.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        target.mux(out.encode(None))
    for n in range(1, clips):
        (folder / f"{n:02}.mp4").write_bytes(first.read_bytes())


def timed(command: Sequence[str | Path], out: Path, clips: int) -> dict[str, float]:
    """What a command takes: in all, and from the first clip's begin to the last one's end."""
    marks: list[tuple[float, float]] = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        began = time.monotonic()
        family = Family(running.pid)
        while running.poll() is None:
            cpu = family.look()
            made = [path for path in out.rglob("*.mp4") if not hidden(path, out)]
            if not marks and (made or any(hidden(path, out) for path in out.rglob("*.mp4"))):
                marks.append((time.monotonic(), cpu))
            if len(marks) == 1 and len(made) == clips:
                marks.append((time.monotonic(), cpu))
            time.sleep(0.05)
        ended = time.monotonic()
    if running.returncode or len(marks) < 2:
        raise SystemExit(f"{command[3]}: exit code {running.returncode}, {len(marks)} of 2 marks")
    (first, cpu_first), (last, cpu_last) = marks
    return {"s": ended - began, "cpu_s": cpu, "clips_s": last - first, "clips_cpu_s": cpu_last - cpu_first}


def hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def overhead(given: argparse.Namespace) -> dict[str, Any]:
    """`fleet` with one worker against `translate` of the same clips in one process, in turns."""
    runs: dict[str, list[dict[str, float]]] = {"translate": [], "fleet": []}
    with tempfile.TemporaryDirectory(prefix="ue-") as name:
        folder = Path(name)
        cut(given.clip, folder / "in", given.clips, given.frames)
        for turn in range(2 * given.rounds):
            out = folder / f"out{turn}"
            out.mkdir()
            which = "translate" if turn % 4 in (0, 3) else "fleet"
            plain: list[str | Path] = [*MAIN, which, folder / "in", *TO, "--threads", "1", "-o", out, "-q"]
            fleet: list[str | Path] = [*MAIN, which, folder / "in", out, *TO, "--workers", "1", "-q"]
            runs[which].append(timed(plain if which == "translate" else fleet, out, given.clips))
            print(which, runs[which][-1], file=sys.stderr, flush=True)
            shutil.rmtree(out)

    def ratio(key: str) -> float:
        return round(median(r[key] for r in runs["fleet"]) / median(r[key] for r in runs["translate"]), 3)

    return {
        "clips": given.clips,
        "frames": given.frames,
        **{name: [{k: round(v, 1) for k, v in run.items()} for run in some] for name, some in runs.items()},
        "fleet_over_translate": {key: ratio(key) for key in ("s", "cpu_s", "clips_s", "clips_cpu_s")},
    }


def workers(given: argparse.Namespace) -> dict[str, Any]:
    """Two workers of a core each against one, in turns."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory(prefix="ue-") as name:
        folder = Path(name)
        cut(given.clip, folder / "in", given.clips, given.frames)
        for turn in range(2 * given.rounds):
            count = 1 if turn % 4 in (0, 3) else 2
            report = folder / "report.json"
            more: list[str | Path] = ["--workers", str(count), "--report", report, "-q"]
            command: list[str | Path] = [*MAIN, "fleet", folder / "in", folder / f"out{turn}", *TO, *more]
            subprocess.run(command, check=True, capture_output=True, timeout=3600)
            seconds[count].append(json.loads(report.read_text())["seconds"])
    return {
        "clips": given.clips,
        "frames": given.frames,
        "one_worker_s": [round(s, 1) for s in seconds[1]],
        "two_workers_s": [round(s, 1) for s in seconds[2]],
        "one_over_two": round(median(seconds[1]) / median(seconds[2]), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(required=True)
    for part in (overhead, workers):
        one = parts.add_parser(part.__name__)
        one.add_argument("clip", type=Path)
        one.add_argument("--clips", type=int, default=20)
        one.add_argument("--frames", type=int, default=40)
        one.add_argument("--rounds", type=int, default=2)
        one.set_defaults(part=part)
    one = parts.add_parser("simulate")
    one.add_argument("--actors", type=int, default=20)
    one.add_argument("--clips", type=int, default=100_000)
    one.add_argument("--sleep", type=float, default=0.0)
    one.add_argument("--limit", type=float, default=0.0, help="seconds after which it is ended")
    one.set_defaults(part=simulate)
    one = parts.add_parser("lost")
    one.add_argument("--clips", type=int, default=10)
    one.add_argument("--sleep", type=float, default=5.0)
    one.set_defaults(part=lost)
    given = parser.parse_args()
    print(json.dumps({"part": given.part.__name__, **given.part(given)}))


if __name__ == "__main__":
    main()
