#!/usr/bin/env bash
# Trains every run of adaptation.md that is not there yet, and prints the table; stop it at any time and start it again.
#   DATA=... bash docs/experiments/adaptation.sh SEED...
#   DATA=... DIRECTIONS=svhn-to-mnist bash docs/experiments/adaptation.sh 0
set -euo pipefail
cd "$(dirname "$0")/../.."
DATA=${DATA:-$UNIT_EDGE_DATA}
UNIT_EDGE=${UNIT_EDGE:-.venv/bin/unit-edge}

run() { # NAME CONFIG SEED OPTION...
    local run=runs/adaptation/$1-$3 config=$2 seed=$3
    shift 3
    [ -e "$run/accuracy.json" ] && return
    [ -e "$run/config.json" ] && set -- "$@" --resume
    "$UNIT_EDGE" adapt "$config" --data "$DATA" --run "$run" --set "optim.seed=$seed" "$@" 2>> runs/adaptation/log.txt
}

mkdir -p runs/adaptation
for seed in "${@:-0}"; do
    for direction in ${DIRECTIONS:-mnist-to-usps usps-to-mnist}; do
        config=train/configs/$direction.toml
        run "$direction-source-only" "$config" "$seed" --source-only
        run "$direction" "$config" "$seed"
    done
done
python3 - << 'END'
import json
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev

found = defaultdict(list)
for path in sorted(Path("runs/adaptation").glob("*/accuracy.json")):
    found[path.parent.name.rpartition("-")[0]].append(json.loads(path.read_text())["accuracy"])
for name, values in found.items():
    spread = f" ± {stdev(values):.4f}" if len(values) > 1 else ""
    print(f"{name:28} {mean(values):.4f}{spread}  ({', '.join(f'{value:.4f}' for value in values)})")
END
