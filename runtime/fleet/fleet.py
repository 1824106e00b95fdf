"""The whole of it: what is there to do, by whom, and what has become of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from unit_edge.errors import ConfigError, PartialError, SinkError
from unit_edge.interrupt import Interrupted, watch_signals
from unit_edge.runtime.backends.open import CheckedModel, check_model
from unit_edge.runtime.fleet.cluster import joined
from unit_edge.runtime.fleet.dispatch import Dispatch, Standing
from unit_edge.runtime.fleet.items import Crew, Item, Outcome, Work, making_of_all
from unit_edge.runtime.fleet.report import Report
from unit_edge.runtime.fleet.storage.destination import Destination, same_place
from unit_edge.runtime.fleet.storage.ledger import Ledger, check_destination
from unit_edge.runtime.fleet.storage.names import is_picture
from unit_edge.runtime.fleet.storage.sources import find_items, would_find
from unit_edge.runtime.fleet.storage.stores import local_path, scheme_of, shown
from unit_edge.runtime.library import find_translator
from unit_edge.runtime.sinks.codecs import VIDEO_OUTPUTS, Encoding
from unit_edge.text.printable import one_line

_NAMED_AT_MOST = 5
_AHEAD = 2
SEGMENT_S_AT_LEAST = 1


@dataclass(frozen=True, kw_only=True)
class FleetRequest:
    """What a fleet shall do.

    Attributes:
        source: a folder, pattern, list in a .txt, file, or the same as a URL of a store.
        destination: a folder or a prefix of a store.
        model: a model file that is checked.
        backend: what runs it.
        crew: by whom.
        encoding: of videos.
        steady: take flicker out.
        overwrite: make all anew.
        resume: make what is missing.
        address: of a Ray cluster; None to start one on this machine.
        scratch: the folder for what is on its way, or None for the system's.
        scratch_bytes: how much a worker may have in there.
        segment_s: longer clips are cut into segments of about so many seconds; None for not at all.
    """

    source: str = field(repr=False)
    destination: str = field(repr=False)
    model: CheckedModel
    backend: str = "auto"
    crew: Crew = field(default_factory=Crew)
    encoding: Encoding = field(default_factory=Encoding)
    steady: bool = False
    overwrite: bool = False
    resume: bool = False
    address: str | None = None
    scratch: str | None = None
    scratch_bytes: int = 20 * 2**30
    segment_s: float | None = None

    def __post_init__(self) -> None:
        if self.segment_s is None:
            return
        if not SEGMENT_S_AT_LEAST <= self.segment_s < float("inf"):
            raise ConfigError(f"--segment {self.segment_s}: expected {SEGMENT_S_AT_LEAST} or more seconds")
        if self.steady:
            raise ConfigError(
                "--segment and --steady: each frame is steadied after the one before it, so a clip that is "
                "cut would not look the same; leave one of them out"
            )


def translate_many(
    source: str | Path,
    destination: str | Path,
    model_or_to: str | Path,
    *,
    address: str | None = None,
    backend: str = "auto",
    workers: int | None = None,
    cpus_per_worker: float = 1,
    gpus_per_worker: float | None = None,
    encoding: Encoding | None = None,
    steady: bool = False,
    segment_s: float | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Callable[[Standing], None] | None = None,
) -> Report:
    """Translates all clips and pictures of a source on a Ray cluster; returns when it is done.

    Args:
        source: a folder, pattern, list in a .txt, file, or the same as a URL of a store.
        destination: a folder or a prefix of a store.
        model_or_to: as of `translate_video`.
        address: of a cluster; None for the one that the program is a driver of, or one of this machine.
        backend: what runs the model.
        workers: how many at most; None for as many as there is room for.
        cpus_per_worker: that each gets.
        gpus_per_worker: that each gets; None for one where there are any.
        encoding: of videos.
        steady: take flicker out.
        segment_s: cut longer clips into segments of about so many seconds, which several workers translate.
        overwrite: make all anew.
        resume: make what is missing.
        progress: called in this thread about twice a second.

    Returns:
        What became of each; `failed` has those that could not be translated.

    Raises:
        UnitEdgeError: one line that says why nothing could be begun, or why it had to end.
        Interrupted: a signal ended it; what is finished is at the destination.
    """
    request = FleetRequest(
        source=str(source),
        destination=str(destination),
        model=check_model(find_translator(model_or_to)),
        backend=backend,
        crew=Crew(workers=workers, cpus=cpus_per_worker, gpus=gpus_per_worker),
        encoding=encoding or Encoding(),
        steady=steady,
        segment_s=segment_s,
        overwrite=overwrite,
        resume=resume,
        address=address,
    )
    report = carry_out_all(request, progress=progress)
    if report.stopped:
        raise Interrupted(report.stopped_by)
    return report


def carry_out_all(
    request: FleetRequest,
    *,
    failed: Callable[[Outcome], None] | None = None,
    started: Callable[[int, int], None] | None = None,
    progress: Callable[[Standing], None] | None = None,
    worker: type | None = None,
) -> Report:
    """Translates all that there is at a source.

    Args:
        request: what, into what and how.
        failed: is told of each item that can't be translated, at once.
        started: is told how many there are to do, and how many were done already.
        progress: is called about twice a second.
        worker: what becomes an actor, instead of `Worker`.

    Raises:
        UnitEdgeError: see `find_items`, `check_destination`, `joined` and `Dispatch`.
        SinkError: the destination is full.
    """
    from unit_edge.runtime.fleet.worker import Worker

    if not request.source.endswith(".txt") and (
        same_place(request.source, request.destination) or would_find(request.source, request.destination)
    ):
        raise ConfigError(
            f"{shown(request.destination)}: is in the source, or the source in it; give another destination"
        )
    items, bad = find_items(request.source)
    for item in items:
        suffix = Path(item.output).suffix
        if suffix.lower() in VIDEO_OUTPUTS and not is_picture(item.name):
            request.encoding.codec_for(suffix)
    destination = Destination(request.destination)
    there = check_destination(destination, overwrite=request.overwrite, resume=request.resume)
    destination.prepare()
    ledger = Ledger(destination)
    work = Work(
        model=str(request.model.path.resolve()),
        suffix=request.model.path.suffix,
        backend=request.backend,
        threads=max(1, int(request.crew.cpus)),
        encoding=request.encoding,
        steady=request.steady,
        destination=_absolute(request.destination),
        scratch=request.scratch,
        scratch_bytes=request.scratch_bytes,
        segment_s=request.segment_s,
    )
    ledger.begin(making_of_all(work, request.model.manifest.sha256), resume=request.resume)
    if not request.resume:
        destination.clean_segments()
    if request.overwrite:
        for item in items:
            if item.output in there:
                destination.remove(item.output)
        there = set()
    left = [_placed(item) for item in items if item.output not in there]
    report = Report(
        source=shown(request.source),
        destination=shown(request.destination),
        model=request.model.manifest.name,
        total=len(items) + len(bad),
        skipped=len(items) - len(left),
    )
    for outcome in bad:
        report.outcomes.append(outcome)
        ledger.note(outcome)
        if failed is not None:
            failed(outcome)
    if started is not None:
        started(len(left), report.skipped)
    if not left:
        ledger.write()
        return report
    away = bool(scheme_of(request.destination)) or any(scheme_of(item.address) for item in left)
    with joined(request.address) as here, watch_signals() as wish:
        if not here:  # the nodes may not have the file
            work = replace(work, model=_content(request.model))
        dispatch = Dispatch(
            left,
            work,
            request.crew,
            worker or Worker,
            wish=wish,
            ahead=_AHEAD if away else 1,
            progress=progress or (lambda _: None),
        )
        began = time.monotonic()
        try:
            for outcome in dispatch:
                report.outcomes.append(outcome)
                ledger.note(outcome)
                if outcome.error and failed is not None:
                    failed(outcome)
                if outcome.hopeless:
                    raise SinkError(
                        f"{outcome.error} (on {outcome.node}); --resume goes on when there is room"
                    )
            if not wish:
                destination.clean_segments()
        finally:
            report.seconds = time.monotonic() - began
            report.stopped, report.stopped_by = bool(wish), int(wish.signal_number) if wish else 0
            ledger.write()
            if not scheme_of(request.destination):
                destination.clean()
    return report


def failures_of(report: Report) -> PartialError | None:
    """The error that a report amounts to, or None."""
    names = [one_line(one.name, 80) for one in report.failed]
    if not names:
        return None
    more = f" and {len(names) - _NAMED_AT_MOST} more" if len(names) > _NAMED_AT_MOST else ""
    return PartialError(
        f"{len(names)} of {report.total} clips failed, the others are finished: "
        f"{', '.join(names[:_NAMED_AT_MOST])}{more}"
    )


def _absolute(address: str) -> str:
    """Workers have other current folders."""
    return address if scheme_of(address) else str(local_path(address).absolute())


def _placed(item: Item) -> Item:
    return replace(item, address=_absolute(item.address))


def _content(model: CheckedModel) -> tuple[bytes, bytes]:
    return model.path.read_bytes(), model.path.with_suffix(".json").read_bytes()
