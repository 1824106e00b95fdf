"""Hands items out to workers, and goes on when one of them, or its node, is gone."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from unit_edge import __version__
from unit_edge.errors import BackendError, ConfigError
from unit_edge.interrupt import StopWish
from unit_edge.runtime.fleet.cluster import has_gpus, nodes_alive, room_for
from unit_edge.runtime.fleet.items import Crew, Item, Outcome, Work
from unit_edge.runtime.fleet.storage.names import is_picture
from unit_edge.text.printable import one_line
from unit_edge.text.redaction import redact

KILLS_AT_MOST = 3
_PICTURES_TOGETHER = 32
_WAIT_S = 0.5
_LOOK_S = 5.0
_STOP_S = 10.0
_STILLBORN_AT_MOST = 3
_NODE_GONE_S = 1.0

Batch = tuple[Item, ...]


@dataclass
class Standing:
    """How far a fleet is, for who watches.

    Attributes:
        total: items that there are to do.
        done: finished well.
        failed: with an error.
        frames: translated, those of items that aren't finished included.
        workers: that are open.
        seconds: since it began.
        share: of the work that is done, 0 to 1.
    """

    total: int
    done: int = 0
    failed: int = 0
    frames: int = 0
    workers: int = 0
    seconds: float = 0.0
    share: float = 0.0


@dataclass(eq=False)
class _Hand:
    """A worker as the driver sees it.

    Attributes:
        actor: its handle.
        opening: its first answer; None once it is there.
        node: the ID of its node; "" until it is known.
        at: what it was given, by the reference to the outcome.
        watched: a question for its frames that isn't answered yet.
        frames: what it said last.
    """

    actor: Any
    opening: Any
    node: str = ""
    at: dict[Any, Batch] = field(default_factory=dict)
    watched: Any = None
    frames: int = 0


class Dispatch:
    """One run of a fleet; an iterator of outcomes in the order in which they come."""

    def __init__(
        self,
        items: Sequence[Item],
        work: Work,
        crew: Crew,
        worker: type[Any],
        *,
        wish: StopWish,
        ahead: int = 1,
        progress: Callable[[Standing], None],
    ) -> None:
        """Starts nothing yet.

        Args:
            items: what is to be done.
            work: how.
            crew: by whom.
            worker: what becomes an actor, a `Worker` or what has its methods.
            wish: ends it when it is set.
            ahead: batches that a worker has in hand: with 2 it fetches one while it translates another.
            progress: is called about twice a second, and at each outcome.
        """
        import ray

        self._ray = ray
        self._queue = deque(_batches(items))
        self._alone: deque[Batch] = deque()  # what a worker may have died of
        self._kills: dict[Any, int] = {}
        self._segmented: dict[str, list[Outcome]] = {}  # of clips that are being made in segments
        self._weights = _weights(items)
        self._crew, self._wish, self._ahead, self._progress = crew, wish, ahead, progress
        self._gpus = crew.gpus if crew.gpus is not None else float(has_gpus())
        self._class = self._ray.remote(worker).options(
            num_cpus=crew.cpus, num_gpus=self._gpus, max_concurrency=ahead + 3, max_restarts=0
        )
        self._work = self._ray.put(work)
        self._hands: list[_Hand] = []
        self._stillborn = 0
        self._frames_gone = 0
        self.standing = Standing(len(items))
        self._began = time.monotonic()
        self._looked_at = self._watched_at = float("-inf")

    def __iter__(self) -> Iterator[Outcome]:
        """Works until nothing is left, or the wish is set.

        Raises:
            ConfigError: no node has what a worker needs.
            BackendError: workers can't be opened.
        """
        try:
            while (self._queue or self._alone or any(hand.at for hand in self._hands)) and not self._wish:
                self._hire()
                self._give()
                for outcome in self._answers():
                    self._count(outcome)
                    yield outcome
                self._watch()
                self.standing.seconds = time.monotonic() - self._began
                self._progress(self.standing)
        finally:
            self._dismiss()

    def _hire(self) -> None:
        """Starts as many workers as there is room and work for."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_S and self._hands:
            return
        self._looked_at = now
        room = room_for(self._crew.cpus, self._gpus)
        if not room and self._crew.workers is None and not self._hands:
            gpus = f" and {self._gpus:g} GPUs" if self._gpus else ""
            raise ConfigError(
                f"no node has the {self._crew.cpus:g} CPU cores{gpus} of a worker; give less "
                "with --cpus-per-worker or --gpus-per-worker, or say with --workers how many to wait for"
            )
        left = len(self._queue) + len(self._alone) + sum(len(hand.at) for hand in self._hands)
        wanted = min(left, room if self._crew.workers is None else self._crew.workers)
        for _ in range(wanted - len(self._hands)):
            actor = self._class.remote(self._work)
            self._hands.append(_Hand(actor, actor.open.remote()))

    def _give(self) -> None:
        """Gives each open worker what it has time for."""
        for hand in self._hands:
            if hand.opening is not None or any(self._suspect(batch) for batch in hand.at.values()):
                continue
            if not hand.at and self._alone:
                self._hand_over(hand, self._alone.popleft())
                continue
            while self._queue and len(hand.at) < self._ahead:
                self._hand_over(hand, self._queue.popleft())

    def _hand_over(self, hand: _Hand, batch: Batch) -> None:
        hand.at[hand.actor.translate.remote(batch)] = batch

    def _suspect(self, batch: Batch) -> bool:
        return any(_key(item) in self._kills for item in batch)

    def _answers(self) -> Iterator[Outcome]:
        owners = {ref: hand for hand in self._hands for ref in hand.at}
        owners |= {hand.opening: hand for hand in self._hands if hand.opening is not None}
        if not owners:
            time.sleep(_WAIT_S)
            return
        ready, _ = self._ray.wait(list(owners), num_returns=len(owners), timeout=0)
        if not ready:
            ready, _ = self._ray.wait(list(owners), num_returns=1, timeout=_WAIT_S)
        for ref in ready:
            hand = owners[ref]
            if hand not in self._hands:
                continue
            try:
                answer = self._ray.get(ref)
            except self._ray.exceptions.RayActorError as error:
                yield from self._bury(hand, error)
                continue
            if ref is hand.opening:
                self._opened(hand, answer)
                continue
            batch = hand.at.pop(ref)
            for item, outcome in zip(batch, answer, strict=True):
                yield from self._settle(item, replace(outcome, kills=self._kills.get(_key(item), 0)))

    def _settle(self, item: Item, outcome: Outcome) -> Iterator[Outcome]:
        """What an answer means for the clip: it may be one of many steps to it."""
        name = item.name
        if outcome.cuts:
            self._segmented[name] = []
            cut = replace(item, cuts=outcome.cuts)
            self._queue.extendleft((replace(cut, segment=n),) for n in reversed(range(len(cut.cuts))))
            self._looked_at = float("-inf")  # there is work for more workers now
            return
        if not item.cuts:
            yield outcome
            return
        done = self._segmented.get(name)
        if done is None:  # another segment has failed
            return
        done.append(outcome)
        if outcome.error or outcome.stopped:
            del self._segmented[name]
            for queue in (self._queue, self._alone):
                for batch in [batch for batch in queue if batch[0].name == name]:
                    queue.remove(batch)
            yield outcome
        elif item.segment is not None:
            share = self._weights[name] / (len(item.cuts) + 1 - len(done))
            self.standing.share += share
            self._weights[name] -= share
            if len(done) == len(item.cuts):
                self._queue.appendleft((replace(item, segment=None),))
        else:
            del self._segmented[name]
            parts = (*done[:-1], replace(outcome, frames=0))
            yield replace(outcome, seconds=sum(part.seconds for part in parts), parts=parts)

    def _opened(self, hand: _Hand, about: dict[str, str]) -> None:
        if about["error"]:
            raise BackendError(f"a worker on {about['node']} can't begin: {about['error']}")
        if about["version"] != __version__:
            raise ConfigError(
                f"{about['node']} has unit-edge {about['version']}, this machine {__version__}; "
                "install the same on all"
            )
        hand.opening, hand.node, self._stillborn = None, about["node_id"], 0

    def _bury(self, hand: _Hand, error: BaseException) -> Iterator[Outcome]:
        """A worker is gone: what it was at goes back; what kills again and again is left out."""
        self._hands.remove(hand)
        self._looked_at = float("-inf")
        self._frames_gone += hand.frames
        if hand.opening is not None:
            self._stillborn += 1
            if self._stillborn >= _STILLBORN_AT_MOST:
                said = str(error).strip().rpartition("\n")[2]  # above it is where in Ray it came about
                raise BackendError(f"workers die before they begin: {redact(one_line(said, 300))}") from None
            return
        batches = [
            batch for batch in hand.at.values() if not batch[0].cuts or batch[0].name in self._segmented
        ]
        if _node_gone(hand.node):  # no clip's fault
            self._queue.extendleft(reversed(batches))
            return
        for batch in batches:
            for item in batch:
                kills = self._kills[_key(item)] = self._kills.get(_key(item), 0) + 1
                if kills < KILLS_AT_MOST:
                    self._alone.append((item,))
                else:
                    text = f"{item.name}: its worker died {kills} times; it is left out"
                    yield from self._settle(item, Outcome(item.name, kills=kills, error=text))

    def _count(self, outcome: Outcome) -> None:
        if outcome.stopped:
            return
        if outcome.error:
            self.standing.failed += 1
        else:
            self.standing.done += 1
        self.standing.share = min(1.0, self.standing.share + self._weights.get(outcome.name, 0.0))

    def _watch(self) -> None:
        """Asks workers for their frames; none is waited for."""
        now = time.monotonic()
        waiting = {hand.watched: hand for hand in self._hands if hand.watched is not None}
        if waiting:
            ready, _ = self._ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
            for ref in ready:
                hand = waiting[ref]
                hand.watched = None
                try:
                    hand.frames = self._ray.get(ref)
                except self._ray.exceptions.RayActorError:
                    continue  # the reference to its outcome says so too
        if now - self._watched_at > 1:
            self._watched_at = now
            for hand in self._hands:
                if hand.opening is None and hand.watched is None:
                    hand.watched = hand.actor.frames.remote()
        self.standing.frames = self._frames_gone + sum(hand.frames for hand in self._hands)
        self.standing.workers = sum(hand.opening is None for hand in self._hands)

    def _dismiss(self) -> None:
        """Ends all workers, those that are at something after their frame; by force if that takes long."""
        parting = []
        for hand in self._hands:
            if hand.at:
                hand.actor.stop.remote()
            if hand.opening is None:
                parting.append(hand.actor.close.remote())
        if parting:
            self._ray.wait(parting, num_returns=len(parting), timeout=_STOP_S)
        for hand in self._hands:
            self._ray.kill(hand.actor)
        self._hands = []


def _key(item: Item) -> tuple[str, int | None]:
    return item.name, item.segment


def _batches(items: Sequence[Item]) -> Iterator[Batch]:
    """Clips alone, the largest first, so that none is begun when all else is done; pictures together."""
    pictures = [item for item in items if is_picture(item.name)]
    clips = [item for item in items if not is_picture(item.name)]
    yield from ((item,) for item in sorted(clips, key=lambda item: -(item.bytes or 0)))
    for first in range(0, len(pictures), _PICTURES_TOGETHER):
        yield tuple(pictures[first : first + _PICTURES_TOGETHER])


def _weights(items: Sequence[Item]) -> dict[str, float]:
    """Each item's share of the work: by size, or alike where sizes aren't known."""
    sizes = [item.bytes or 0 for item in items]
    known = all(sizes)
    total = sum(sizes) if known else len(items)
    return {item.name: (size if known else 1) / total for item, size in zip(items, sizes, strict=True)}


def _node_gone(node: str) -> bool:
    """Whether a node is lost, which the cluster notes a moment after its workers are."""
    until = time.monotonic() + _NODE_GONE_S
    while node in nodes_alive():
        if time.monotonic() > until:
            return False
        time.sleep(_WAIT_S)
    return True
