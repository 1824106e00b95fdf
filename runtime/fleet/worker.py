"""What runs on a node: an actor that keeps a model open and translates what it is given."""

from __future__ import annotations

import errno
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from unit_edge import __version__
from unit_edge.errors import SinkError, SourceError, UnitEdgeError
from unit_edge.interrupt import StopWish
from unit_edge.runtime.backends.open import check_model, open_runner
from unit_edge.runtime.fleet.cluster import user_home
from unit_edge.runtime.fleet.items import Item, Outcome, Work
from unit_edge.runtime.fleet.metrics import Metrics
from unit_edge.runtime.fleet.segments import find_cuts, join_segments
from unit_edge.runtime.fleet.storage.destination import Destination
from unit_edge.runtime.fleet.storage.names import is_picture
from unit_edge.runtime.fleet.storage.scratch import Scratch
from unit_edge.runtime.fleet.storage.stores import local_path, open_store, scheme_of, telling
from unit_edge.runtime.pipeline import Stats
from unit_edge.runtime.request import TranslateRequest, parse_outputs
from unit_edge.runtime.sinks.codecs import Encoding
from unit_edge.runtime.sources.excerpt import Excerpt
from unit_edge.runtime.translate import RunExtras, carry_out
from unit_edge.text.address import parse_address
from unit_edge.text.printable import one_line
from unit_edge.text.redaction import redact

_T = TypeVar("_T")
_TRIES = 4
_PAUSE_S = 0.5
_INSISTING = 2


