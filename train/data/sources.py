"""A domain's settings to lists of images: what is trained on, and what is held out.

Images come in groups whose order means something: a folder, a video, the single images of a list, the
single images of `paths`. Each group is sorted by name, and its last images are held out, so that frames
of one drive are on one side of the cut.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from unit_edge.config import DataConfig, DomainConfig
from unit_edge.errors import DataError
from unit_edge.files.reading import read_bounded
from unit_edge.media.images import IMAGE_SUFFIXES
from unit_edge.train.data.attributes import AttributeTable
from unit_edge.train.data.decode import ImageItem
from unit_edge.train.data.frames_cache import video_frames

_LIST_BYTES_AT_MOST = 2**28
_NUMBER = re.compile("[0-9]+")


class Split(NamedTuple):
    """The images of a group by what they are for; nobody sees those of the gap."""

    training: list[Path]
    gap: list[Path]
    held_out: list[Path]


def domain_images(
    domain: DomainConfig, root: Path, data: DataConfig
) -> tuple[list[ImageItem], list[ImageItem]]:
    """A domain's images for training and for validation.

    An image that several of the paths lead to is for training only if none of them holds it out. The
    split is made before images are chosen by attribute: domains that share a folder share its split.

    Args:
        domain: where the images are.
        root: what its paths and its table are relative to.
        data: the shares that are held out, and the interval between frames of a video.

    Raises:
        DataError: something isn't there or can't be read, or fewer than two images, or none to train on,
            are left.
    """
    splits = _splits(domain, root, data)
    training = [path for part in splits for path in part.training]
    held_out = [path for part in splits for path in part.held_out]
    if len(splits) > 1:
        unseen = {_identity(path) for part in splits for path in (*part.gap, *part.held_out)}
        training = _distinct(path for path in training if _identity(path) not in unseen)
        held_out = _distinct(held_out)
    if domain.table:
        every = list(dict.fromkeys(path for part in splits for group in part for path in group))
        chosen = _with_attribute(domain, root, every)
        training = [path for path in training if path in chosen]
        held_out = [path for path in held_out if path in chosen]
    count = len(training) + len(held_out)
    if count < 2:
        raise DataError(
            f"domain {domain.name}: {count or 'no'} image{'' if count == 1 else 's'} in "
            f"{', '.join(domain.paths)}; expected two or more"
        )
    if not training:
        raise DataError(
            f"domain {domain.name}: none of its {count} images is left to train on; lower data.validation"
        )
    if domain.held_out and not held_out:
        raise DataError(f"domain {domain.name}: no image of {', '.join(domain.held_out)} has the attribute")
    return [ImageItem(path, domain.half) for path in training], [
        ImageItem(path, domain.half) for path in held_out
    ]


def gap_images(domain: DomainConfig, root: Path, data: DataConfig) -> list[ImageItem]:
    """A domain's images between those for training and those for validation.

    Neither training nor the choice of settings sees them, so a wide gap (`data.gap`) is a test set.

    Args:
        domain: where the images are.
        root: what its paths and its table are relative to.
        data: the shares that are held out, and the interval between frames of a video.

    Raises:
        DataError: something isn't there or can't be read.
    """
    splits = _splits(domain, root, data)
    seen = {_identity(path) for part in splits for path in (*part.training, *part.held_out)}
    gap = _distinct(path for part in splits for path in part.gap if _identity(path) not in seen)
    if domain.table and gap:
        chosen = _with_attribute(domain, root, gap)
        gap = [path for path in gap if path in chosen]
    return [ImageItem(path, domain.half) for path in gap]


def split(group: list[Path], data: DataConfig) -> Split:
    """Cuts a group of images, sorted by name, in three.

    The last int(n * validation) are held out. If any are, the gap before them is int(n * gap), but at
    least one image, as long as one is left to train on.
    """
    count = len(group)
    held = int(count * data.validation)
    gap = max(1, int(count * data.gap)) if held and data.gap else 0
    gap = max(0, min(gap, count - held - 1))
    return Split(group[: count - held - gap], group[count - held - gap : count - held], group[count - held :])


def list_images(folder: Path) -> list[Path]:
    """All images of a folder and its subfolders, in the order of their names: 2.png before 10.png.

    Linked folders are followed, but none is searched twice.

    Raises:
        DataError: the folder is missing, can't be read or has no images.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected a folder of images")
    images: list[Path] = []
    searched: set[tuple[int, int]] = set()

    def fail(error: OSError) -> None:
        raise DataError(f"{error.filename}: this folder can't be read ({error.strerror})")

    for parent, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        status = Path(parent).stat()
        if (status.st_dev, status.st_ino) in searched:
            folders.clear()
            continue
        searched.add((status.st_dev, status.st_ino))
        folders.sort()
        images += [Path(parent, name) for name in files if _is_image(name)]
    images = [path for path in images if path.is_file()]
    if not images:
        raise DataError(f"{folder}: no images in it; expected {', '.join(sorted(IMAGE_SUFFIXES))} files")
    return sorted(images, key=natural_order)


