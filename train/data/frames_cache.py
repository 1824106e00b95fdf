"""Frames of videos as PNG files on disk, so that a video is decoded once and not for every training.

A video's folder below `cache_root()` is named by the video and a hash of its absolute path, size and time
of change and of the interval. It is made under another name and renamed when it is whole, and its
frames.json lists the files with their sizes: what lost a file, or was cut off, is made anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

from unit_edge.errors import DataError
from unit_edge.files.reading import read_json
from unit_edge.files.writing import cache_home, remove_abandoned
from unit_edge.media.containers import reason
from unit_edge.media.png import png_bytes
from unit_edge.text.printable import printable
from unit_edge.train.data.video import SampledFrames

_VERSION = 1
_RECORD = "frames.json"
_UNFINISHED = ".unfinished-"
_FAST = 1


def cache_root() -> Path:
    """The folder of the cache: $XDG_CACHE_HOME/unit-edge/frames, or ~/.cache/unit-edge/frames."""
    return cache_home() / "frames"


def video_frames(video: Path, every_s: float) -> list[Path]:
    """A frame of every `every_s` seconds of a video, in order, as PNG files.

    They are decoded only if they aren't in the cache. Of a video that is cut off or damaged they are
    those that can be decoded, and a warning on stderr says so.

    Raises:
        DataError: it is no video, has no frame, or the cache can't be written.
    """
    try:
        folder = _folder(video, every_s)
        recorded = _recorded(folder)
        if recorded is None:
            _extract(video, every_s, folder)
            recorded = _recorded(folder)
    except OSError as error:
        raise DataError(
            f"{video}: its frames can't be kept in {cache_root()} ({reason(error)}); "
            "set XDG_CACHE_HOME to a folder with room that can be written"
        ) from None
    if recorded is None:
        raise DataError(f"{folder}: changed while it was read; start again")
    frames, fault = recorded
    if fault:
        print(
            f"warning: {video}: {fault}; going on with the {len(frames)} frames taken from it",
            file=sys.stderr,
        )
    return frames


def _folder(video: Path, every_s: float) -> Path:
    status = video.stat()
    key = [_VERSION, str(video.absolute()), status.st_size, status.st_mtime_ns, float(every_s)]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    name = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in video.stem)
    return cache_root() / f"{name[:48]}-{digest}"


def _recorded(folder: Path) -> tuple[list[Path], str] | None:
    """The frames of a folder and what was wrong with the video; None unless every file is whole."""
    try:
        record = read_json(folder / _RECORD)
        frames = [folder / name for name, _ in record["frames"]]
        if [frame.stat().st_size for frame in frames] != [size for _, size in record["frames"]]:
            return None
        return frames, str(record["fault"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _extract(video: Path, every_s: float, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder.parent, f"{_UNFINISHED}*")
    unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder.parent))
    try:
        sampled = SampledFrames(video, every_s)
        frames = []
        for index, image in enumerate(sampled):
            if index == 0:
                print(
                    printable(f"{video}: taking a frame every {every_s:g} s into {folder}"), file=sys.stderr
                )
            path = unfinished / f"{index:06d}.png"
            path.write_bytes(png_bytes(image, _FAST))
            frames.append((path.name, path.stat().st_size))
        record = {"video": str(video.absolute()), "every_s": every_s, "fault": sampled.fault}
        (unfinished / _RECORD).write_text(json.dumps({**record, "frames": frames}), encoding="utf-8")
        try:
            unfinished.rename(folder)
        except OSError:
            if _recorded(folder) is None:  # or another process was faster
                shutil.rmtree(folder)
                unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
