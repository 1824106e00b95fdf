"""How near a guide's renderings come to real pictures, beside a histogram match and a colour transfer.

python docs/experiments/guides.py COUNT SEGMENTER GUIDE SOURCE TARGET[,TARGET ...] [GUIDE SOURCE TARGETS ...]

COUNT pictures, evenly spread over each folder's names, at a height of 170; the n-th picture is rendered with
seed n. Guide "none" gives the rows of the two transfers only.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from unit_edge.train.data.dataset import to_tensor
from unit_edge.train.evaluation.bootstrap import kernel_distances
from unit_edge.train.evaluation.metrics import edges_kept
from unit_edge.train.features import Features
from unit_edge.train.guides import RENDERERS
from unit_edge.train.guides.segmentation import Segmenter

HEIGHT = 170

Image = NDArray[np.uint8]


def pictures(folder: Path, count: int) -> list[Image]:
    """Some pictures of a folder, as they are."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    chosen = np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int)
    return [np.asarray(cv2.imread(str(paths[index])), np.uint8) for index in chosen]


def small(image: Image) -> Image:
    """The picture at a height of 170."""
    size = round(image.shape[1] * HEIGHT / image.shape[0]), HEIGHT
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def histogram_match(targets: list[Image]) -> Callable[[Image], Image]:
    """Each channel's levels moved so that their shares are those of all targets together."""

    def shares(image: Image, channel: int) -> NDArray[np.float64]:
        return np.cumsum(np.bincount(image[..., channel].ravel(), minlength=256)) / image[..., channel].size

    wanted = [np.mean([shares(image, channel) for image in targets], 0) for channel in range(3)]

    def matched(image: Image) -> Image:
        levels = [np.interp(shares(image, c), wanted[c], np.arange(256))[image[..., c]] for c in range(3)]
        return np.stack(levels, -1).astype(np.uint8)

    return matched


def colour_transfer(targets: list[Image]) -> Callable[[Image], Image]:
    """Mean and deviation of each channel of Lab moved to the targets' (Reinhard et al., 2001)."""
    labs = [cv2.cvtColor(image, cv2.COLOR_BGR2LAB).astype(np.float64) for image in targets]
    mean, deviation = (np.mean([f(lab, (0, 1)) for lab in labs], 0) for f in (np.mean, np.std))

    def transferred(image: Image) -> Image:
        lab = cv2.cvtColor(image, cv2.COLOR_BGR2LAB).astype(np.float64)
        moved = (lab - lab.mean((0, 1))) / (lab.std((0, 1)) + 1e-6) * deviation + mean
        return np.asarray(cv2.cvtColor(np.clip(moved, 0, 255).astype(np.uint8), cv2.COLOR_LAB2BGR), np.uint8)

    return transferred


@torch.no_grad()
def features_of(network: Features, images: list[Image]) -> NDArray[np.float64]:
    """ImageNet features of pictures, float[N,d]."""
    pooled = [network.pooled(to_tensor(np.ascontiguousarray(image))[None])[0] for image in images]
    return torch.stack(pooled).double().numpy()


def main() -> None:
    count, network, *rest = sys.argv[1:]
    features, segmenter = Features("efficientnet-lite0"), Segmenter(Path(network))
    print("| pictures | | distance to the target over the untranslated's | edges kept | ms |")
    print("|---|---|---|---|---|")
    for guide, source, folders in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        originals = pictures(Path(source), int(count))
        given = [small(image) for image in originals]
        classes = [segmenter(image) for image in originals]
        targets = [small(i) for folder in folders.split(",") for i in pictures(Path(folder), int(count))]
        before, wanted = features_of(features, given), features_of(features, targets)
        began = time.process_time()
        made: dict[str, list[Image]] = {}
        if guide != "none":
            made[guide] = [
                RENDERERS[guide](image, parts, np.random.default_rng(n))
                for n, (image, parts) in enumerate(zip(given, classes, strict=True))
            ]
        spent = 1e3 * (time.process_time() - began) / len(given)
        made["histogram match"] = list(map(histogram_match(targets), given))
        made["colour transfer"] = list(map(colour_transfer(targets), given))
        named = f"{Path(source).name} → {', '.join(Path(folder).name for folder in folders.split(','))}"
        for name, images in made.items():
            ratio = kernel_distances(before, features_of(features, images), wanted, seed=0)[2]
            edges = np.mean([edges_kept(a, b) for a, b in zip(given, images, strict=True)])
            ms = f"{spent:.0f}" if name == guide else ""
            low, high = ratio.low or ratio.value, ratio.high or ratio.value
            print(
                f"| {named} | {name} | {ratio.value:.2f} ({low:.2f}-{high:.2f}) | {edges:.2f} | {ms} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
