"""What rank 0 shows of a run of `train` while it goes on, and at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unit_edge.spread import spread
from unit_edge.train.evaluation import samples
from unit_edge.train.evaluation.evaluate import translation_scores
from unit_edge.train.evaluation.translate_image import ImageTranslator, short_side
from unit_edge.train.run import checkpoint
from unit_edge.train.run.log import RunLog
from unit_edge.train.state import TrainingState


class Viewer:
    """Writes sample grids and the contact sheet, and scores translations of held-out images."""

    def __init__(self, state: TrainingState, held_out: list[list[NDArray[np.uint8]]], run: Path) -> None:
        config = state.config
        self.state, self.held_out, self.run = state, held_out, run
        self.names = [config.domain1.name, config.domain2.name]
        self.side = short_side(config)
        device = state.group.device
        self.shown = [[x.to(device) for x in samples.pick(images, self.side)] for images in held_out]
        self.scores = translation_scores(held_out) if config.log.evaluate_every else []

    def summary(self, terms: dict[str, float], bar: Any) -> dict[str, str]:
        """Some terms and the speed, for the bar."""
        shown = {
            name: f"{value:.2f}"
            for name, value in terms.items()
            if name.startswith(("reconstruction", "cycle1", "cycle2", "gan", "feature_gan", "guide"))
        }
        rate = bar.format_dict["rate"]
        batch = self.state.config.optim.batch
        return {"images/s": f"{2 * batch * rate:.1f}", **shown} if rate else shown

    def show(self, log: RunLog) -> None:
        """Writes a grid of all streams, and histograms of the codes."""
        step, unit = self.state.step, self.state.ema.eval()
        titles = samples.titles_of(self.names, self.state.config.network.encoders)
        grid = samples.titled(samples.grid(unit, self.shown), titles)
        samples.write_png(self.run / "samples" / f"{step:07d}.png", grid)
        log.picture(step, grid)
        log.codes(step, samples.codes(unit, self.shown))

    def score(self, log: RunLog, bar: Any) -> bool:
        """Scores translations of held-out images; whether they are the best so far, which is then kept."""
        if not self.scores:
            return False
        step = self.state.step
        results: dict[str, float] = {}
        for domain, score in enumerate(self.scores):
            values = score(self._translator(domain))
            results |= {f"{self.names[domain]}_{self.names[1 - domain]}_{k}": v for k, v in values.items()}
        log.scalars(step, results, "score")
        bar.write(f"step {step}: " + ", ".join(f"{k} {v:.3f}" for k, v in results.items()))
        ratios = [value for name, value in results.items() if name.endswith("kernel_distance_ratio")]
        mean = float(np.mean(ratios))
        if self.state.best is not None and mean >= self.state.best[0]:
            return False
        self.state.best = mean, step
        checkpoint.save_weights(self.run, self.state.ema, step, checkpoint.BEST)
        return True

    def contact_sheet(self) -> None:
        """Writes RUN/contact-sheet.png: held-out images of both domains and their translations."""
        if not self.state.config.network.encoders:
            return
        pairs = [[(x, self._translator(d)(x)) for x in spread(self.held_out[d], 6)] for d in (0, 1)]
        samples.write_contact_sheet(self.run / "contact-sheet.png", pairs, self.names)

    def _translator(self, domain: int) -> ImageTranslator:
        device = self.state.group.device
        return ImageTranslator(self.state.ema.eval(), domain, self.side, self.state.head, device)
