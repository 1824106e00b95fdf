"""A channel that holds the newest item: who gives never waits for room, and makes nothing for nobody."""

from __future__ import annotations

import threading
import time

import pytest
from doubles import within

from unit_edge.runtime.channel import Channel, Newest


def test_the_newest_item_takes_the_place_of_the_others() -> None:
    channel: Newest[int] = Newest()
    assert within(10, lambda: [channel.put(item) for item in range(5)]) == [True] * 5
    channel.end()
    assert list(channel) == [4]
    assert channel.dropped == 4


def test_the_giver_waits_while_the_taker_is_busy() -> None:
    channel: Newest[float] = Newest()
    made: list[float] = []

    def give() -> None:
        while channel.worthwhile():
            made.append(time.monotonic())
            channel.put(made[-1])

    giver = threading.Thread(target=give)
    giver.start()
    quiet = 0
    for taken, item in enumerate(channel, start=1):
        assert item in made
        time.sleep(0.05)
        before = len(made)
        time.sleep(0.1)
        quiet += len(made) == before
        time.sleep(0.05)
        if taken == 10:
            channel.leave()
    giver.join(10)
    assert not giver.is_alive()
    # The first time nobody knows how long the taker will be away; a busy machine may spoil some others.
    assert quiet >= 3


def test_it_gives_up_when_the_taker_has_left() -> None:
    channel: Newest[int] = Newest()
    channel.leave()
    assert within(10, channel.worthwhile) is False and channel.put(1) is False


@pytest.mark.parametrize("channel", [Channel[int](2, lambda: True), Newest[int](lambda: True)])
def test_an_idle_taker_can_be_sent_home(channel: Channel[int]) -> None:
    assert within(10, lambda: list(channel)) == []
