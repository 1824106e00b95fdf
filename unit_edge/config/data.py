"""The `[domain1]`, `[domain2]` and `[data]` tables: which images, and how samples are cut from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from unit_edge.errors import require

_LEAST_CROP = 8  # a quarter of it is what the residual blocks normalise


@dataclass(frozen=True)
class DomainConfig:
    """One of the two image domains."""

    name: str = ""
    """What `--to` calls it: "day"."""
    paths: tuple[str, ...] = ()
    """Relative to the data root: folders (searched recursively), images, videos, or .txt lists of these,
    one path a line, relative to the list's folder."""
    held_out: tuple[str, ...] = ()
    """Paths of the images that training never sees; without any, a share of `paths` (data.validation) is."""
    table: str = ""
    """A CSV file or CelebA's list_attr_celeba.txt: a row an image, a column an attribute, 1 or -1 (or 0)."""
    attribute: str = ""
    """Column of the table: only images that have it belong to the domain."""
    without: bool = False
    """Only images that do not have the attribute belong to the domain."""
    half: Literal["", "left", "right"] = ""
    """The half of each image that belongs to the domain, for pairs glued side by side."""

    def __post_init__(self) -> None:
        require(
            self.name.replace("-", "").replace("_", "").isalnum(),
            "domain.name",
            self.name,
            "letters and digits",
        )
        require(len(self.paths) > 0, f"domain {self.name}: paths", self.paths, "one folder or more")
        require(
            bool(self.table) == bool(self.attribute),
            f"domain {self.name}: attribute",
            self.attribute,
            "a column of `table`, and both or neither",
        )


@dataclass(frozen=True)
class DataConfig:
    """How training samples are cut from images."""

    short_side: tuple[int, int] = (480, 480)
    """An image is scaled so that its shorter side is between these, in pixels, drawn anew each time."""
    crop: tuple[int, int] = (640, 480)
    """Width and height of the random crop, in pixels."""
    stretch: float = 1.0
    """The aspect ratio is drawn between 1/stretch and stretch times the image's own."""
    flip: bool = True
    """Half of the samples are mirrored."""
    validation: float = 0.1
    """The share of each folder's images, the last by name, that training never sees."""
    gap: float = 0.02
    """The share of each folder's images before those that nobody sees, so that neighbouring frames of a
    drive are not in both."""
    video_every_s: float = 1.0
    """Seconds between two frames taken from a video."""
    limit_ram_mib: int = 2048
    """Memory for decoded images and what a guide keeps of them, all workers together; what does not fit is
    made anew each time."""
    workers: int = 0
    """Processes that load samples; the samples do not depend on it."""

    def __post_init__(self) -> None:
        low, high = self.short_side
        require(0 < low <= high, "data.short_side", self.short_side, "two sizes, the smaller first")
        require(
            all(side >= _LEAST_CROP and side % 4 == 0 for side in self.crop),
            "data.crop",
            self.crop,
            f"multiples of 4, {_LEAST_CROP} or more",
        )
        require(self.stretch >= 1, "data.stretch", self.stretch, "1 or more")
        require(0 <= self.validation < 1, "data.validation", self.validation, "0 or more, below 1")
        require(0 <= self.gap < 1 - self.validation, "data.gap", self.gap, "0 or more, below 1 - validation")
        require(self.video_every_s > 0, "data.video_every_s", self.video_every_s, "above 0")
        require(self.limit_ram_mib >= 0, "data.limit_ram_mib", self.limit_ram_mib, "0 or more")
        require(self.workers >= 0, "data.workers", self.workers, "0 or more")
