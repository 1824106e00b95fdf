"""A channel that holds the newest item: who gives never waits for room, and makes nothing for nobody."""

from __future__ import annotations

import threading
import types
from collections.abc import Callable
from types import TracebackType

import pytest
from doubles import within

from unit_edge.runtime.channel import Channel, Newest


class Clock:
    """A clock that goes on while somebody waits, and a condition that waits by it; for one thread."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.meanwhile: dict[float, Callable[[], object]] = {}
        """What happens at a time while somebody waits."""

    def monotonic(self) -> float:
        return self.now_s

    def __enter__(self) -> Clock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def notify_all(self) -> None: ...

    def wait(self, seconds: float) -> None:
        """Until something happens, as a condition does, or until the time is over."""
        due_s = min((time_s for time_s in self.meanwhile if time_s <= self.now_s + seconds), default=None)
        self.now_s = self.now_s + seconds if due_s is None else due_s
        if due_s is not None:
            self.meanwhile.pop(due_s)()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("unit_edge.runtime.channel.time", clock)
    monkeypatch.setattr("unit_edge.runtime.channel.threading", types.SimpleNamespace(Condition=lambda: clock))
    return clock


def test_the_newest_item_takes_the_place_of_the_others() -> None:
    channel: Newest[int] = Newest()
    assert within(10, lambda: [channel.put(item) for item in range(5)]) == [True] * 5
    channel.end()
    assert list(channel) == [4]
    assert channel.dropped == 4


def taker_that_was_away(channel: Newest[int], clock: Clock, away_s: float) -> object:
    """One who has been away for so long once, and is away again now; items take 10 ms to make."""
    taker = iter(channel)
    assert channel.worthwhile(), "nobody knows yet how long the taker will be away"
    clock.now_s += 0.01
    channel.put(1)
    next(taker)
    assert channel.worthwhile() and clock.now_s == 0.01
    clock.now_s += 0.01
    channel.put(2)
    clock.now_s = 0.01 + away_s
    next(taker)
    return taker


@pytest.mark.parametrize("away_s", [0.1, 0.5, 3.0])
def test_the_giver_begins_when_the_taker_is_about_to_be_back(clock: Clock, away_s: float) -> None:
    channel: Newest[int] = Newest()
    taker = taker_that_was_away(channel, clock, away_s)
    assert channel.worthwhile()
    assert clock.now_s == pytest.approx(0.01 + 2 * away_s - 2 * 0.01), "twice the time that an item takes"
    del taker


def test_the_giver_begins_at_once_when_the_taker_is_back_early(clock: Clock) -> None:
    channel: Newest[int] = Newest(idle=lambda: True)
    taker = taker_that_was_away(channel, clock, 3.0)
    clock.meanwhile[3.5] = lambda: next(taker, None)  # type: ignore[call-overload]
    assert channel.worthwhile()
    assert clock.now_s == pytest.approx(3.5, abs=0.2 + 1e-9), "a taker that finds nothing waits a little"


def test_a_waiting_giver_is_told_that_the_taker_has_left(clock: Clock) -> None:
    channel: Newest[int] = Newest()
    taker = taker_that_was_away(channel, clock, 3.0)
    clock.meanwhile[3.5] = channel.leave
    assert not channel.worthwhile()
    assert clock.now_s == 3.5
    del taker


def test_a_giver_and_a_taker_on_threads_of_their_own_come_to_an_end() -> None:
    channel: Newest[int] = Newest()
    made = 0

    def give() -> None:
        nonlocal made
        while made < 100_000 and channel.worthwhile():
            made += 1
            channel.put(made)
        channel.end()

    def take() -> list[int]:
        taken = []
        for item in channel:
            taken.append(item)
            if len(taken) == 10:
                channel.leave()
        return taken

    giver = threading.Thread(target=give)
    giver.start()
    taken = within(30, take)
    giver.join(30)
    assert not giver.is_alive()
    assert taken == sorted(set(taken)) and taken[-1] <= made


def test_it_gives_up_when_the_taker_has_left() -> None:
    channel: Newest[int] = Newest()
    channel.leave()
    assert within(10, channel.worthwhile) is False and channel.put(1) is False


@pytest.mark.parametrize("channel", [Channel[int](2, lambda: True), Newest[int](lambda: True)])
def test_an_idle_taker_can_be_sent_home(channel: Channel[int]) -> None:
    assert within(10, lambda: list(channel)) == []


def test_a_taker_of_a_plain_channel_waits_for_a_slow_giver(clock: Clock) -> None:
    channel: Channel[int] = Channel(2)
    clock.meanwhile = {0.5: lambda: channel.put(7), 0.9: channel.end}
    assert list(channel) == [7]
    assert clock.now_s == 0.9


def test_a_taker_asks_now_and_then_whether_to_go_on(clock: Clock) -> None:
    asked: list[float] = []

    def enough() -> bool:
        asked.append(clock.now_s)
        return len(asked) == 3

    assert list(Channel[int](1, enough)) == []
    assert asked == pytest.approx([0.2, 0.4, 0.6])


def test_a_channel_is_ready_with_more_than_is_asked_for() -> None:
    channel: Channel[int] = Channel(4)
    for item in range(3):
        channel.put(item)
    assert [channel.ready(count) for count in (1, 2, 3, 4)] == [True, True, True, False]
    channel.put(3)
    assert channel.ready(9), "there is room for no more"


def test_the_newest_is_ready_once_there_is_one() -> None:
    channel: Newest[int] = Newest()
    assert not channel.ready(1)
    channel.put(1)
    assert channel.ready(1) and channel.ready(2)
