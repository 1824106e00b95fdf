"""What a file holds and no frame came of: decoders and demuxers pass over damaged data in silence."""

from __future__ import annotations

from bisect import insort
from fractions import Fraction

from av.packet import Packet
from av.stream import Stream

_FPS_AT_MOST = 240
_NEAR = Fraction(3, 4)
_GAP = Fraction(3, 2)
_SKIPPED_BYTES = 1024
_OVERHEAD = 8  # the share that headers between the pieces of a packet may take
_PACKETS_BEHIND = 64  # what decoders hold back at most
_PENDING_AT_MOST = 1024


class Losses:
    """Counts packets whose frames never came, and stretches of a file of which no packet came.

    A packet is lost if no frame is on show within three quarters of a frame of its time; so a second field,
    or a frame that VP8 never shows, is none. A stretch is lost if time and bytes are missing between two
    packets: where only time is, a camera may have paused, and where only bytes are, it is padding.
    """

    def __init__(self, tick: Fraction, fps: Fraction, start: Fraction) -> None:
        """
        Args:
            tick: what the packets' times are multiples of, in seconds.
            fps: nominal frames a second.
            start: where the file's timeline begins, in seconds, for what people are told.
        """
        self._tick, self._fps, self._start = tick, fps, start
        self._near = _NEAR / fps / tick
        self._waiting: list[int] = []
        self._shown: int | None = None
        self._read_to: int | None = None
        self._skip_counts_for = 0
        self._begun = False
        self._count = 0
        self._first: Fraction | None = None

    def read(self, packet: Packet[Stream], *, of_video: bool) -> None:
        """Notes a packet of any stream, in the order in which they are stored."""
        at = packet.pos
        if at is not None and at >= 0:
            if self._read_to is not None and at - self._read_to > _SKIPPED_BYTES:
                self._skip_counts_for = _PACKETS_BEHIND
            self._read_to = max(self._read_to or 0, at + packet.size + packet.size // _OVERHEAD)
        if of_video:
            self._skip_counts_for -= 1
            self._begun = self._begun or packet.is_keyframe

    def sent(self, packet: Packet[Stream]) -> None:
        """Notes a packet that the decoder has taken."""
        if packet.pts is not None and not packet.is_discard and self._fps <= _FPS_AT_MOST:
            insort(self._waiting, packet.pts)
            if len(self._waiting) > _PENDING_AT_MOST:  # times that mean nothing
                self._waiting.clear()

    def refused(self, packet: Packet[Stream]) -> None:
        """Notes a packet that the decoder couldn't take, before it has given a frame."""
        self._lose_once_begun(packet.pts if packet.pts is not None else packet.dts)

    def damaged(self, pts: int | None) -> None:
        """Notes a frame that the decoder itself calls corrupt, before it has given a good one."""
        self._lose_once_begun(pts)

    def shown(self, pts: int | None) -> None:
        """Notes a frame that came."""
        if pts is None:
            self._waiting.clear()
            return
        before, self._shown = self._shown, pts
        if before is not None and pts < before:  # recordings that were joined byte by byte
            self._waiting.clear()
            return
        told = self._count
        while self._waiting and self._waiting[0] <= pts:
            waited = self._waiting.pop(0)
            if before is not None and min(pts - waited, waited - before) > self._near:
                self._lose(waited, 1)
        if before is not None and self._count == told and self._skip_counts_for > 0:
            missing = (pts - before) * self._tick * self._fps
            if missing > _GAP:
                self._lose(before, max(1, round(missing) - 1))

    def _lose_once_begun(self, ticks: int | None) -> None:
        """A recording may begin in the middle of a group of pictures, of which nothing is to be expected."""
        if self._begun:
            self._lose(ticks, 1)

    def ended(self) -> None:
        """Notes that no frame comes any more."""
        for waited in self._waiting:
            if self._shown is not None and waited - self._shown > self._near:
                self._lose(waited, 1)
        self._waiting.clear()

    def read_all(self, size: int, missing_s: Fraction) -> None:
        """Notes that no packet is left: with so many bytes in the file, so many seconds less than it says."""
        if self._fps > _FPS_AT_MOST:  # a grid of times, not a rate: the last frame may be on show for long
            return
        unread = size - (self._read_to or 0)
        if unread > _SKIPPED_BYTES and missing_s * self._fps > _GAP and self._shown is not None:
            self._lose(self._shown, round(missing_s * self._fps))

    def __str__(self) -> str:
        """What was lost and where, for people; empty if nothing was."""
        if not self._count:
            return ""
        what = "1 frame is" if self._count == 1 else f"{self._count} frames are"
        where = "" if self._first is None else f", the first at {float(max(self._first, Fraction(0))):.2f} s"
        return f"{what} missing{where}: damaged data that can't be decoded"

    def _lose(self, ticks: int | None, count: int) -> None:
        self._count += count
        if self._first is None and ticks is not None:
            self._first = ticks * self._tick - self._start
