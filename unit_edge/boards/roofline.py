"""How fast a model could run on a board: a prediction from its costs and the board's peaks.

A frame takes as long as its arithmetic at a share of the peak, or as its memory traffic at a share of
the bandwidth, whichever is longer.
"""

from __future__ import annotations

from dataclasses import dataclass

from unit_edge.boards.board import PRECISIONS, Board
from unit_edge.manifests.costs import CostsAt

PEAK_SHARE = {"gpu": 0.35, "cpu": 0.6}
"""Of the dense peak that a small network's convolutions get.

CPU: on two Zen 3 cores with a peak of 160 GFLOP/s, networks of 2 to 15 GMACs got 48 to 100 % in OpenVINO
and 28 to 86 % in ONNX Runtime. GPU: a judgement; nobody has measured it with these models.
"""

BANDWIDTH_SHARE = 0.6
"""Of the memory bandwidth. A judgement too."""


@dataclass(frozen=True)
class Prediction:
    """What is predicted for one model, board and precision.

    Attributes:
        fps: frames a second of the model alone; nothing is decoded, copied, shown or encoded.
        bound: "arithmetic" or "memory", whichever takes longer.
    """

    fps: float
    bound: str


def assumptions() -> str:
    """One line for people."""
    gpu, cpu = (f"{PEAK_SHARE[kind]:.0%}" for kind in ("gpu", "cpu"))
    return (
        f"predicted, not measured: the model alone, at {gpu} of a GPU's or {cpu} of a CPU's dense peak "
        f"(fp32 without TF32) and {BANDWIDTH_SHARE:.0%} of the memory bandwidth, whichever takes longer; "
        "DLAs idle, and starting an operation costs nothing, so take hundreds of FPS for a limit"
    )


def precisions_of(model_precision: str) -> tuple[str, ...]:
    """What can be predicted of a model: an fp32 one can still be made fp16 or int8."""
    return PRECISIONS if model_precision == "fp32" else (model_precision,)


def predict(costs: CostsAt, board: Board, precision: str, model_precision: str = "fp32") -> Prediction | None:
    """Predicts the speed of a model.

    Args:
        costs: of the model as it is.
        board: that it shall run on.
        precision: that it shall run in.
        model_precision: that it has. fp16 and int8 made of fp32 are taken to halve what is not the
            8-bit frame: int8 graphs keep much between their layers in fp16.

    Returns:
        None if the board's peak or bandwidth isn't known.
    """
    peak = board.peak(precision)
    if peak is None or board.bandwidth_gb_s is None:
        return None
    width, height = costs.frame_size
    frames = min(2 * 3 * width * height, costs.traffic_bytes)
    shrink = 2 if model_precision == "fp32" and precision != "fp32" else 1
    moved = frames + (costs.traffic_bytes - frames) / shrink
    arithmetic_s = 2 * costs.macs / (PEAK_SHARE[board.kind] * peak * 1e12)
    memory_s = moved / (BANDWIDTH_SHARE * board.bandwidth_gb_s * 1e9)
    bound = "arithmetic" if arithmetic_s >= memory_s else "memory"
    return Prediction(1 / max(arithmetic_s, memory_s, 1e-9), bound)
