"""Is a translated night worth training on? Crops by day and three kinds of night, tested on real nights.

python docs/experiments/augmentation.py DATA DETECTOR.onnx -o augmentation.json

DATA has the folders bdd-day and bdd-night. The labels, of both, are what the detector is sure of.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from unit_edge.registry import resolve_model
from unit_edge.runtime.backends.open import open_runner
from unit_edge.runtime.check.boxes import area, iou
from unit_edge.runtime.check.intervals import ratios
from unit_edge.runtime.check.networks.detector import Detector, DetectorOptions
from unit_edge.runtime.check.translator import translator
from unit_edge.runtime.sources.images import read_image

Image = NDArray[np.uint8]
VEHICLES = ("car", "truck", "bus")
SURE, NOTHING = 0.5, 0.05  # confidence of a vehicle, and of what may be none
CROP, SMALLEST = 32, 16  # pixels
SEEDS = (0, 1, 2)
EPOCHS, BATCH = 12, 64
KINDS = ("day only", "day + gamma", "day + histogram match", "day + our night")


@dataclass
class Crops:
    """uint8[N,CROP,CROP,3], whether each is a vehicle, and the picture that it is of."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    pictures: NDArray[np.int64]


def boxes_of(
    image: Image, detector: Detector, rng: np.random.Generator
) -> tuple[NDArray[np.float64], list[int]]:
    """Sure vehicles, and as many places of the same sizes where the detector sees nothing."""
    found = detector(image, NOTHING)
    sides = found.xyxy[:, 2:] - found.xyxy[:, :2]
    sure = found.xyxy[(found.scores >= SURE) & (sides.min(1, initial=1e9) >= SMALLEST)]
    height, width = image.shape[:2]
    others = []
    for x1, y1, x2, y2 in sure:
        for _ in range(20):
            left, top = rng.uniform(0, width - (x2 - x1)), rng.uniform(0, height - (y2 - y1))
            box = np.array([[left, top, left + x2 - x1, top + y2 - y1]])
            if not len(found) or iou(box, found.xyxy).max() < 0.02:
                others.append(box[0])
                break
    boxes = np.array([*sure, *others]).reshape(-1, 4)
    return boxes, [1] * len(sure) + [0] * len(others)


def cut(image: Image, boxes: NDArray[np.float64]) -> list[Image]:
    crops = []
    for x1, y1, x2, y2 in boxes.round().astype(int):
        crop = image[max(0, y1) : y2, max(0, x1) : x2]
        crops.append(np.asarray(cv2.resize(crop, (CROP, CROP), interpolation=cv2.INTER_AREA), np.uint8))
    return crops


def gamma(image: Image, rng: np.random.Generator) -> Image:
    """As dark as nights are: a power of 2 to 3, and half of the light."""
    return np.asarray(255 * (image / 255) ** rng.uniform(2, 3) * rng.uniform(0.4, 0.8), np.uint8)


def matched(image: Image, other: Image) -> Image:
    """Each channel with the other picture's histogram."""
    made = np.empty_like(image)
    for channel in range(3):
        own = np.bincount(image[..., channel].ravel(), minlength=256).cumsum() / image[..., channel].size
        wanted = np.bincount(other[..., channel].ravel(), minlength=256).cumsum() / other[..., channel].size
        made[..., channel] = np.interp(own, wanted, np.arange(256)).astype(np.uint8)[image[..., channel]]
    return made


def spread(folder: Path, count: int, start: int = 0, step: int = 1) -> list[Path]:
    files = sorted(folder.glob("*.jpg"))[start::step]
    return [files[int(k)] for k in np.linspace(0, len(files) - 1, min(count, len(files)))]


def collect(paths: list[Path], detector: Detector, ways: list[Callable[[Image], Image]]) -> list[Crops]:
    """The same boxes of the same pictures, cut out of what each of the ways makes of them."""
    rng = np.random.default_rng(0)
    rows: list[list[Image]] = [[] for _ in ways]
    labels: list[int] = []
    pictures: list[int] = []
    for number, path in enumerate(paths):
        image = read_image(path)
        boxes, kinds = boxes_of(image, detector, rng)
        if not len(boxes):
            continue
        assert (area(boxes) > 0).all()
        for row, way in zip(rows, ways, strict=True):
            row += cut(way(image), boxes)
        labels += kinds
        pictures += [number] * len(kinds)
    return [Crops(np.stack(row), np.array(labels), np.array(pictures)) for row in rows]


