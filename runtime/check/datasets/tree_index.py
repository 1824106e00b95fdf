"""What of a tree of folders is about many pictures: BDD100K's lists of labels, and lists of splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from unit_edge.errors import DataError
from unit_edge.runtime.check.datasets.coco import json_again
from unit_edge.runtime.check.datasets.dataset import Picture, Written, rest_of
from unit_edge.runtime.check.labels.bdd import frames_of, read_bdd
from unit_edge.runtime.check.labels.coco import read_coco
from unit_edge.runtime.check.labels.read import read_json
from unit_edge.runtime.check.labels.text import lines_of

StemOf = Callable[[PurePosixPath], str]
"""What a picture's name and those of its labels begin with."""


class TreeIndex:
    """The files of a tree that name many pictures, written anew with the names of the translated ones."""

    def __init__(self, pictures: Sequence[Picture], stem_of: StemOf) -> None:
        self._stem_of = stem_of
        self._lists: list[tuple[Path, PurePosixPath]] = []
        self._jsons: list[tuple[Path, PurePosixPath]] = []
        self._by_stem: dict[str, list[PurePosixPath]] = {}
        self._by_file: dict[str, list[PurePosixPath]] = {}
        for picture in pictures:
            self._by_stem.setdefault(stem_of(picture.name), []).append(picture.name)
            self._by_file.setdefault(picture.name.name, []).append(picture.name)

    def takes(self, path: Path, name: PurePosixPath, faults: list[str]) -> bool:
        """Whether a file is such a one; it is looked at, and what it lists in vain is a fault.

        So is a damaged .json. A text that can't be read as one is no list.
        """
        try:
            if path.suffix.lower() == ".json":
                return self._takes_json(path, name, faults)
            return path.suffix.lower() == ".txt" and self._takes_list(path, name, faults)
        except DataError as error:
            if path.suffix.lower() == ".json":
                faults.append(str(error))
            return path.suffix.lower() == ".json"

    def files(self, written: Written) -> dict[PurePosixPath, bytes]:
        made = {name: self._list(path, written) for path, name in self._lists}
        return made | {name: self._json(path, written) for path, name in self._jsons}

    def _takes_list(self, path: Path, name: PurePosixPath, faults: list[str]) -> bool:
        """A list of splits: the first word of most lines is a picture's name, with or without folders."""
        firsts = [line.split()[0] for line in lines_of(path)]
        missing = [first for first in firsts if not self._listed(first, name)]
        if 2 * len(missing) >= len(firsts):
            return False
        faults += [f"{path}: lists {first}, but there is no such picture" for first in missing]
        self._lists.append((path, name))
        return True

    def _takes_json(self, path: Path, name: PurePosixPath, faults: list[str]) -> bool:
        content = read_json(path)
        frames = frames_of(content)
        if frames is not None and any("name" in frame for frame in frames):
            labels = read_bdd(path, frames)
        elif isinstance(content, dict) and "images" in content:
            labels = read_coco(path, content)
        else:
            return False
        missing = [name for name in labels.pictures if PurePosixPath(name).name not in self._by_file]
        if len(missing) == len(labels.pictures):
            return False
        faults += labels.faults
        faults += [f"{path}: labels {picture}, but there is no such picture" for picture in missing]
        self._jsons.append((path, name))
        return True

    def _listed(self, word: str, of: PurePosixPath) -> list[PurePosixPath]:
        """The pictures that a word stands for; KITTI has the same numbers in training and testing."""
        found = self._by_stem.get(self._stem_of(PurePosixPath("x/x/x") / word), [])
        wanted = of.name.startswith("test")
        return [name for name in found if name.parts[0].startswith("test") == wanted] or found

    def _list(self, path: Path, written: Written) -> bytes:
        lines = []
        for line in lines_of(path):
            words = line.split()
            pictures = self._listed(words[0], PurePosixPath(path.name))
            # both cameras of a pair have one number
            chosen = next((name for name in pictures if written.get(name)), None)
            if chosen is None:
                continue
            old = self._stem_of(chosen)
            for new in written[chosen]:
                stem = new.name.removesuffix(rest_of(chosen, old))
                lines.append(" ".join(_renamed(word, old, stem) for word in words))
        return ("\n".join(lines) + "\n").encode()

    def _json(self, path: Path, written: Written) -> bytes:
        def names_of(name: str) -> list[str]:
            old = PurePosixPath(name)
            pictures = self._by_file.get(old.name, ())
            new = {new.name: None for picture in pictures for new in written.get(picture, ())}
            return [old.with_name(name).as_posix() for name in new]

        content = read_json(path)
        assert isinstance(content, dict | list), "it was read before"
        return json_again(content, names_of)


def _renamed(word: str, old: str, new: str) -> str:
    folder, slash, name = word.rpartition("/")
    return folder + slash + new + name[len(old) :] if name.startswith(old) else word
