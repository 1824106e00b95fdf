"""Mean and standard deviation over seeds of the runs that maps.sh made: python collate.py runs/maps."""

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev

FIGURES = ("pixel_accuracy", "kernel_distance_ratio", "reconstruction_error", "cycle_error")

values: dict[str, list[dict[str, float]]] = defaultdict(list)
for path in sorted(Path(sys.argv[1]).glob("*/evaluation/evaluation.json")):
    (direction,) = json.loads(path.read_text())["directions"]
    name, _, _ = path.parts[-3].rpartition("-")
    values[name].append({key: figure["value"] for key, figure in direction["figures"].items()})
print("| run | seeds | " + " | ".join(name.replace("_", " ") for name in FIGURES) + " |")
print("|---|---|" + "---|" * len(FIGURES))
for name, runs in values.items():
    cells = []
    for figure in FIGURES:
        numbers = [run[figure] for run in runs]
        spread = f" ± {stdev(numbers):.3f}" if len(numbers) > 1 else ""
        cells.append(f"{mean(numbers):.3f}{spread}")
    print(f"| {name} | {len(runs)} | " + " | ".join(cells) + " |")