def network() -> nn.Module:
    def block(a: int, b: int) -> list[nn.Module]:
        return [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)]

    layers = [*block(3, 16), *block(16, 32), *block(32, 64)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(64, 2))


def as_tensor(images: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def trained(day: Crops, extra: Crops | None, seed: int) -> nn.Module:
    """With `extra`, each crop of a step is by even chance its night; the number of steps is the same."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = network()
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-2)
    steps = EPOCHS * (len(day.labels) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        chosen = rng.integers(0, len(day.labels), BATCH)
        images = day.images[chosen].copy()
        if extra is not None:
            night = rng.random(BATCH) < 0.5
            images[night] = extra.images[chosen[night]]
        flipped = rng.random(BATCH) < 0.5
        images[flipped] = images[flipped][:, :, ::-1]
        loss = nn.functional.cross_entropy(net(as_tensor(images)), torch.from_numpy(day.labels[chosen]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return net.eval()


@torch.inference_mode()
def right(net: nn.Module, test: Crops) -> NDArray[np.bool_]:
    return (net(as_tensor(test.images)).argmax(1).numpy() == test.labels).astype(bool)


def by_picture(values: NDArray[np.float64], test: Crops) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums and counts of each picture, which is what is resampled."""
    names = np.unique(test.pictures)
    sums = np.array([values[test.pictures == name].sum() for name in names])
    return sums[:, None], np.array([(test.pictures == name).sum() for name in names])[:, None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("detector", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("augmentation.json"))
    parser.add_argument("--model", default="day2night-edge-s")
    parser.add_argument("--count", type=int, default=240)
    given = parser.parse_args()
    torch.set_num_threads(1)
    began = time.monotonic()
    rng = np.random.default_rng(1)
    # real nights for histograms are every second one, those for the test the others
    nights = [read_image(path) for path in spread(given.data / "bdd-night", 60, 0, 2)]
    options = DetectorOptions(only=VEHICLES, threads=1)
    with (
        Detector(given.detector, options) as detector,
        open_runner(resolve_model(given.model), threads=1) as runner,
    ):
        ways: list[Callable[[Image], Image]] = [
            lambda image: image,
            lambda image: gamma(image, rng),
            lambda image: matched(image, nights[rng.integers(len(nights))]),
            translator(runner),
        ]
        sets = collect(spread(given.data / "bdd-day", given.count), detector, ways)
        (test,) = collect(spread(given.data / "bdd-night", given.count, 1, 2), detector, ways[:1])
    print(
        f"{len(sets[0].labels)} crops by day, {len(test.labels)} by night, {time.monotonic() - began:.0f} s"
    )
    results, means = [], dict[str, NDArray[np.float64]]()
    for kind, extra in zip(KINDS, [None, *sets[1:]], strict=True):
        hits = np.stack([right(trained(sets[0], extra, seed), test) for seed in SEEDS]).astype(float)
        mean = means[kind] = hits.mean(0)
        (accuracy,) = ratios(*by_picture(mean, test), seed=0)
        gains = {
            other: ratios(*by_picture(mean - before, test), seed=0)[0].as_dict()
            for other, before in means.items()
            if other != kind
        }
        found = hits[:, test.labels == 1].mean(), hits[:, test.labels == 0].mean()
        results.append(
            {
                "trained_on": kind,
                "accuracy": accuracy.as_dict(),
                "gain_over": gains,
                "of_seeds": [float(x) for x in hits.mean(1)],
                "vehicles_right": float(found[0]),
                "others_right": float(found[1]),
            }
        )
        print(json.dumps(results[-1]))
    counts = {"crops_by_day": len(sets[0].labels), "crops_by_night": len(test.labels)}
    given.output.write_text(json.dumps({**counts, "model": given.model, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
