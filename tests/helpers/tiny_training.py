"""A training that takes seconds: its settings as a user writes them, and the pictures of its two domains."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

DARK_AND_BRIGHT = """
[domain1]
name = "dark"
paths = ["dark"]
[domain2]
name = "bright"
paths = ["bright"]
"""
NETWORK_AND_DATA = """
[network]
front = [4, 6, 8]
residual_width = 8
residual_blocks = 2
discriminator = [4, 4, 4]
[data]
short_side = [32, 32]
crop = [32, 32]
"""


def write_dark_and_bright(folder: Path, count: int, size: tuple[int, int] = (48, 40)) -> None:
    """Folders dark and bright with so many pictures of noise each."""
    rng = np.random.default_rng(0)
    for name, low in (("dark", 0), ("bright", 150)):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            image = rng.integers(low, low + 80, (size[1], size[0], 3)).astype(np.uint8)
            assert cv2.imwrite(str(folder / name / f"{index}.png"), image)
