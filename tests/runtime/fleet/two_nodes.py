"""A program of its own: a fleet on two nodes of loopback, one of which is lost in the middle.

    python two_nodes.py SOURCE DESTINATION MODEL

It ends its output with a line of JSON: how many clips are done, failed, and were done when the node was lost.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # loopback alone, see unit_edge.runtime.fleet.cluster
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - Ray's 15 leaves workers nothing of a busy machine

import ray
from ray.cluster_utils import Cluster

from unit_edge.runtime.backends.open import check_model
from unit_edge.runtime.fleet.dispatch import Standing
from unit_edge.runtime.fleet.fleet import FleetRequest, carry_out_all
from unit_edge.runtime.fleet.worker import Worker

_STORE = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


class Together(Worker):
    """Begins when the other one is there too, which may take long on a busy machine."""

    def open(self) -> dict[str, str]:
        about = super().open()
        meeting = Path(self._work.destination).parent / "met"
        meeting.mkdir(exist_ok=True)
        (meeting / str(os.getpid())).touch()
        end = time.monotonic() + 90
        while len(list(meeting.iterdir())) < 2 and time.monotonic() < end:
            time.sleep(0.1)
        return about


def main(source: str, destination: str, model: str) -> None:
    cluster = Cluster(initialize_head=True, head_node_args={**_STORE, "include_dashboard": False})
    second = cluster.add_node(**_STORE)
    ray.init(address=cluster.address, log_to_driver=False, logging_level=40)
    lost: list[int] = []

    def lose(standing: Standing) -> None:
        if not lost and standing.done and standing.workers == 2:
            lost.append(standing.done)
            cluster.remove_node(second, allow_graceful=False)

    request = FleetRequest(source=source, destination=destination, model=check_model(Path(model)))
    report = carry_out_all(request, progress=lose, worker=Together)
    ray.shutdown()
    cluster.shutdown()
    print(json.dumps({"done": len(report.done), "failed": len(report.failed), "lost_after": lost}))


if __name__ == "__main__":
    main(*sys.argv[1:])
