"""What a fleet costs beside its translations: Ray's overhead, the dispatcher's ceiling, a lost node.

    python docs/experiments/fleet.py overhead CLIP.mp4 --clips 20 --frames 40 --rounds 2
    python docs/experiments/fleet.py workers CLIP.mp4 --clips 8 --frames 40
    python docs/experiments/fleet.py simulate --actors 20 --clips 100000
    python docs/experiments/fleet.py lost --clips 10

Each prints a line of JSON. `overhead` and `workers` run the command line on copies of the clip's first
frames; `simulate` and `lost` run the real dispatcher and real Ray actors, whose work is to sleep.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # loopback alone
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import av

from unit_edge import __version__
from unit_edge.interrupt import StopWish
from unit_edge.runtime.fleet.cluster import joined
from unit_edge.runtime.fleet.dispatch import Dispatch, Standing
from unit_edge.runtime.fleet.items import Crew, Item, Outcome, Work

MAIN = [sys.executable, "-m", "unit_edge.cli"]
TO = ["--to", "night", "--backend", "onnxruntime"]


class Sleeper:
    """Has a worker's methods; its work takes the seconds that the `Work` has as a model's suffix."""

    def __init__(self, work: Work) -> None:
        self._seconds = float(work.suffix)
        self._done = 0

    def open(self) -> dict[str, str]:
        import ray

        node = ray.get_runtime_context().get_node_id()
        return {"node": node, "node_id": node, "version": __version__, "error": ""}

    def translate(self, items: Sequence[Item]) -> list[Outcome]:
        time.sleep(self._seconds)
        self._done += len(items)
        return [Outcome(item.name, frames=1, seconds=self._seconds) for item in items]

    def frames(self) -> int:
        return self._done

    def stop(self) -> None: ...

    def close(self) -> None: ...


def dispatch(clips: int, actors: int, seconds: float, progress: Any = lambda _: None) -> Dispatch:
    items = [Item(f"{n:06}.mp4", f"/in/{n:06}.mp4", f"{n:06}.mp4", 1000) for n in range(clips)]
    work = Work(model="", suffix=str(seconds), destination="/out")
    return Dispatch(items, work, Crew(workers=actors, gpus=0), Sleeper, wish=StopWish(), progress=progress)


def resident_mib() -> float:
    words = Path("/proc/self/statm").read_text().split()
    return int(words[1]) * resource.getpagesize() / 2**20


def simulate(given: argparse.Namespace) -> dict[str, Any]:
    """The dispatcher with workers that take no time, or some."""
    with joined(None, cpus=given.actors):
        run = dispatch(given.clips, given.actors, given.sleep)
        memory, stamps, began = [], [], time.monotonic()
        opened_s = cpu = 0.0
        for count, _ in enumerate(run, 1):
            if count == 1:
                opened_s, began, cpu = time.monotonic() - began, time.monotonic(), time.process_time()
            if count % max(1, given.clips // 20) == 0:
                memory.append(round(resident_mib(), 1))
                stamps.append(round(time.monotonic() - began, 1))
                print(count, stamps[-1], memory[-1], file=sys.stderr)
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    return {
        "actors": given.actors,
        "clips": given.clips,
        "sleep_s": given.sleep,
        "until_the_first_s": round(opened_s, 2),
        "clips_a_second": round((given.clips - 1) / seconds, 1),
        "driver_cpu_ms_a_clip": round(1000 * cpu / given.clips, 2),
        "seconds_at_each_twentieth": stamps,
        "driver_mib_at_each_twentieth": memory,
    }


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


def timed(command: Sequence[str | Path]) -> float:
    began = time.monotonic()
    subprocess.run(command, check=True, capture_output=True, timeout=3600)
    return time.monotonic() - began


def overhead(given: argparse.Namespace) -> dict[str, Any]:
    """`fleet` with one worker against `translate` of the same clips in one process, in turns."""
    plain, fleet, inside = [], [], []
    with tempfile.TemporaryDirectory(prefix="ue-") as name:
        folder = Path(name)
        cut(given.clip, folder / "in", given.clips, given.frames)
        for turn in range(2 * given.rounds):
            out, report = folder / f"out{turn}", folder / "report.json"
            if turn % 4 in (0, 3):
                out.mkdir()
                plain.append(timed([*MAIN, "translate", folder / "in", *TO, "--threads", "1", "-o", out]))
            else:
                more = ["--workers", "1", "--report", report, "-q"]
                fleet.append(timed([*MAIN, "fleet", folder / "in", out, *TO, *more]))
                inside.append(json.loads(report.read_text())["seconds"])
    return {
        "clips": given.clips,
        "frames": given.frames,
        "translate_s": [round(s, 1) for s in plain],
        "fleet_s": [round(s, 1) for s in fleet],
        "of_which_from_the_first_worker_on_s": [round(s, 1) for s in inside],
        "fleet_over_translate": round(median(fleet) / median(plain), 3),
        "without_starting_ray": round(median(inside) / median(plain), 3),
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
            more = ["--workers", str(count), "--report", report, "-q"]
            timed([*MAIN, "fleet", folder / "in", folder / f"out{turn}", *TO, *more])
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
    one.set_defaults(part=simulate)
    one = parts.add_parser("lost")
    one.add_argument("--clips", type=int, default=10)
    one.add_argument("--sleep", type=float, default=5.0)
    one.set_defaults(part=lost)
    given = parser.parse_args()
    print(json.dumps({"part": given.part.__name__, **given.part(given)}))


if __name__ == "__main__":
    main()