def natural_order(path: Path) -> tuple[str, Path]:
    """A key to sort by: numbers in names count as numbers; equal ones by the characters of the path.

    Names whose numbers are padded with zeros come in the order of their characters.
    """
    # with a separator below all other characters, folders compare before what is in them
    return _NUMBER.sub(_padded, str(path).replace(os.sep, "\0")), path


def _splits(domain: DomainConfig, root: Path, data: DataConfig) -> list[Split]:
    groups = _groups(domain, domain.paths, root, data.video_every_s)
    if not domain.held_out:
        return [split(group, data) for group in groups]
    held = _groups(domain, domain.held_out, root, data.video_every_s)
    return [Split(group, [], []) for group in groups] + [Split([], [], group) for group in held]


def _groups(domain: DomainConfig, paths: Sequence[str], root: Path, every_s: float) -> Iterator[list[Path]]:
    single = []
    for entry in paths:
        path = root / entry
        if _is_list(path) and path.is_file():
            yield from _listed(path, every_s)
        elif not _exists(path):
            raise DataError(
                f"{path}: no such folder or file; domain {domain.name}'s paths are relative to {root}"
            )
        elif _is_image(path.name) and path.is_file():
            single.append(path)
        else:
            yield _folder_or_video(path, every_s)
    if single:
        yield _by_name(single)


def _listed(file: Path, every_s: float) -> Iterator[list[Path]]:
    """The groups of a list.

    A file that is missing is an error: a list says exactly what to train on, and if one of its lines is
    wrong, all are as a rule, for they are relative to another folder or the copy is not complete.
    """
    try:
        data = read_bounded(file, _LIST_BYTES_AT_MOST)
    except OSError as error:
        raise DataError(f"{file}: this list can't be read ({error.strerror})") from None
    except ValueError as error:
        raise DataError(f"{file}: this list can't be read ({error})") from None
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"  # as PowerShell does
    lines = [line.strip() for line in data.decode(encoding, "surrogateescape").splitlines()]
    entries = {number: line for number, line in enumerate(lines, 1) if line and not line.startswith("#")}
    if not entries:
        raise DataError(f"{file}: an empty list; expected the path of an image, a folder or a video a line")
    missing = [number for number, line in entries.items() if not _exists(file.parent / line)]
    if missing:
        raise DataError(
            f"{file}: {len(missing)} of its {len(entries)} entries do not exist, the first in line "
            f"{missing[0]}: {_shown(entries[missing[0]])}; they are relative to {file.parent}"
        )
    single = []
    for number, line in entries.items():
        path = file.parent / line
        if path.is_dir():
            yield _folder_or_video(path, every_s)
        elif _is_image(path.name):
            single.append(path)
        elif _is_list(path):
            raise DataError(f"{file}: line {number}: {line} is a list; a list can't name another")
        else:
            yield _folder_or_video(path, every_s)
    if single:
        yield _by_name(single)


def _folder_or_video(path: Path, every_s: float) -> list[Path]:
    return list_images(path) if path.is_dir() else video_frames(path, every_s)


def _with_attribute(domain: DomainConfig, root: Path, images: list[Path]) -> set[Path]:
    """Those images that have the attribute, or don't if the domain is `without` it."""
    table = AttributeTable(root / domain.table, domain.attribute)
    values = {path: table(path) for path in images}
    unknown = [path for path, value in values.items() if value is None]
    if len(unknown) == len(images):
        raise DataError(
            f"{table.path}: none of the {len(images)} images of domain {domain.name} is in this table; "
            f"the first is {images[0].name}"
        )
    if unknown:
        print(
            f"warning: {len(unknown)} of {len(images)} images of {domain.name} are not in {table.path}; "
            f"skipped, the first is {unknown[0]}",
            file=sys.stderr,
        )
    return {path for path, value in values.items() if value is not None and value != domain.without}


def _by_name(paths: Iterable[Path]) -> list[Path]:
    return sorted(_distinct(paths), key=natural_order)


def _distinct(paths: Iterable[Path]) -> list[Path]:
    """Each file once, however it is named."""
    return list({_identity(path): path for path in reversed(list(paths))}.values())[::-1]


def _identity(path: Path) -> str:
    return os.path.join(_real_folder(str(path.parent)), path.name)  # noqa: PTH118


@lru_cache(maxsize=4096)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 (Path.exists raises for a name that is too long)


def _padded(number: re.Match[str]) -> str:
    return number.group().lstrip("0").rjust(32, "0")


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122


def _is_list(path: Path) -> bool:
    return path.suffix.lower() == ".txt"


def _shown(line: str) -> str:
    return repr(line if len(line) <= 100 else line[:97] + "...")
