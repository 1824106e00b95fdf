"""What becomes of frames if a backend multiplies with fewer bits in the guided head's box filters.

TF32 has 11 bits of a number, bf16 8; sums stay in fp32. Simulated, so that no GPU is needed.

    python docs/experiments/detail_head_bits.py DATA
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from detail_head import CLIPS, LARGE, SIDE, Translated, clip
from torch import Tensor

from unit_edge.config import Detail
from unit_edge.export.trained import load_run
from unit_edge.export.translator import Translator
from unit_edge.train.data.sources import domain_images
from unit_edge.train.evaluation.evaluate import read_images
from unit_edge.train.guided import GuidedHead


class RoundedHead(GuidedHead):
    """A head whose box filters take rounded images and rounded weights."""

    def __init__(self, settings: Detail, bits: int) -> None:
        super().__init__(settings)
        self.bits = bits
        self.rows, self.columns = self.rounded(self.rows), self.rounded(self.columns)

    def mean(self, x: Tensor) -> Tensor:
        return super().mean(self.rounded(x))

    def rounded(self, x: Tensor) -> Tensor:
        mantissa, exponent = torch.frexp(x)
        return torch.ldexp((mantissa * 2**self.bits).round() / 2**self.bits, exponent)


def main() -> None:
    data, run = Path(sys.argv[1]), load_run(Path("models/day-night"))
    torch.set_num_threads(1)
    nights = domain_images(run.config.domain2, data, run.config.data)[1]
    frames = {
        "day, 1280x720, to night": ("night", clip(data / LARGE, 1)),
        "held-out nights, 640x480, to day": ("day", read_images(nights[:4])),
        "night highway, 640x360, to day": ("day", clip(data / CLIPS["night"], 1)),
    }
    print("| frames | factors | max | 99.9 % within | mean | PSNR |\n|---|---|---|---|---|---|")
    for name, (to, images) in frames.items():
        for bits, factors in ((11, "TF32"), (8, "bf16")):
            translated = Translated(Translator(run.unit, run.source_of(to), (Detail(), SIDE)), images)
            pairs = zip(
                translated.through(GuidedHead(Detail())),
                translated.through(RoundedHead(Detail(), bits)),
                strict=True,
            )
            levels = np.concatenate([np.abs(a.astype(float) - b).ravel() for a, b in pairs])
            psnr = 10 * np.log10(255**2 / (levels**2).mean())
            cells = [f"{levels.max():.0f}", f"{np.percentile(levels, 99.9):.0f}", f"{levels.mean():.2g}"]
            print(f"| {name} | {factors} | " + " | ".join(cells) + f" | {psnr:.1f} dB |")


if __name__ == "__main__":
    main()
