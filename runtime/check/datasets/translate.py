"""A data set translated picture by picture: each read once, labels linked, indices written last."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from unit_edge.errors import SinkError, SourceError
from unit_edge.files.writing import replacing, write_output
from unit_edge.interrupt import StopWish
from unit_edge.media.images import read_image
from unit_edge.runtime.check.datasets.dataset import DataSet, Picture, renamed, rest_of
from unit_edge.runtime.check.datasets.record import Entry, Journal, write_record
from unit_edge.runtime.check.datasets.trees import stem_of
from unit_edge.runtime.check.pairs import Image, Translate
from unit_edge.runtime.sinks.images import write_image


@dataclass(frozen=True)
class Translator:
    """What translates, and what is recorded of it."""

    translate: Translate
    target: str
    model: str
    sha256: str


@dataclass(frozen=True)
class DatasetRequest:
    """What is to be made of the pictures.

    Attributes:
        mix: share of the pictures that is translated, each to one of the domains, the others taken over as
            they are; None for every picture to every domain.
        suffix: added to names; "{to}" in it is the domain. "" keeps the names.
        seed: of what `mix` draws.
        kept: (frame, translation) → share of a detector's boxes kept, or None where it finds none.
        min_kept: below it a picture fails.
        flag: keep those that fail, and say so in dataset.json, instead of leaving them out.
    """

    mix: float | None = None
    suffix: str = ""
    seed: int = 0
    kept: Callable[[Image, Image], float | None] | None = None
    min_kept: float = 0.0
    flag: bool = False

    def has_made(self, entry: Entry) -> bool:
        """Whether an entry of an earlier run is what this request would make of the same picture."""
        asked = None if self.kept is None or entry.target is None else self.min_kept
        return entry.least == asked and (entry.passed or (entry.file is not None) == self.flag)


@dataclass
class Outcome:
    """What was made of a data set.

    Attributes:
        entries: of every picture, in order.
        faults: pictures that couldn't be read, and what the data set lacks.
        reused: how many were there from an earlier run.
        others: what an earlier run made of the same pictures under names that none has now, and is there.
    """

    entries: list[Entry]
    faults: list[str]
    reused: int = 0
    others: list[Entry] = field(default_factory=list)


def draw(name: PurePosixPath, seed: int) -> float:
    """A number in 0..1 that a picture's name and the seed decide, whatever the order of pictures."""
    digest = hashlib.sha256(f"{seed} {name.as_posix()}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def jobs_of(
    picture: Picture, translators: Sequence[Translator], request: DatasetRequest
) -> Iterator[tuple[Translator | None, str]]:
    """What becomes of a picture: a translator, or None for the picture as it is; and its name's suffix."""
    chosen: Sequence[Translator | None] = translators
    if request.mix is not None:
        place = draw(picture.name, request.seed)
        # below mix, the same number is uniform again
        chosen = [None]
        if place < request.mix:
            chosen = [translators[int(place / request.mix * len(translators))]]
    for translator in chosen:
        yield translator, "" if translator is None else request.suffix.replace("{to}", translator.target)


