"""The packets that a file holds, and how one that is damaged or cut off is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from unit_edge.media.containers import missing_part, reason


class StoredPackets:
    """The packets of all streams of a file, in the order in which they are stored; iterates once.

    Those without data are among them. `fault` says afterwards what is wrong with the file, as "cut off: 1.0
    of 2.0 s", and is empty if nothing is known to be; FFmpeg itself often just ends early. `end` is when the
    last packet of any stream ends, in seconds on the container's clock.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, *, whole: bool = True) -> None:
        """`stream` is the one whose packets are counted.

        After a jump (not `whole`) they can't be, only their times be compared with the stated length.
        """
        self._container, self._stream, self._whole = container, stream, whole
        self.fault = ""
        self.end = Fraction(0)

    def __iter__(self) -> Iterator[Packet[Stream]]:
        count = 0
        packets = self._container.demux()  # all streams: the stated length is of the longest
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except (av.FFmpegError, OSError) as error:
                self.fault = f"damaged or cut off: {reason(error)}"
                return
            if packet.dts is None and not packet.size:  # PyAV's sign that there are no more
                continue
            if packet.pts is not None:
                self.end = max(self.end, (packet.pts + (packet.duration or 0)) * packet.time_base)
            count += packet.stream_index == self._stream.index
            yield packet
        missing = missing_part(self._container, self._stream, count if self._whole else None, self.end)
        if missing is not None:
            self.fault = f"cut off: {missing}"
