"""The `[detail]` table: the guided head of exported models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from unit_edge.errors import require

GAMMA = 2.2
"""Of sRGB levels, about: light is their power."""
SPOT = 5
"""Pixels a side of the small image over whose mean light a highlight is looked for: networks make rows of
single dots, which are none."""
STANDS_OUT = 1.5
"""Times the light around from which on light is a highlight."""
LEAST_LIGHT = 0.01
"""Light, of 1, that a highlight has more of than that."""
DARK = 1e-3
"""Light, or colour, that nothing is divided by less than."""
BLACK = 0.02
"""Level, of 1, that no pixel of the frame counts as darker than where gains are limited."""
GREEN = (-1 / 3, 2 / 3, -1 / 3)
"""Of red, green and blue: what takes 1 from the magenta of a colour, and leaves the mean level."""
ROSE = 0.3
"""Of how much redder than blue a colour is, the share by which its green shall be above its blue: light is
warm where it isn't white. With none, pink becomes rose."""
ROSE_RED = 0.3
"""Level, of 1, from which on a colour is no redder for that: what is red stays."""

RED_LIGHT = (1.0, 0.05, 0.03)
"""Light of a tail light, red, green and blue: still red where it is exposed twice over."""
RED_OVER_GREEN = 1.4
"""Times its green by which a colour must be redder: skin, brick and yellow are not."""
LEAST_RED = 0.05
"""Level, of 1, by which a light is redder than that."""
GREEN_LIGHT = (0.02, 0.7, 0.35)
"""Light of a green signal, red, green and blue: bluish, for people who don't tell red from green."""
GREEN_OVER_BLUE = 1.15
"""Times its blue that count of a colour's green, at most: leaves and grass have little blue."""
GREEN_OVER_RED = 2.2
"""Times its red by which it must be greener than that: leaves before a blue sky aren't."""
GREEN_LESS_SKY = 2.0
"""Times what it is bluer than green that it must be greener as well: the sky in a gap isn't."""
LEAST_GREEN = 0.03
"""Level, of 1, by which a signal is greener than that."""
LIGHT_OVER_AROUND = 4.0
"""Times the mean of the box around from which on what is red or green is small: a car, a sign are not."""
LIGHT_GAIN = 6.0
"""What of it is wholly lit: a sixth of all levels."""

COLOURFUL = (0.015, 0.1)
"""Of a colour, levels of 1 without their mean: the sum of its squares from which on, and up to which, it
counts as one whose hue people know. A dark road, haze and most walls have less, a red car 0.3."""