class Worker:
    """Becomes an actor; its methods may be called from several threads."""

    def __init__(self, work: Work) -> None:
        user_home()
        self._work = work
        self._turn = threading.Lock()  # of the model: the next clip is fetched meanwhile, the last one sent
        self._wish = StopWish()
        self._stack = ExitStack()
        self._frames_before = self._frames = 0
        self._node = socket.gethostname()

    def open(self) -> dict[str, str]:
        """Opens the model; says who and where it is, or under "error" why it can't be used."""
        ray = sys.modules.get("ray")  # in an actor; asked when it doesn't run, it would be started
        in_ray = bool(ray and ray.is_initialized())
        node_id = ray.get_runtime_context().get_node_id() if ray and in_ray else ""
        about = {"node": self._node, "node_id": node_id}
        about |= {"version": __version__, "error": ""}
        try:
            work = self._work
            self._metrics = Metrics(in_ray=in_ray)
            self._destination = Destination(work.destination)
            self._scratch = Scratch(work.scratch, work.scratch_bytes)
            self._stack.callback(self._scratch.close)
            checked = check_model(self._model_file())
            runner = open_runner(checked, work.backend, threads=work.threads)
            self._runner = self._stack.enter_context(runner)
        except Exception as error:
            self._stack.close()
            about["error"] = redact(one_line(error))
        return about

    def translate(self, items: Sequence[Item]) -> list[Outcome]:
        """Translates one after the other; each is at the destination then, or its outcome says why not.

        Of a clip that is to be cut the outcome says where, and nothing is done yet.
        """
        return [self._one(item) for item in items]

    def frames(self) -> int:
        """How many this worker has translated so far."""
        return self._frames_before + self._frames

    def stop(self) -> None:
        """Ends what it is at after the frame, without a trace."""
        self._wish.count = _INSISTING

    def close(self) -> None:
        """Waits for what it is at, lets go of the model and removes its scratch."""
        with self._turn:
            self._stack.close()

    def _model_file(self) -> Path:
        model = self._work.model
        if isinstance(model, str):
            return Path(model)
        path = self._scratch.folder / f"model{self._work.suffix}"
        for content, target in zip(model, (path, path.with_suffix(".json")), strict=True):
            target.write_bytes(content)
        return path

    def _one(self, item: Item) -> Outcome:
        began = time.monotonic()
        done, error_text, hopeless = Outcome(item.name), "", False
        try:
            if self._wish:
                return Outcome(item.name, stopped=True)
            done = self._carried_out(item)
        except KeyboardInterrupt:
            return Outcome(item.name, stopped=True)
        except UnitEdgeError as error:
            cause = error.__cause__
            hopeless = isinstance(cause, OSError) and cause.errno == errno.ENOSPC
            error_text = redact(one_line(error))
        except Exception as error:  # whatever it is, the other clips go on
            hopeless = isinstance(error, OSError) and error.errno == errno.ENOSPC
            error_text = redact(one_line(f"{type(error).__name__}: {error}"))
        if error_text:
            self._metrics.failed()
        seconds = time.monotonic() - began
        return replace(done, seconds=seconds, node=self._node, error=error_text, hopeless=hopeless)

    def _carried_out(self, item: Item) -> Outcome:
        if item.segment is not None and self._destination.has(item.output_of(item.segment)):
            return Outcome(item.name)  # of a run that ended early
        away = bool(scheme_of(item.address))
        sent = self._destination.folder is None
        joins = bool(item.cuts) and item.segment is None
        size = self._size_of(item) if away else item.bytes or 0
        # what comes out is about as large as what goes in
        share = None if size is None else size * (int(away) + int(sent) * (1 + int(joins)))
        with self._scratch.room(share) as folder:
            source = self._fetched(item, size, folder) if away else local_path(item.address)
            made = self._destination.work_folder(folder)
            output = made / f"out{PurePosixPath(item.output).suffix}"
            try:
                if joins:
                    return self._joined(item, source, output)
                segment_s = self._work.segment_s
                if segment_s is not None and not item.cuts and not is_picture(item.name):
                    cuts = find_cuts(source, segment_s)
                    if cuts:
                        return Outcome(item.name, cuts=cuts)
                return self._translated(item, source, output)
            except UnitEdgeError as error:
                # people know the clip's name, not ours
                text = str(error).replace(str(source), item.name).replace(str(output), item.output)
                raise type(error)(text) from error.__cause__
            finally:
                shutil.rmtree(made, ignore_errors=True)

    def _translated(self, item: Item, source: Path, output: Path) -> Outcome:
        """Translates a clip, or its segment, and delivers it."""
        excerpt, encoding, name = Excerpt(), self._work.encoding, item.output
        if item.segment is not None:
            start, end = (*item.cuts, None)[item.segment : item.segment + 2]
            assert start is not None, "there are as many cuts as segments"
            excerpt = Excerpt(start, None if end is None else end - start)
            encoding = replace(encoding, codec=encoding.codec_for(output.suffix), audio=False)
            output, name = output.with_suffix(".mp4"), item.output_of(item.segment)
        with self._turn:
            if self._wish:
                raise KeyboardInterrupt
            stats = self._run(source, output, excerpt, encoding)
        self._deliver(output, name)
        return Outcome(item.name, frames=stats.frames)

    def _joined(self, item: Item, source: Path, output: Path) -> Outcome:
        """Makes one file of a clip's segments, and delivers it."""
        destination = self._destination
        names = [item.output_of(segment) for segment in range(len(item.cuts))]
        if not destination.has(names[0]) and destination.has(item.output):
            return Outcome(item.name)  # by a worker that was lost before it could say so
        with self._metrics.timed("fetch"):
            segments = [_again(partial(destination.fetched, name, output.parent)) for name in names]
        with self._metrics.timed("join"):
            frames = join_segments(segments, item.cuts, source, output, self._work.encoding)
        self._deliver(output, item.output)
        with suppress(SinkError):  # the clip is there; the end of the run tries again
            destination.remove_folder(item.segments_in)
        return Outcome(item.name, frames=frames)

    def _deliver(self, output: Path, name: str) -> None:
        with self._metrics.timed("deliver"):
            _again(lambda: self._destination.deliver(output, name))

    def _run(self, source: Path, output: Path, excerpt: Excerpt, encoding: Encoding) -> Stats:
        request = TranslateRequest(
            address=parse_address(source),
            outputs=parse_outputs(output),
            model=self._runner,
            encoding=encoding,
            excerpt=excerpt,
            steady=self._work.steady,
        )

        def count(stats: Stats) -> None:
            self._frames = stats.frames
            self._metrics.update(stats)

        self._frames = 0
        self._metrics.begin()
        try:
            stats = carry_out(request, extras=RunExtras(wish=self._wish), progress=count)
            self._metrics.update(stats, finished=True)
            return stats
        finally:
            self._frames_before += self._frames
            self._frames = 0

    def _size_of(self, item: Item) -> int | None:
        """How large a store says that a clip is; None if it doesn't."""
        if item.bytes is not None:
            return item.bytes
        store, path = open_store(item.address)

        def ask() -> int | None:
            with telling(item.address, SourceError):
                found: int | None = store.size(path)
                return found

        return _again(ask)

    def _fetched(self, item: Item, size: int | None, folder: Path) -> Path:
        target = folder / f"in{PurePosixPath(item.name).suffix}"
        store, path = open_store(item.address)

        def fetch() -> None:
            with telling(item.address, SourceError):
                try:
                    store.get_file(path, str(target), callback=self._scratch.counter())
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    raise SinkError(
                        f"{self._scratch.folder.parent}: scratch is on a disk that is full; give --scratch"
                    ) from error
                got = target.stat().st_size
                if size is not None and got != size:
                    raise OSError(f"gave {got} of {size} bytes")

        with self._metrics.timed("fetch"):
            _again(fetch)
        return target


def _again(do: Callable[[], _T]) -> _T:
    """Tries what a store may refuse for a while; what has no cause that could pass isn't tried again."""
    for attempt in range(_TRIES - 1):
        try:
            return do()
        except UnitEdgeError as error:
            cause: Any = error.__cause__
            if cause is None or getattr(cause, "errno", None) == errno.ENOSPC:
                raise
            time.sleep(_PAUSE_S * 2**attempt)
    return do()
