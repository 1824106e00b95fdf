"""Whether a run's loader keeps up with its steps."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from unit_edge.config import RunConfig
from unit_edge.machine.child import ChildFailed
from unit_edge.train.bench.worker import COMPILE_LIMIT_S, StepCase, StepWorker
from unit_edge.train.data.dataset import Domain, Pairs, batches, domain_images
from unit_edge.train.guides import open_guide

TARGET_LOADER = 5.0
"""Pairs that the loader gives over those that steps consume, in the same time."""
IMAGES = 100
"""At most so many of a domain are read."""
_STEPS = 5


def measure_loader(config: RunConfig, root: Path, device: str, threads: int | None) -> dict[str, Any]:
    """Pairs of samples a second: the loader alone with and without decoding, and what steps consume.

    The first pass over the images decodes; the second finds them in memory as far as
    data.limit_ram_mib and data.workers let it. A guide's renderings are part of the pairs.
    """
    domain1, domain2 = (
        Domain(domain.name, images[:IMAGES], config.data, config.optim.seed, guide)
        for domain, guide in ((config.domain1, open_guide(config.guide, root)), (config.domain2, None))
        for images, _ in [domain_images(domain, root, config.data)]
    )
    batch = config.optim.batch
    count = max(len(domain1.images), len(domain2.images), batch)
    loader = batches(Pairs(domain1, domain2, 0, 2 * count), batch, config.data.workers)
    marks, given = [time.perf_counter()], 0
    for batch_of_1, _ in loader:
        before, given = given, given + len(batch_of_1)
        if before < count <= given or given == 2 * count:
            marks.append(time.perf_counter())
    rates = [count / (marks[i + 1] - marks[i]) for i in range(2)]
    with StepWorker(
        StepCase(name="config", config=config, way="ours", device=device, threads=threads)
    ) as worker:
        try:
            spent = [
                worker.step_ms(COMPILE_LIMIT_S if config.speed.compile else 60) for _ in range(1 + _STEPS)
            ]
        except ChildFailed as error:
            return {"skipped": f"the step failed: {error}"}
    consumed = 1e3 * batch / float(np.median(spent[1:]))
    return {
        "first_pass_per_s": round(rates[0], 1),
        "second_pass_per_s": round(rates[1], 1),
        "steps_consume_per_s": round(consumed, 2),
        "times_what_is_consumed": round(rates[0] / consumed, 1),
        "target": TARGET_LOADER,
        "samples": count,
        "workers": config.data.workers,
    }
