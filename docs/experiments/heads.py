"""One direction of a run with other heads, sizes or weights: on pictures, on clips, and to look at.

python docs/experiments/heads.py RUN TO VARIANT [VARIANT ...] [--data DATA] [--only bdd-] [--clips CLIP ...]
                                 [--sheet FILE.png] [--count 8]

A VARIANT is "NAME:setting=value,setting=value": settings of the guided head (`Detail`), size (short side that
E and G see), run (a folder: whose weights) and share (of these weights; the rest is RUN's). What it doesn't
set is as RUN was trained. A row for each is printed: ratio with interval, edges kept, and each clip's flicker
over its contrast, of the translation over that of the clip, in 40 frames. The sheet has the input and every
variant side by side, COUNT pictures spread over all, or over those whose path has what --only says.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from unit_edge.config import RunConfig
from unit_edge.runtime.sources.video import FileSource
from unit_edge.spread import spread
from unit_edge.train.data.decode import read_image
from unit_edge.train.data.sources import domain_images
from unit_edge.train.evaluation.bootstrap import kernel_distances
from unit_edge.train.evaluation.evaluate import features_of
from unit_edge.train.evaluation.metrics import edges_kept, flicker
from unit_edge.train.evaluation.translate_image import ImageTranslator, short_side
from unit_edge.train.features import Features
from unit_edge.train.guided import GuidedHead
from unit_edge.train.networks import UNIT
from unit_edge.train.run.checkpoint import WEIGHTS, load_run_config, load_weights

Image = NDArray[np.uint8]
FRAMES = 40
WIDTH = 480
"""Of a picture in the sheet, pixels."""


def weights_of(run: Path, other: Path, share: float) -> UNIT:
    """share * other + (1 - share) * run."""
    unit, rest = (load_weights(folder, load_run_config(folder), WEIGHTS) for folder in (other, run))
    if share != 1:
        with torch.no_grad():
            for there, here in zip(unit.parameters(), rest.parameters(), strict=True):
                there.copy_(torch.lerp(here, there, share))
    return unit.eval()


def translator(run: Path, config: RunConfig, source: int, settings: str) -> ImageTranslator:
    """One variant."""
    given = dict(pair.split("=", 1) for pair in settings.split(",") if pair)
    other, share = Path(given.pop("run", str(run))), float(given.pop("share", "1"))
    side = int(given.pop("size", short_side(config)))
    numbers = {name: type(getattr(config.detail, name))(value) for name, value in given.items()}
    head = GuidedHead(dataclasses.replace(config.detail, **numbers))
    return ImageTranslator(weights_of(run, other, share), source, side, head)


def clip_flicker(frames: list[Image], translate: ImageTranslator) -> float:
    """Flicker over the clip's own, each over its contrast."""
    measured = flicker(frames, translate)
    made, own = np.mean(measured.output) / np.mean(measured.output_contrast), np.mean(measured.input)
    return float(made / (own / np.mean(measured.input_contrast)))


def small(image: Image) -> Image:
    size = WIDTH, round(image.shape[0] * WIDTH / image.shape[1])
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("to")
    parser.add_argument("variants", nargs="+")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", default="")
    parser.add_argument("--clips", type=Path, nargs="*", default=[])
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--count", type=int, default=8)
    given = parser.parse_args()
    config = load_run_config(given.run)
    domains = config.domain1, config.domain2
    source = 1 - [domain.name for domain in domains].index(given.to)
    items, others = (domain_images(domains[i], given.data, config.data)[1] for i in (source, 1 - source))
    images, targets = ([read_image(item) for item in of] for of in (items, others))
    clips = []
    for path in given.clips:
        with FileSource(path) as clip:
            clips.append([frame.image for frame in islice(clip, FRAMES)])
    features = Features("efficientnet-lite0")
    before, wanted = features_of(images, features), features_of(targets, features)
    shown = spread([n for n, item in enumerate(items) if given.only in str(item.path)], given.count)
    columns = [[small(images[index]) for index in shown]]
    print(f"| {len(images)} pictures to {given.to} | ratio | edges | flicker |\n|---|---|---|---|")
    for variant in given.variants:
        name, _, settings = variant.partition(":")
        translate = translator(given.run, config, source, settings)
        made = [translate(image) for image in images]
        ratio = kernel_distances(before, features_of(made, features), wanted, seed=0)[2]
        edges = np.mean([edges_kept(a, b) for a, b in zip(images, made, strict=True)])
        steady = ", ".join(f"{clip_flicker(frames, translate):.2f}" for frames in clips)
        interval = "" if ratio.low is None else f" ({ratio.low:.2f} to {ratio.high:.2f})"
        print(f"| {name} {settings} | {ratio.value:.3f}{interval} | {edges:.3f} | {steady} |", flush=True)
        columns.append([small(made[index]) for index in shown])
    if given.sheet is not None:
        sheet = np.concatenate([np.concatenate(row, 1) for row in zip(*columns, strict=True)])
        if not cv2.imwrite(str(given.sheet), sheet):
            sys.exit(f"{given.sheet}: can't be written")


if __name__ == "__main__":
    main()
