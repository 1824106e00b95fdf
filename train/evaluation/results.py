"""What an evaluation found: figures, and the images one by one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from unit_edge.train.data.decode import ImageItem
from unit_edge.train.evaluation.bootstrap import Figure


@dataclass(frozen=True)
class Sample:
    """One translated image.

    Attributes:
        item: where it is.
        truth: where the true image is, for pairs.
        scores: name → value.
    """

    item: ImageItem
    truth: ImageItem | None
    scores: dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """One direction: the figures, and what they are of.

    Attributes:
        source: domain of the images.
        target: domain that they are translated to.
        figures: name → figure; see `report.MEANINGS`.
        samples: the images one by one, best first by `ranked_by`.
        notes: what a reader of the figures must know.
    """

    source: str
    target: str
    figures: dict[str, Figure] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ranked_by(self) -> str:
        """Name of the score that orders the samples.

        Pixel accuracy, or else the distance to the target domain: an image that was left as it was
        keeps all its edges, and would be the best one by them.
        """
        paired = bool(self.samples) and self.samples[0].truth is not None
        return "pixel_accuracy" if paired else "target_distance"

    def with_clip(self, clip: Evaluation) -> Evaluation:
        """This one of images and that one of a clip, in one."""
        return replace(self, figures={**self.figures, **clip.figures}, notes=[*self.notes, *clip.notes])
