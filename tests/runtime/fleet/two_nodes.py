"""A program of its own: a fleet on two nodes of loopback, one of which is lost in the middle.

    python two_nodes.py SOURCE DESTINATION MODEL

It ends its output with a line of JSON: how many clips are done, failed, and were done when the node was lost.
"""

from __future__ import annotations

import json
import os
import sys

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # loopback alone, see unit_edge.runtime.fleet.cluster
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray
from ray.cluster_utils import Cluster

from unit_edge.runtime.fleet import translate_many
from unit_edge.runtime.fleet.dispatch import Standing

_STORE = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


def main(source: str, destination: str, model: str) -> None:
    cluster = Cluster(initialize_head=True, head_node_args={**_STORE, "include_dashboard": False})
    second = cluster.add_node(**_STORE)
    ray.init(address=cluster.address, log_to_driver=False, logging_level=40)
    lost: list[int] = []

    def lose(standing: Standing) -> None:
        if not lost and standing.done and standing.workers == 2:
            lost.append(standing.done)
            cluster.remove_node(second, allow_graceful=False)

    report = translate_many(source, destination, model, progress=lose)
    ray.shutdown()
    cluster.shutdown()
    print(json.dumps({"done": len(report.done), "failed": len(report.failed), "lost_after": lost}))


if __name__ == "__main__":
    main(*sys.argv[1:])