@dataclass(frozen=True)
class Detail:
    """The guided head of exported models (train/guided.py)."""

    radius: int = 8
    """Radius of the box filters, in pixels of the small image."""
    epsilon: float = 1e-4
    """Variance below which a region counts as flat, for values in [-1, 1]."""
    residual: float = 0.5
    """Share of what the local linear model can't explain that is added back, 0 to 1; it carries light
    sources that the camera's frame does not have."""
    residual_colour: float = 1.0
    """Share of that whose colour is added too, 0 to 1; of the rest only the light is, the same to red,
    green and blue. A small network places a light's three colours pixels apart, and its frame then has
    coloured specks."""
    highlights: float = 0.0
    """How much more light what stands out from its surroundings sends, 0 or more: lamps and what they light,
    which a network that learns from means and medians leaves dim."""
    saturation: float = 1.0
    """Factor of the network's colours, 0 to 4: 1 leaves them as they are."""
    brightness: float = 1.0
    """Factor of the network's levels, 0 to 4."""
    coolness: float = 0.0
    """How much bluer the network's levels become, -0.5 to 0.5: blue is multiplied by 1 + coolness and red by
    1 - coolness. Light under closed skies is bluer than a camera's white balance takes it for."""
    contrast: float = 1.0
    """Factor of what the local linear model keeps of the frame's own detail, 0 to 4: below 1 it is softer."""
    sharpness: float = 1.0
    """Factor of the frame's detail that the small image is too small for, 0 to 8: a fit over whole boxes
    keeps less of it than of what is larger."""
    stray_colour: float = 1.0
    """How much farther than the frame's own colour the network's may be from the colours around, of all
    levels, 0 to 1: small networks put specks of colour beside edges. 1 for as far as it likes."""
    magenta: float = 1.0
    """Share of the network's pink and violet that is kept where the frame has none, 0 to 1: hardly anything
    that shines on a street is less green than it is both red and blue, or rose."""
    hue: float = 1.0
    """Share of what turns the hue of colourful things that is kept, 0 to 1: a network that hardly met red
    cars and yellow signs makes orange ones of them."""
    gain_limit: float = 0.0
    """How many times the frame's own level a pixel may have, 0 for any. Snow sends back about ten times the
    light of asphalt or leaves, which is three times the level; what a network makes whiter is fog."""
    red_lights: float = 0.0
    """How much light, of white's, what is small and red in the frame sends, 0 or more: tail lights, brake
    lights and red signals, which are a pixel or two to the network."""
    green_lights: float = 0.0
    """The same of what is small and of a green signal's bluish green."""
    margin: int = 0
    """Pixels by which E and G see the small image continued beyond its edges, which is cut off again, a
    multiple of 4 from 0 to 64: their convolutions see grey there, and draw a faint frame."""

    def __post_init__(self) -> None:
        require(1 <= self.radius <= 64, "detail.radius", self.radius, "1 to 64 pixels")
        require(self.epsilon > 0, "detail.epsilon", self.epsilon, "above 0")
        require(0 <= self.residual <= 1, "detail.residual", self.residual, "0 to 1")
        share = self.residual_colour
        require(0 <= share <= 1, "detail.residual_colour", share, "0 to 1")

        require(0 <= self.highlights <= 64, "detail.highlights", self.highlights, "0 to 64")
        stray = self.stray_colour
        require(0 <= stray <= 1, "detail.stray_colour", stray, "0 to 1")
        require(0 <= self.gain_limit <= 64, "detail.gain_limit", self.gain_limit, "0 to 64")
        require(0 <= self.magenta <= 1, "detail.magenta", self.magenta, "0 to 1")
        require(0 <= self.sharpness <= 8, "detail.sharpness", self.sharpness, "0 to 8")
        require(0 <= self.hue <= 1, "detail.hue", self.hue, "0 to 1")
        for name in ("red_lights", "green_lights"):
            require(0 <= getattr(self, name) <= 64, f"detail.{name}", getattr(self, name), "0 to 64")
        whole = isinstance(self.margin, int) and self.margin in range(0, 65, 4)
        require(whole, "detail.margin", self.margin, "a multiple of 4, 0 to 64")
        require(-0.5 <= self.coolness <= 0.5, "detail.coolness", self.coolness, "-0.5 to 0.5")
        for name in ("saturation", "brightness", "contrast"):
            require(0 <= getattr(self, name) <= 4, f"detail.{name}", getattr(self, name), "0 to 4")

    @property
    def grades(self) -> bool:
        """Whether colours or levels of the network are moved before the linear model is fitted."""
        return self != Detail(
            radius=self.radius,
            epsilon=self.epsilon,
            residual=self.residual,
            residual_colour=self.residual_colour,
            contrast=self.contrast,
            sharpness=self.sharpness,
            red_lights=self.red_lights,
            green_lights=self.green_lights,
            margin=self.margin,
        )

    @classmethod
    def of(cls, settings: Mapping[str, float]) -> Detail:
        """A manifest's settings; what older ones lack changes nothing.

        Raises:
            KeyError, TypeError, ValueError, OverflowError, ConfigError: they are damaged.
        """
        return cls(
            radius=int(settings["radius"]),
            epsilon=float(settings["epsilon"]),
            residual=float(settings["residual"]),
            residual_colour=float(settings.get("residual_colour", 1.0)),
            highlights=float(settings.get("highlights", 0.0)),
            saturation=float(settings.get("saturation", 1.0)),
            brightness=float(settings.get("brightness", 1.0)),
            coolness=float(settings.get("coolness", 0.0)),
            contrast=float(settings.get("contrast", 1.0)),
            stray_colour=float(settings.get("stray_colour", 1.0)),
            magenta=float(settings.get("magenta", 1.0)),
            sharpness=float(settings.get("sharpness", 1.0)),
            hue=float(settings.get("hue", 1.0)),
            gain_limit=float(settings.get("gain_limit", 0.0)),
            red_lights=float(settings.get("red_lights", 0.0)),
            green_lights=float(settings.get("green_lights", 0.0)),
            margin=int(settings.get("margin", 0)),
        )
