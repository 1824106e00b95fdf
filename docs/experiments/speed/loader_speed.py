"""What a pair of training samples takes with a guide, against an older checkout, in turns.

    git worktree add ../before f8c6705
    python docs/experiments/speed/loader_speed.py --before ../before --data DATA \\
        train/configs/bdd-day-night.toml

Both sides run with this Python and its packages, each in a process of its own that loads unit_edge from its
checkout, on one thread. They take turns of a few pairs; figures are milliseconds of processor time, which
other programs change little. In the first pass every image is decoded and prepared, in later ones it is found
in memory. The classes of all pictures are worked out before, for they are kept on disk. At last it says by
how many levels the guide's pictures differ.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np

_CHILD = """
import sys
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in repr(f).lower()]
sys.path.insert(0, sys.argv[1])
sys.path.insert(1, sys.argv[2])
import loader_speed
loader_speed.serve(*sys.argv[3:])
"""
TURN = 8


def serve(config_file: str, data: str, guide: str, images: str) -> None:
    """The child: answers a line of stdin, the number of the first pair of a turn, with its milliseconds."""
    import cv2
    import torch

    from unit_edge.settings import load_config
    from unit_edge.train.data.dataset import Domain, Pairs, domain_images
    from unit_edge.train.guides import open_guide

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    config = load_config(Path(config_file))
    if guide:
        config = replace(config, guide=replace(config.guide, name=guide))
    opened = open_guide(config.guide, Path(data)), None
    domains = [
        Domain(
            domain.name, domain_images(domain, Path(data), config.data)[0][: int(images)], config.data, 1, g
        )
        for domain, g in zip((config.domain1, config.domain2), opened, strict=True)
    ]
    pairs = Pairs(domains[0], domains[1], 0, sys.maxsize)
    for line in sys.stdin:
        first, shown = json.loads(line)
        began = time.process_time()
        samples = [pairs[number][0] for number in range(first, first + TURN)]
        spent = (time.process_time() - began) * 1e3 / TURN
        pixels = [base64.b64encode(np.ascontiguousarray(x.numpy()).tobytes()).decode() for x in samples]
        print(json.dumps([spent, pixels if shown else []]), flush=True)


class Side:
    """A checkout's child."""

    def __init__(self, checkout: Path, arguments: list[str], typing: Path) -> None:
        package = typing / "unit_edge"
        package.mkdir(parents=True)
        for path in [
            *(checkout / "unit_edge").iterdir(),
            *(checkout / n for n in ("train", "export", "runtime")),
        ]:
            (package / path.name).symlink_to(path)
        here = str(Path(__file__).resolve().parent)
        self.child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(typing), here, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def ask(self, first: int, shown: bool = False) -> Any:
        assert self.child.stdin and self.child.stdout
        print(json.dumps([first, shown]), file=self.child.stdin, flush=True)
        return json.loads(self.child.stdout.readline())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--guide", default="", help="another than the config's")
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=20, help="of later passes")
    options = parser.parse_args()
    given = [options.config, options.data, options.guide, str(options.images)]
    after = Path(__file__).resolve().parents[3]
    with tempfile.TemporaryDirectory() as folder:
        sides = [
            Side(checkout.resolve(), given, Path(folder) / name)
            for name, checkout in (("before", options.before), ("after", after))
        ]
        warm = Side(after, given, Path(folder) / "warm")
        for first in range(0, options.images, TURN):
            warm.ask(first)
        warm.child.kill()
        turns = range(0, options.images, TURN)
        report("first pass", [[side.ask(first)[0] for side in sides] for first in turns])
        begin = len(turns) * TURN
        later = range(begin, begin + options.rounds * TURN, TURN)
        report("in memory", [[side.ask(first)[0] for side in sides] for first in later])
        pictures = [side.ask(begin, True)[1] for side in sides]
        before, now = (np.frombuffer(base64.b64decode("".join(p)), np.uint8).astype(int) for p in pictures)
        apart = np.abs(before - now)
        print(f"samples differ by at most {apart.max()} levels, in {(apart > 0).mean():.2%} of the values")
        for side in sides:
            side.child.kill()


def report(name: str, turns: list[list[float]]) -> None:
    """One line: both sides' medians, and the quartiles of their ratios."""
    before, after = (median(times) for times in zip(*turns, strict=True))
    low, middle, high = quantiles([a / b for a, b in turns], n=4)
    print(
        f"{name}: {before:.1f} -> {after:.1f} ms a pair, {middle:.1f} times as fast "
        f"({low:.1f} to {high:.1f}); {1e3 / after:.0f} pairs a second a core"
    )


if __name__ == "__main__":
    main()
