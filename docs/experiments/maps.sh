#!/usr/bin/env bash
# Trains and evaluates every run of maps.md that is not there yet; stop it at any time and start it again.
#   DATA=... bash docs/experiments/maps.sh [d|b|c|large] [SEED...]
set -euo pipefail
cd "$(dirname "$0")/../.."
DATA=${DATA:-$UNIT_EDGE_DATA}
UNIT_EDGE=${UNIT_EDGE:-.venv/bin/unit-edge}
CONFIG=train/configs/maps.toml
COUNT=988 # pairs to evaluate on: all

no_sharing=(network.shared=0 network.variational=false loss.kl=0 loss.reconstruction=0 loss.cycle_kl=0)
no_cycle=(loss.cycle=0 loss.cycle_kl=0)

run() { # NAME SEED SETTING...
    local name=$1 seed=$2 run=runs/maps/$1-$2 options=() setting
    shift 2
    [ -e "$run/evaluation/evaluation.json" ] && return
    for setting in "optim.seed=$seed" log.tensorboard=false "$@"; do options+=(--set "$setting"); done
    [ -e "$run/config.json" ] && options+=(--resume)
    "$UNIT_EDGE" train "$CONFIG" --data "$DATA" --run "$run" "${options[@]}" 2>> "runs/maps/log.txt"
    "$UNIT_EDGE" evaluate "$run" --data "$DATA" --to map --paired --count "$COUNT" -o "$run/evaluation" > /dev/null
    echo "$run"
}

rows() { # SUFFIX SEED SETTING...
    local suffix=$1 seed=$2
    shift 2
    run "full$suffix" "$seed" "$@"
    run "no-sharing$suffix" "$seed" "${no_sharing[@]}" "$@"
    run "no-cycle$suffix" "$seed" "${no_cycle[@]}" "$@"
}

mkdir -p runs/maps
part=${1:-d}
shift || true
for seed in "${@:-0}"; do
    case $part in
    d) rows "" "$seed" ;;
    large) rows -large "$seed" preset=edge-s network.front=[16,24,48] network.residual_width=64 \
        network.residual_blocks=4 network.discriminator=[32,64,128,128] 'data.short_side=[128,128]' \
        'data.crop=[128,128]' optim.lr=2e-4 optim.steps=6000 ;;
    b) COUNT=250
        for depth in 3 4 5 6; do
            channels=$(cut -d, -f "1-$depth" <<< 8,16,32,64,64,64)
            for shared in 1 2 3 4; do
                run "depth$depth-shared$shared" "$seed" "network.discriminator=[$channels]" \
                    "network.shared=$shared" optim.steps=1500
            done
        done ;;
    c) COUNT=250
        for kl in 0.01 0.1 1 10; do
            for l1 in 1 10 100 1000; do
                run "kl$kl-l1_$l1" "$seed" loss.kl=$kl loss.cycle_kl=$kl loss.reconstruction=$l1 loss.cycle=$l1 optim.steps=1500
            done
        done ;;
    *) echo "part $part; expected d, b, c or large" >&2; exit 1 ;;
    esac
done
