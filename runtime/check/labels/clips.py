"""Labels of clips, frame by frame."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from unit_edge.media.containers import VIDEO_SUFFIXES
from unit_edge.runtime.check.labels.labelset import Labels


@dataclass
class ClipLabels:
    """The labels of one or more clips.

    Attributes:
        kind: "MOT", "KITTI tracking", "COCO video" or "BDD tracking".
        clips: by the clip's name without suffix: labels by the number of the labelled frame, from 0.
        lengths: of clips whose frames below it are labelled also where nothing is in them.
        first: number of the first frame in the names of pictures of such a clip.
        step: the labelled frames are every so many-th of the clip.
        alone: it is one clip's labels, for the one clip or folder that there is, whatever its name.
        faults: what of the files could not be used, one line each.
        notes: what of them had to be assumed.
    """

    kind: str
    clips: dict[str, dict[int, Labels]] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    first: int = 0
    step: int = 1
    alone: bool = False
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def of(self, path: Path, frame: int | None = None) -> Labels | None:
        """The labels of a clip's frame, or of a picture whose name ends with the frame's number."""
        name = self._clip_of(path, frame)
        place = self._number_of(path) if frame is None else frame // self.step
        if name is None or place is None or place < 0:
            return None
        found = self.clips[name].get(place)
        return Labels() if found is None and place < self.lengths.get(name, 0) else found

    def expected(self, frame: int | None) -> bool:
        """Whether a frame is one of those that `step` leaves."""
        return frame is None or frame % self.step == 0

    def names(self) -> list[str]:
        """The names of all classes, sorted."""
        every = (labels for frames in self.clips.values() for labels in frames.values())
        return sorted({name for labels in every for name in labels.names})

    def without_clip(self, clips: Sequence[tuple[Path, int | None]]) -> list[str]:
        """What is labelled, but isn't there: whole clips, and frames after a clip's last.

        Args:
            clips: that are looked at, with the number of frames that each says it has.
        """
        known = {self._clip_of(path, 0): (path, count) for path, count in clips}
        lines = [f"{name}: labelled, but no such clip" for name in self.clips if name not in known]
        for name, (path, count) in known.items():
            last = self.step * max(self.clips[name], default=0) if name is not None else 0
            if count is not None and last >= count:
                lines.append(f"{path}: labels go to frame {last}, but the clip ends with frame {count - 1}")
        return lines

    def without_picture(self, paths: Sequence[Path]) -> list[str]:
        """The labelled clips and frames of which none of these is a picture, a line each."""
        numbers: dict[str | None, set[int | None]] = {}
        for path in paths:
            numbers.setdefault(self._clip_of(path, None), set()).add(self._number_of(path))
        return [
            f"frame {place + self.first} of {name}"
            for name, frames in self.clips.items()
            for place in sorted(frames)
            if place not in numbers.get(name, ())
        ]

    def _number_of(self, path: Path) -> int | None:
        """The number of a picture's frame, from 0, by the digits that its name ends with."""
        digits = re.search(r"[0-9]{1,18}$", path.stem)
        return None if digits is None else int(digits.group()) - self.first

    def _clip_of(self, path: Path, frame: int | None) -> str | None:
        """The name among the labels; a picture's clip is the folder that it is in, or that above."""
        near = [path.stem] if frame is not None else [path.parent.name, path.parent.parent.name]
        found = next((name for name in near if name in self.clips), None)
        # labels of a single clip need not be named as it is
        return next(iter(self.clips)) if found is None and self.alone else found


def clip_name(name: str) -> str:
    """A clip's name without folders and without a video's suffix."""
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in VIDEO_SUFFIXES else path.name
