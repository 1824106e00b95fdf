"""What a fleet is asked for, what it works on, and what becomes of that: between processes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from unit_edge.runtime.sinks.codecs import Encoding

OWN = ".unit-edge-fleet"
"""The folder in a destination that holds the ledger, and what isn't whole yet."""

_DIGITS = 24


@dataclass(frozen=True, slots=True)
class Item:
    """A clip or picture of the source.

    Attributes:
        name: of the source below its root, with slashes; it is what people see.
        address: a path, or a URL that fsspec opens; may hold a password.
        output: the name of its translation below the destination.
        bytes: how large it is, or None if nobody knows.
        cuts: of a clip that is cut, when its segments begin, in seconds, the first at 0; else none.
        segment: the one that is meant, from 0 on; None for the whole: of one that is cut, its segments are
            to be joined.
    """

    name: str
    address: str = field(repr=False)
    output: str
    bytes: int | None = None
    cuts: tuple[Fraction, ...] = ()
    segment: int | None = None

    @property
    def segments_in(self) -> str:
        """The folder of the segments' translations, of those that are cut alike."""
        about = json.dumps([self.output, self.bytes, [str(cut) for cut in self.cuts]])
        return f"{OWN}/segments/{hashlib.sha256(about.encode()).hexdigest()[:_DIGITS]}"

    def output_of(self, segment: int) -> str:
        """The name of a segment's translation below the destination."""
        return f"{self.segments_in}/{segment + 1}.mp4"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an item.

    Attributes:
        name: the item's.
        frames: that were translated.
        seconds: that it took its worker, the waiting for the store included.
        node: where that was.
        error: one line if it failed, without secrets; "" if the translation is at the destination.
        kills: how many workers died of it.
        hopeless: the others will fail in the same way: the destination is full.
        stopped: it was neither finished nor did it fail, for the run was stopped.
        cuts: nothing was done yet, for it is long: it shall be made in segments that begin then.
        parts: of a clip that was made in segments, what became of each, and of joining them.
    """

    name: str
    frames: int = 0
    seconds: float = 0.0
    node: str = ""
    error: str = ""
    kills: int = 0
    hopeless: bool = False
    stopped: bool = False
    cuts: tuple[Fraction, ...] = ()
    parts: tuple[Outcome, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Work:
    """What all workers do alike.

    Attributes:
        model: the path of a model file that every node has, or the bytes of the file and its manifest.
        suffix: of the model file.
        backend: what runs it, one of `BACKENDS`.
        threads: of the inference on a CPU.
        encoding: of videos.
        steady: take flicker out.
        destination: a folder or a URL.
        scratch: the folder for what is on its way, or None for the system's.
        scratch_bytes: how much a worker may have in there.
        segment_s: longer clips are cut into segments of about so many seconds; None for not at all.
    """

    model: str | tuple[bytes, bytes]
    suffix: str
    backend: str = "auto"
    threads: int = 1
    encoding: Encoding = field(default_factory=Encoding)
    steady: bool = False
    destination: str = field(repr=False)
    scratch: str | None = None
    scratch_bytes: int = 20 * 2**30
    segment_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Crew:
    """The workers of a run.

    Attributes:
        workers: how many at most; None for as many as the cluster has room for.
        cpus: that each gets.
        gpus: that each gets, a part of one allowed; None for one where the cluster has any.
    """

    workers: int | None = None
    cpus: float = 1
    gpus: float | None = None


def making_of_all(work: Work, sha256: str) -> dict[str, Any]:
    """What the clips of a destination are made with: only what is made alike may lie there together."""
    encoding = work.encoding
    return {
        "model": sha256,
        "codec": encoding.codec or "",
        "crf": f"{encoding.crf:g}",
        "preset": encoding.preset,
        "audio": encoding.audio,
        "steady": work.steady,
    }
