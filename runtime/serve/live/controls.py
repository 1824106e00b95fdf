"""What viewers change while the translation goes on."""

from __future__ import annotations

import threading


class Controls:
    """Switches that any thread may set, and that the frames' threads look at.

    Attributes:
        steady: whether flicker is taken out.
    """

    def __init__(self, *, steady: bool = False) -> None:
        self.steady = steady
        self._changed = threading.Condition()
        self._paused = self._again = self._closed = False

    @property
    def paused(self) -> bool:
        """Whether the last frame stays."""
        return self._paused

    def pause(self, on: bool) -> None:
        with self._changed:
            self._paused, self._again = on, False
            self._changed.notify_all()

    def again(self) -> None:
        """Has a paused frame translated once more, as another model shall show it."""
        with self._changed:
            self._again = self._paused
            self._changed.notify_all()

    def wants_again(self) -> bool:
        return self._again

    def got_again(self) -> None:
        self._again = False

    def close(self) -> None:
        """Ends all waiting for good."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Waits, or until something changes; whether the frames shall go on at all."""
        with self._changed:
            if seconds > 0 and not self._closed:
                self._changed.wait(seconds)
            return not self._closed
