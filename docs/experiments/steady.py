"""What --steady brings and costs on clips: flicker, sharpness and ms a frame, before and after.

python docs/experiments/steady.py FRAMES MODEL CLIP [MODEL CLIP ...]
"""

from __future__ import annotations

import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unit_edge.registry import resolve_model
from unit_edge.runtime.backends.open import open_runner
from unit_edge.runtime.sinks.steady import Steadier
from unit_edge.runtime.sources.video import FileSource
from unit_edge.train.evaluation.metrics import flicker

Image = NDArray[np.uint8]


def sharpness(images: list[Image]) -> float:
    """Mean difference between horizontal neighbours."""
    return float(np.mean([np.abs(np.diff(image.astype(np.int16), axis=1)).mean() for image in images]))


def over_the_clips_own(frames: list[Image], translated: list[Image]) -> float:
    """Flicker of a translation over that of its clip."""
    given = iter(translated)
    measured = flicker(frames, lambda frame: next(given))
    return float(np.mean(measured.output) / np.mean(measured.input))


def main() -> None:
    count, *pairs = sys.argv[1:]
    print("| model, clip | size | flicker over the clip's own | steadied | sharpness, over before | ms |")
    print("|---|---|---|---|---|---|")
    for model, clip in zip(pairs[::2], pairs[1::2], strict=True):
        with FileSource(Path(clip)) as source:
            frames = [frame.image for frame in islice(source, int(count))]
        with open_runner(resolve_model(model), threads=1) as runner:
            translated = [runner.infer(frame[np.newaxis])[0] for frame in frames]
        steadier, steadied, spent = Steadier(), [], []
        for frame, image in zip(frames, translated, strict=True):
            began = time.perf_counter()
            steadied.append(steadier.steady(frame, image))
            spent.append(1e3 * (time.perf_counter() - began))
        height, width = frames[0].shape[:2]
        figures = (
            f"{model}, {Path(clip).stem} | {width}x{height} | {over_the_clips_own(frames, translated):.2f} | "
            f"{over_the_clips_own(frames, steadied):.2f} | "
            f"{sharpness(steadied) / sharpness(translated):.2f} | {np.median(spent):.1f}"
        )
        print(f"| {figures} |", flush=True)


if __name__ == "__main__":
    main()
