"""The `[guide]` table: pairs that a renderer makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from unit_edge.errors import require


@dataclass(frozen=True)
class GuideConfig:
    """Pairs that a renderer makes of domain 1's images: an addition to the paper (train/guides/).

    E1→G2 learns x → guide(x), and E2→G1 learns guide(x) → x, whose target is a real image.
    """

    name: Literal["none", "night", "rain", "snow", "fog"] = "none"
    """What domain 1's images are rendered as; it should look like domain 2."""
    segmenter: str = ""
    """ONNX network of Cityscapes' classes, relative to the data root."""
    weight: float = 1.0
    """Weight of the guide's terms at the first step."""
    until: float = 0.5
    """Share of the steps over which the weight falls linearly to the floor."""
    floor: float = 0.35
    """Weight of the guide's terms from then on."""
    alone_from: float = 1.0
    """Share of the steps from which on there are no adversarial and no cycle terms, and the guide's terms
    have their first weight again: what discriminators like and no picture has (red lamps by day, say) fades.
    1 for never."""
    alone_into: Literal["both", "domain1", "domain2"] = "both"
    """Which translations the guide is alone with then; the others keep their adversaries."""
    pixels: float = 6.0
    """Weight of the mean absolute error: of the translation, of what the head makes of it, and of the
    latter's means over 8x8 pixels."""
    colours: float = 0.0
    """How much more errors of colour count, what the three channels do not share: with it discriminators that
    outweigh the guide decide how bright things are, and it which colours they have."""
    features: float = 2.0
    """Weight of the distance in ImageNet features (network.feature_discriminator's), each level over its own
    scale."""
    highlights: float = 0.0
    """How much more a rendering's pixels count that are brighter than what is around them: a white light on
    black 1 + this. For nights, whose lamps are small, and by chance on or off."""
    stray_lights: int = 0
    """At most so many lights are put at random over what E2 is shown of a rendering, and E2→G1 learns to
    paint them over; 0 shows it as it is. For nights."""
    drops: int = 0
    """At most so many drops on the windscreen through which E2 is shown a rendering; 0 for none. For rain."""
    covered: float = 0.0
    """How much more errors count on the way back where a drop covers the picture: 1 + this. Drops cover
    few of all pixels."""
    cast: float = 0.0
    """How much the colours and the exposure of what E2 is shown are off, up to 1; mostly blue. For rain and
    snow."""

    def __post_init__(self) -> None:
        for name in ("weight", "floor", "pixels", "colours", "features", "highlights", "covered"):
            require(getattr(self, name) >= 0, f"guide.{name}", getattr(self, name), "0 or more")
        for name in ("stray_lights", "drops", "cast"):
            given = getattr(self, name)
            allowed = given == 0 or (given > 0 and self.name != "none")
            require(allowed, f"guide.{name}", given, "0 or more, and 0 without a guide")
        drops = self.covered == 0 or self.drops > 0
        require(drops, "guide.covered", self.covered, "0, as guide.drops is 0")
        require(self.cast <= 1, "guide.cast", self.cast, "0 to 1")
        require(0 <= self.until <= 1, "guide.until", self.until, "0 to 1")
        last = 0 < self.alone_from <= 1 and (self.alone_from == 1 or self.name != "none")
        require(last, "guide.alone_from", self.alone_from, "more than 0, at most 1, and 1 without a guide")
        if self.name != "none":
            require(bool(self.segmenter), "guide.segmenter", self.segmenter, "the path of an ONNX network")

    def alone_at(self, step: int, steps: int) -> tuple[int, ...]:
        """The domains, 0 or 1, the translations into which have no adversarial terms at a step."""
        if self.alone_from == 1 or step < self.alone_from * steps:
            return ()
        return {"both": (0, 1), "domain1": (0,), "domain2": (1,)}[self.alone_into]

    def weights_at(self, step: int, steps: int) -> tuple[float, float]:
        """The weights of the guide's terms into domain 1 and 2 at a step, 0 without a guide."""
        if self.name == "none":
            return 0.0, 0.0
        left = 1 - step / (self.until * steps) if self.until > 0 else 0.0
        fallen = self.floor + (self.weight - self.floor) * max(0.0, left)
        alone = self.alone_at(step, steps)
        return self.weight if 0 in alone else fallen, self.weight if 1 in alone else fallen
