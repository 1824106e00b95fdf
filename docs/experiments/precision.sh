#!/usr/bin/env bash
# Exports the bundled runs in every precision and compares each file with its run, in ONNX Runtime and in OpenVINO.
#   DATA=... bash docs/experiments/precision.sh [FOLDER]      # a line a file and backend
set -euo pipefail
cd "$(dirname "$0")/../.."
DATA=${DATA:-$UNIT_EDGE_DATA}
UNIT_EDGE=${UNIT_EDGE:-.venv/bin/unit-edge}
OUT=${1:-runs/precision}
mkdir -p "$OUT"

variants() { # RUN FROM TO FRAMES
    local run=models/$1 frames=$DATA/$4 name precision options model
    for name in fp32 fp16 int8-cpu int8-tensorrt; do
        precision=${name%%-*}
        model=$OUT/$2-$3-$name.onnx
        options=(--frames "$frames")
        [ "$precision" = int8 ] && options=(--calibrate "$frames" --int8-for "${name#int8-}")
        [ -e "$model" ] || "$UNIT_EDGE" export "$run" --to "$3" -o "$model" --precision "$precision" "${options[@]}" \
            > "$OUT/$2-$3-$name.txt"
        for backend in onnxruntime openvino; do
            printf '%s to %s, %s, %s: ' "$2" "$3" "$name" "$backend"
            "$UNIT_EDGE" verify "$model" --against "$run" --frames "$frames" --backend "$backend"
        done
        if [ "$precision" = int8 ]; then tail -n +3 "$OUT/$2-$3-$name.txt"; fi
    done
}

variants day-night day night street-day/msrs
variants day-night night day street-night/msrs
variants clear-snow clear snow road-clear
variants clear-snow snow clear road-snow
variants clear-rain clear rain road-clear
variants clear-rain rain clear road-rain
