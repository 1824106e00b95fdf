"""A channel that holds the newest item: who gives never waits for room, and makes nothing for nobody."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

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
    began = time.monotonic()
    for taken, item in enumerate(channel, start=1):
        assert item in made
        time.sleep(0.2)
        if taken == 5:
            channel.leave()
    giver.join(10)
    assert not giver.is_alive()
    # The first time nobody knows how long the taker will be away; from then on nothing is made meanwhile.
    late = [when for when in made if when > began + 0.5]
    assert late
    gaps = [b - a for a, b in pairwise(late)]
    assert max(gaps, default=1) > 0.1


def test_it_gives_up_when_the_taker_has_left() -> None:
    channel: Newest[int] = Newest()
    channel.leave()
    assert within(10, channel.worthwhile) is False and channel.put(1) is False


@pytest.mark.parametrize("channel", [Channel[int](2, lambda: True), Newest[int](lambda: True)])
def test_an_idle_taker_can_be_sent_home(channel: Channel[int]) -> None:
    assert within(10, lambda: list(channel)) == []
