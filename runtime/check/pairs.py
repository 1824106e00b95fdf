"""Frames of the input with their translations, one by one: from two places, or translated on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import ConfigError, SourceError, TruncatedError
from unit_edge.frames import Frame
from unit_edge.media.containers import VIDEO_SUFFIXES
from unit_edge.media.images import IMAGE_SUFFIXES, is_image, read_image
from unit_edge.runtime.sources.images import matching_images
from unit_edge.runtime.sources.video import FileSource
from unit_edge.text.address import parse_address

Image = NDArray[np.uint8]
Translate = Callable[[Image], Image]

_ASPECT_TOLERANCE = 0.01
_ODD_GROWTH = 1  # pixels by which a codec enlarges an odd side


@dataclass(frozen=True)
class Pair:
    """A frame and its translation.

    Attributes:
        scene: the clip, or group of pictures, that it is of; what is resampled for intervals.
        name: of the picture; of a frame of a video, its clip and number.
        path: of the picture or clip.
        seconds: of a frame of a video, from its start; None of a picture.
        before: uint8[H,W,3] BGR.
        after: uint8[h,w,3] BGR, of about the same aspect ratio.
        frame: of a video, its number from 0; None of a picture.
    """

    scene: str
    name: str
    path: Path
    seconds: float | None
    before: Image
    after: Image
    frame: int | None = None


@dataclass(frozen=True)
class Selection:
    """Which frames are looked at.

    Attributes:
        every: of a video, every so many-th frame.
        limit: at most so many pictures, or frames of each clip; None for all.
        scene: a regular expression on pictures' names, whose match is their scene; None if each is its own.
    """

    every: int = 1
    limit: int | None = None
    scene: str | None = None


@dataclass
class Work:
    """What there is to compare.

    Attributes:
        items: input files with their translations; None where these are made on the way.
        faults: what couldn't be compared, filled while `pairs` runs.
    """

    items: list[tuple[Path, Path | None]]
    faults: list[str] = field(default_factory=list)

    @property
    def pictures(self) -> bool:
        return is_image(self.items[0][0])


def find(source: str, translated: str | None) -> Work:
    """What lies at two places, matched by name; or at one, to be translated on the way.

    Raises:
        ConfigError: a place is a camera or stream, or the two are of different kinds.
        SourceError: there is nothing.
    """
    before = _files(source)
    if translated is None:
        return Work([(path, None) for path in before])
    after = _files(translated)
    if is_image(before[0]) != is_image(after[0]):
        kinds = ["pictures" if is_image(files[0]) else "videos" for files in (before, after)]
        raise ConfigError(
            f"{source} has {kinds[0]} and {translated} {kinds[1]}; give the input and its own translation"
        )
    if len(before) == len(after) == 1 and not Path(source).is_dir():
        return Work([(before[0], after[0])])
    return _matched(source, translated, before, after)


def _matched(source: str, translated: str, before: list[Path], after: list[Path]) -> Work:
    """By name, or else by name without its suffix, which a translation may change."""
    by_name, by_stem = {path.name: path for path in after}, {path.stem: path for path in after}
    partners = [(path, by_name.get(path.name) or by_stem.get(path.stem)) for path in before]
    found = [(path, partner) for path, partner in partners if partner is not None]
    if not found:
        raise SourceError(
            f"{translated}: none of its {len(after)} files is named as one of the {len(before)} in {source}, "
            f"such as {before[0].stem}; translations keep the names of their inputs"
        )
    work = Work(list(found))
    used = {partner for _, partner in found}
    work.faults += [f"{path.name}: no translation in {translated}" for path, p in partners if p is None]
    work.faults += [f"{path.name}: no input in {source}" for path in after if path not in used]
    return work


def _files(place: str) -> list[Path]:
    """The pictures, or else the videos, that an argument names."""
    address = parse_address(place)
    if address.kind == "images":
        return matching_images(address.target)
    if address.kind != "path":
        raise ConfigError(
            f"{address.name}: is a live source; expected a video, an image, or a folder of them"
        )
    path = address.path
    if not path.exists():
        raise SourceError(f"{path}: no such file; expected a video, an image, or a folder of them")
    if not path.is_dir():
        return [path]
    files = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
    images = [p for p in files if is_image(p)]
    clips = [p for p in files if p.suffix.lower() in VIDEO_SUFFIXES]
    if images and clips:
        raise ConfigError(f"{path}: {len(clips)} videos and {len(images)} images; give the one or the other")
    if not images and not clips:
        known = ", ".join((*IMAGE_SUFFIXES, *VIDEO_SUFFIXES))
        raise SourceError(f"{path}: no images or videos in this folder; expected files in {known}")
    return images or clips


def count_frames(work: Work, selection: Selection) -> int | None:
    """How many pairs there will be, as far as the files say; None if one doesn't say."""
    if work.pictures:
        return min(len(work.items), selection.limit or len(work.items))
    total = 0
    for path, _ in work.items:
        stated = stated_frames(path)
        if stated is None:
            return None
        taken = -(-stated // selection.every)
        total += min(taken, selection.limit or taken)
    return total


def stated_frames(path: Path) -> int | None:
    """How many frames a clip says it has; 0 if it can't be read, None if it doesn't say."""
    try:
        with FileSource(path) as clip:
            return clip.info.frame_count
    except SourceError:
        return 0


def pairs(work: Work, selection: Selection, translate: Translate | None) -> Iterator[Pair]:
    """Every frame with its translation, each read once.

    What can't be read or compared is told in `work.faults`, and the rest goes on.
    """
    if work.pictures:
        yield from _picture_pairs(work, selection, translate)
        return
    for before, after in work.items:
        yield from _clip_pairs(work, before, after, selection, translate)


def _picture_pairs(work: Work, selection: Selection, translate: Translate | None) -> Iterator[Pair]:
    pattern = _pattern(selection.scene)
    for before, after in work.items[: selection.limit]:
        try:
            image = read_image(before)
            made = (
                translate(image) if after is None and translate is not None else read_image(after or before)
            )
        except SourceError as error:
            work.faults.append(str(error))
            continue
        if fault := _misfit(before, image, after or before, made):
            work.faults.append(fault)
            continue
        match = pattern.search(before.name) if pattern else None
        scene = before.name if match is None else match.group(1 if match.re.groups else 0)
        yield Pair(scene=scene, name=before.name, path=before, seconds=None, before=image, after=made)


def _pattern(scene: str | None) -> re.Pattern[str] | None:
    try:
        return None if scene is None else re.compile(scene)
    except re.error as error:
        raise ConfigError(f"--scene {scene!r}: no regular expression ({error}); such as '^[^_]+'") from None


def _clip_pairs(
    work: Work, before: Path, after: Path | None, selection: Selection, translate: Translate | None
) -> Iterator[Pair]:
    """Frame by frame, in order; times may differ, as a translation of an excerpt begins at 0."""
    taken = 0
    try:
        with ExitStack() as stack:
            left = iter(stack.enter_context(FileSource(before)))
            right = None if after is None else iter(stack.enter_context(FileSource(after)))
            while selection.limit is None or taken < selection.limit:
                frame, other = next(left, None), None if right is None else next(right, None)
                if frame is None or (right is not None and other is None):
                    if (frame is None) != (other is None) and after is not None:
                        work.faults.append(_longer(before, after, frame or other, frame is not None))
                    return
                if frame.index % selection.every:
                    continue
                if other is not None:
                    made = other.image
                else:
                    made = frame.image if translate is None else translate(frame.image)
                if fault := _misfit(before, frame.image, after or before, made):
                    work.faults.append(fault)
                    return
                name = f"{before.name}, frame {frame.index}"
                yield Pair(
                    scene=before.stem,
                    name=name,
                    path=before,
                    seconds=float(frame.pts),
                    before=frame.image,
                    after=made,
                    frame=frame.index,
                )
                taken += 1
    except SourceError as error:
        work.faults.append(str(error))


def _longer(before: Path, after: Path, frame: Frame | None, input_is_longer: bool) -> str:
    longer, shorter = (before, after) if input_is_longer else (after, before)
    index = 0 if frame is None else frame.index
    return (
        f"{longer}: goes on after frame {index}, where {shorter} ends; the {index} frames before were "
        "compared. Give the translation of the whole clip"
    )


def _misfit(before: Path, image: Image, after: Path, made: Image) -> str | None:
    """Why a translation can't be one of a picture: another aspect ratio; None if it can."""
    (height, width), (other_height, other_width) = image.shape[:2], made.shape[:2]
    grown = 0 <= other_width - width <= _ODD_GROWTH and 0 <= other_height - height <= _ODD_GROWTH
    if grown or abs(width * other_height / (height * other_width) - 1) <= _ASPECT_TOLERANCE:
        return None
    return (
        f"{before}: is {width}x{height} and its translation {after} {other_width}x{other_height}, of "
        "another aspect ratio; compare it with a translation of the whole frame"
    )


def raise_faults(faults: list[str], compared: int) -> None:
    """Raises TruncatedError that names what couldn't be compared, if anything."""
    if faults:
        named = "; ".join(faults[:5]) + (f"; and {len(faults) - 5} more" if len(faults) > 5 else "")
        raise TruncatedError(f"{len(faults)} left out, {compared} frames compared: {named}")
