"""Which layers can be int8: all, unless the frames suffer; then the ones that hurt most stay in float."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import onnx

from unit_edge.export.int8.calibrate import CalibrationFrames
from unit_edge.export.int8.moved import MOST
from unit_edge.export.int8.quantise import Quantised, chosen, learned_nodes, quantise

Measure = Callable[[bytes], float]
"""A file's content to the PSNR of its frames against the checkpoint's, in dB."""

FRAMES_TO_JUDGE_BY = 8
"""Frames that single layers are calibrated on, to find those that hurt."""


def quantise_what_can_be(
    content: bytes,
    frames: CalibrationFrames,
    variant: str,
    skip: Sequence[str],
    measure: Measure,
    psnr_db: float,
    moved: Callable[[bytes], float] | None = None,
) -> Quantised:
    """Quantises all layers but `skip`; leaves out the worst, as few as make it close and up to half.

    1, 2, 4, ... are tried until it is close, then numbers between the last two.

    Args:
        content: the file's in float.
        frames: that the ranges are measured on.
        variant: of `int8.VARIANTS`.
        skip: names of layers that stay in float in any case.
        measure: how close a file's frames are to the checkpoint's.
        psnr_db: what is close enough, if `moved` agrees.
        moved: how far a file moves the translations, see moved.py; None not to ask.

    Returns:
        the file that is close enough with the fewest layers in float, or the closest; `measure` tells which.
    """
    layers = chosen(learned_nodes(onnx.load_model_from_string(content)), skip)

    def without(left: tuple[str, ...], damage: dict[str, float]) -> tuple[float, bool, Quantised]:
        rest = [layer for layer in layers if layer not in left]
        made = quantise(content, rest, frames, variant)
        psnr = measure(made)
        distance = None if moved is None or psnr < psnr_db else moved(made)
        enough = psnr >= psnr_db and (distance is None or distance <= MOST)
        return psnr, enough, Quantised(content=made, left=left, damage=damage, moved=distance)

    psnr, enough, best = without((), {})
    if enough:
        return best
    few = frames.first(FRAMES_TO_JUDGE_BY)
    alone = {layer: measure(quantise(content, [layer], few, variant)) for layer in layers}
    damage = dict(sorted(alone.items(), key=lambda item: item[1]))
    best = replace(best, damage=damage)
    too_few, count = 0, 1
    while count <= len(layers) // 2 and not enough:
        tried_psnr, enough, tried = without(tuple(damage)[:count], damage)
        if enough or tried_psnr > psnr:
            psnr, best = tried_psnr, tried
        if not enough:
            too_few, count = count, 2 * count
    while enough and count - too_few > 1:
        fewer = (too_few + count) // 2
        _, still_enough, tried = without(tuple(damage)[:fewer], damage)
        if still_enough:
            count, best = fewer, tried
        else:
            too_few = fewer
    return best