def translate_dataset(
    dataset: DataSet,
    folder: Path,
    translators: Sequence[Translator],
    request: DatasetRequest,
    about: dict[str, Any],
    *,
    resume: bool = False,
    progress: Callable[[int], None] = lambda _: None,
    wish: StopWish | None = None,
) -> Outcome:
    """Makes the data set `folder` of another; what is finished stays if it is interrupted.

    Args:
        dataset: that was read.
        folder: is made.
        translators: one for each domain.
        request: what is to be made.
        about: goes into dataset.json.
        resume: leave pictures alone that an earlier run has made with the same model; else what one made
            under other names is removed.
        progress: is told the number of pictures done.
        wish: ends it between two pictures; indices and dataset.json are then not written.

    Raises:
        SinkError: something can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder, resume=resume)
    outcome = Outcome([], list(dataset.faults))
    finished = False
    try:
        for count, picture in enumerate(dataset.pictures, start=1):
            if wish:
                return outcome
            _one(dataset.kind, picture, folder, translators, request, journal, outcome)
            progress(count)
        for entry, picture, suffix in _others(dataset, journal.earlier, outcome):
            if resume:
                outcome.others.append(entry)
            else:
                _remove(dataset.kind, picture, suffix, folder)
        written: dict[PurePosixPath, list[PurePosixPath]] = {}
        for entry in outcome.entries:
            if entry.file is not None:
                written.setdefault(PurePosixPath(entry.source), []).append(PurePosixPath(entry.file))
        for name, content in (dataset.index.files(written) if dataset.index else {}).items():
            _parent(folder / name)
            write_output(folder / name, content)
        write_record(folder, about, outcome.entries, outcome.others)
        finished = True
    finally:
        journal.close(finished=finished)
    return outcome


def _one(
    kind: str,
    picture: Picture,
    folder: Path,
    translators: Sequence[Translator],
    request: DatasetRequest,
    journal: Journal,
    outcome: Outcome,
) -> None:
    """All that becomes of one picture; it is read once, and not at all if everything is there."""
    image: Image | None = None
    stem = stem_of(kind, picture.name)
    for translator, suffix in jobs_of(picture, translators, request):
        name = renamed(picture.name, stem, suffix)
        entry = Entry(
            source=str(picture.name), file=str(name), target=None, model=None, sha256=None, seed=request.seed
        )
        if translator is not None:
            entry = replace(entry, target=translator.target, model=translator.model, sha256=translator.sha256)
        before = journal.done.get((entry.source, entry.target, entry.sha256))
        if before is not None and before.file in (None, entry.file) and request.has_made(before):
            outcome.entries.append(before)
            outcome.reused += 1
            continue
        try:
            image = read_image(picture.path) if image is None else image
        except SourceError as error:
            outcome.faults.append(str(error))
            return
        if translator is None:
            _take_over(picture.path, folder / name, link=True)
        else:
            entry = _translated(image, translator, folder / name, request, entry)
        for label, place in picture.labels:
            if entry.file is not None:
                _take_over(label, folder / renamed(place, stem, suffix), link=False)
            elif before is not None and before.file is not None:  # an earlier run asked for less
                (folder / renamed(place, stem, suffix)).unlink(missing_ok=True)
        journal.add(entry)
        outcome.entries.append(entry)


def _others(
    dataset: DataSet, earlier: Sequence[Entry], outcome: Outcome
) -> Iterator[tuple[Entry, Picture, str]]:
    """What earlier runs made of these pictures under names that none has now, with the suffixes of these.

    Who reads a folder as a split would take them for more pictures of the set.
    """
    files = {entry.file for entry in outcome.entries}
    pictures = {str(picture.name): picture for picture in dataset.pictures}
    for entry in earlier:
        picture = pictures.get(entry.source)
        if entry.file is None or entry.file in files or picture is None:
            continue
        stem, made = stem_of(dataset.kind, picture.name), PurePosixPath(entry.file)
        rest = rest_of(picture.name, stem)
        suffix = made.name.removeprefix(stem).removesuffix(rest)
        # whatever its record says, no other file is touched
        if made != renamed(picture.name, stem, suffix):
            continue
        files.add(entry.file)
        yield entry, picture, suffix


def _remove(kind: str, picture: Picture, suffix: str, folder: Path) -> None:
    """Removes what was made of a picture, with its labels."""
    stem = stem_of(kind, picture.name)
    for _, place in ((picture.path, picture.name), *picture.labels):
        (folder / renamed(place, stem, suffix)).unlink(missing_ok=True)


def _translated(
    image: Image, translator: Translator, path: Path, request: DatasetRequest, entry: Entry
) -> Entry:
    made = translator.translate(image)
    if request.kept is not None:
        kept = request.kept(image, made)
        passed = kept is None or kept >= request.min_kept
        entry = replace(entry, kept=kept, passed=passed, least=request.min_kept)
    if not entry.passed and not request.flag:
        path.unlink(missing_ok=True)  # of an earlier run that asked for less
        return replace(entry, file=None)
    _parent(path)
    write_image(path, made)
    return entry


def _take_over(source: Path, target: Path, *, link: bool) -> None:
    """Copies a file; with `link`, for large ones that nobody edits, links it where that is possible."""
    _parent(target)
    try:
        with replacing(target) as temporary:
            linked = False
            if link:
                with suppress(OSError):
                    os.link(source.resolve(), temporary)
                    linked = True
            if not linked:
                shutil.copyfile(source, temporary)
    except OSError as error:
        raise SinkError(f"{target}: can't be written ({error.strerror or error})") from None


def _parent(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"{path.parent}: this folder can't be made ({error.strerror or error})") from None
