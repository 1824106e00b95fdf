"""Several clips: which ones, where each goes, and that a bad one doesn't stop the rest."""

from __future__ import annotations

import errno
import glob
from collections.abc import Callable, Sequence
from pathlib import Path

from unit_edge.errors import ConfigError, PartialError, SinkError, SourceError, UnitEdgeError
from unit_edge.media.containers import VIDEO_SUFFIXES
from unit_edge.media.images import IMAGE_SUFFIXES, is_image
from unit_edge.runtime.sinks.codecs import VIDEO_OUTPUTS
from unit_edge.text.address import Address

_NAMED_AT_MOST = 5


def clips_of(address: Address) -> list[Path]:
    """The videos in a folder, or that a pattern fits, in the order of their names; none if it's for images.

    Raises:
        ConfigError: there are images among them.
    """
    if address.kind == "images":
        found = sorted(Path(name) for name in glob.glob(address.target, recursive=True))  # noqa: PTH207
    elif address.kind == "path" and address.path.is_dir():
        found = sorted(address.path.iterdir())
    else:
        return []
    files = [path for path in found if path.is_file() and not path.name.startswith(".")]
    clips = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
    images = sum(is_image(path) for path in files)
    if clips and images:
        raise ConfigError(
            f"{address.name}: {len(clips)} videos and {images} images; give the one or the other, as "
            "with a pattern in quotes: 'in/*.mp4'"
        )
    return clips


def clips_named(addresses: Sequence[Address]) -> list[Path]:
    """The videos and pictures that several inputs name one by one.

    Raises:
        SourceError: there is no such file.
        ConfigError: an input is something else than such a file.
    """
    for address in addresses:
        if address.kind == "path" and not address.path.exists():
            raise SourceError(f"{address.name}: no such file")
        is_file = address.kind == "path" and address.path.is_file()
        if not is_file or not (address.path.suffix.lower() in VIDEO_SUFFIXES or is_image(address.path)):
            raise ConfigError(
                f"{address.name}: of several inputs, each must be a video file or a picture; give anything "
                "else alone"
            )
    return [address.path for address in addresses]


def outputs_of(clips: Sequence[Path], folder: Path, *, overwrite: bool, resume: bool) -> list[Path]:
    """Where the translation of each clip goes: under its name, as .mp4 where that file type isn't written.

    Raises:
        ConfigError: two would have one name.
        SinkError: the folder is a file, is the clips' own, has no parent, or holds something already.
    """
    if folder.exists() and not folder.is_dir():
        raise SinkError(f"{folder}: is a file; the output for several clips is a folder")
    if any(folder.exists() and folder.samefile(clip.parent) for clip in clips):
        raise SinkError(f"{folder}: is the clips' own folder; give another with -o")
    if not folder.absolute().parent.is_dir():
        raise SinkError(f"{folder}: there is no folder {folder.parent}; make it first")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite and not resume:
        raise SinkError(
            f"{folder}: exists already and isn't empty; add --resume to make what is missing, --overwrite "
            "to make all anew, or give another -o"
        )
    first: dict[Path, Path] = {}
    for clip in clips:
        written = {*VIDEO_OUTPUTS, *IMAGE_SUFFIXES}
        suffix = clip.suffix if clip.suffix.lower() in written else ".mp4"
        output = folder / f"{clip.stem}{suffix}"
        if output in first:
            raise ConfigError(f"{first[output]} and {clip} would both become {output}; translate them apart")
        first[output] = clip
    return list(first)


def one_by_one(
    pairs: Sequence[tuple[Path, Path]],
    translate: Callable[[Path, Path], object],
    failed: Callable[[Path, UnitEdgeError], None],
) -> None:
    """Translates each clip to its output; `failed` is told of those that can't be, at once.

    Raises:
        PartialError: some failed, at the end.
        SinkError: the disk is full, at once.
    """
    bad: list[str] = []
    for clip, output in pairs:
        try:
            translate(clip, output)
        except UnitEdgeError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.ENOSPC:
                raise
            bad.append(clip.name)
            failed(clip, error)
    if bad:
        more = f" and {len(bad) - _NAMED_AT_MOST} more" if len(bad) > _NAMED_AT_MOST else ""
        raise PartialError(
            f"{len(bad)} of {len(pairs)} clips failed, the others are finished: "
            f"{', '.join(bad[:_NAMED_AT_MOST])}{more}"
        )
