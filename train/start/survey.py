"""A look at the pictures of two domains before anything is trained on them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unit_edge.config import DataConfig, DomainConfig
from unit_edge.errors import DataError
from unit_edge.spread import spread_places
from unit_edge.train.data.decode import ImageItem, read_image
from unit_edge.train.data.sources import domain_images
from unit_edge.train.start.likeness import alike, in_sequence, small_copy

LOOK_AT = 300
"""At most so many pictures of a domain are decoded, evenly over all of them."""
_AT_THE_CUT = 24
"""So many on either side of the cut between training and held-out pictures are looked at in any case."""
_FEW = 50
_NUMBER_AT_THE_END = re.compile(r"[0-9]+$")


@dataclass(frozen=True)
class Survey:
    """What a domain's pictures are.

    Attributes:
        name: of the domain.
        training: pictures that are trained on.
        held_out: those that are not.
        sizes: width and height of each that was looked at and can be read.
        broken: why others can't, one line each.
        copies: `small_copy` of each that can be read, in the order of `sizes`.
        paths: of them.
        is_held_out: bool, of them.
        drives: those that are in both parts: name, pictures trained on, pictures held out.
        gap: share of the pictures that would have to be left out so that no drive is in both; 0 if none is.
    """

    name: str
    training: int
    held_out: int
    sizes: list[tuple[int, int]]
    broken: list[str]
    copies: NDArray[np.float32]
    paths: list[Path]
    is_held_out: NDArray[np.bool_]
    drives: list[tuple[str, int, int]]
    gap: float

    @property
    def short_side(self) -> int:
        """The short side that 19 of 20 pictures have or exceed, in pixels."""
        return int(np.percentile([min(size) for size in self.sizes], 5))

    @property
    def aspect(self) -> float:
        """Width over height, the median."""
        return float(np.median([width / height for width, height in self.sizes]))

    def summary(self) -> str:
        """One line: counts and sizes."""
        common = Counter(self.sizes).most_common(2)
        shown = ", ".join(f"{width}x{height}" for (width, height), _ in common)
        others = len(set(self.sizes)) - len(common)
        more = f" and {others} other size{'s' * (others > 1)}" if others else ""
        return f"{self.name}: {self.training} pictures to train on, {self.held_out} held out; {shown}{more}"

    def too_small(self, crop: tuple[int, int]) -> str:
        """One line about pictures smaller than a crop, which training skips; empty if there are none."""
        small = [
            (size, path)
            for size, path in zip(self.sizes, self.paths, strict=True)
            if size[0] < crop[0] or size[1] < crop[1]
        ]
        if not small:
            return ""
        (width, height), path = min(small)
        return (
            f"{self.name}: {len(small)} of {len(self.sizes)} pictures are smaller than the crop of "
            f"{crop[0]}x{crop[1]} (data.crop) and are skipped; {path} is {width}x{height}"
        )


def survey(domain: DomainConfig, root: Path, data: DataConfig, look_at: int = LOOK_AT) -> Survey:
    """Looks at a domain's pictures.

    Args:
        domain: where they are.
        root: what its paths are relative to.
        data: which of them are held out.
        look_at: how many are decoded at most.

    Raises:
        DataError: something isn't there, there are too few, or none that was looked at can be read.
    """
    training, held_out = domain_images(domain, root, data)
    sizes, broken, copies, paths, flags = [], [], [], [], []
    for item, flag in _chosen(training, held_out, look_at):
        try:
            image = read_image(item)
        except DataError as error:
            broken.append(str(error))
            continue
        sizes.append((image.shape[1], image.shape[0]))
        copies.append(small_copy(image))
        paths.append(item.path)
        flags.append(flag)
    if not sizes:
        raise DataError(
            f"domain {domain.name}: none of {len(broken)} images can be read; the first: {broken[0]}"
        )
    stack, held = np.stack(copies), np.array(flags)
    around = np.concatenate([stack[~held][-_AT_THE_CUT:], stack[held][:_AT_THE_CUT]])
    drives, gap = _drives_in_both(training, held_out, root) if in_sequence(around) else ([], 0.0)
    return Survey(
        name=domain.name,
        training=len(training),
        held_out=len(held_out),
        sizes=sizes,
        broken=broken,
        copies=stack,
        paths=paths,
        is_held_out=held,
        drives=drives,
        gap=gap,
    )


def warnings(surveys: tuple[Survey, Survey]) -> Iterator[str]:
    """One line for each thing that would spoil a training, or what is measured of it."""
    for one in surveys:
        if one.broken:
            more = f" and {len(one.broken) - 1} more" if len(one.broken) > 1 else ""
            yield f"{one.name}: broken, and skipped in training: {one.broken[0]}{more}"
        if one.training < _FEW:
            yield (
                f"{one.name}: {one.training} pictures to train on is little; hundreds from several drives "
                "are better"
            )
        for drive, trained, held in one.drives[:3]:
            yield (
                f"{one.name}: drive {drive} is in both parts, {trained} pictures to train on and {held} "
                "held out"
            )
        seen, unseen = one.copies[~one.is_held_out], one.copies[one.is_held_out]
        if pairs := alike(unseen, seen):
            a = _where(one, one.is_held_out)[pairs[0][0]]
            b = _where(one, ~one.is_held_out)[pairs[0][1]]
            yield (
                f"{one.name}: {len(pairs)} held-out pictures look like training ones ({a} and {b}); "
                "scores would flatter: raise data.gap, or name others in held_out"
            )
    first, second = surveys
    if pairs := alike(first.copies, second.copies):
        a, b = first.paths[pairs[0][0]], second.paths[pairs[0][1]]
        yield (
            f"{len(pairs)} pictures of {first.name} look like pictures of {second.name} ({a} and {b}); "
            "one that is in both domains teaches that nothing is to change"
        )


def _where(one: Survey, flags: NDArray[np.bool_]) -> list[Path]:
    return [path for path, flag in zip(one.paths, flags, strict=True) if flag]


def _chosen(
    training: list[ImageItem], held_out: list[ImageItem], most: int
) -> Iterator[tuple[ImageItem, bool]]:
    count = len(training) + len(held_out)
    for items, flag in ((training, False), (held_out, True)):
        share = max(1, round(most * len(items) / count))
        near = range(max(0, len(items) - _AT_THE_CUT), len(items)) if not flag else range(_AT_THE_CUT)
        for place in sorted({*spread_places(len(items), share), *(i for i in near if i < len(items))}):
            yield items[place], flag


def _drives_in_both(
    training: list[ImageItem], held_out: list[ImageItem], root: Path
) -> tuple[list[tuple[str, int, int]], float]:
    """Sequences, by folder and name, that are cut in two; and the share of pictures of them to leave out."""
    seen, unseen = (Counter(_drives(items, root)) for items in (training, held_out))
    if len(seen | unseen) < 2:  # a single sequence can only be cut
        return [], 0.0
    both = [
        (name, seen[name], unseen[name]) for name in unseen if seen[name] and seen[name] + unseen[name] > 2
    ]
    count = len(training) + len(held_out)
    return both, sum(trained for _, trained, _ in both) / count


def _drives(items: Iterable[ImageItem], root: Path) -> Iterator[str]:
    for item in items:
        name = item.path.with_suffix("")
        shown = name.relative_to(root) if name.is_relative_to(root) else name
        yield _NUMBER_AT_THE_END.sub("", shown.as_posix()).rstrip("-_/. ") or shown.parent.as_posix()
