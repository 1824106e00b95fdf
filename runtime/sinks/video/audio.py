"""The sound of a video, carried into its translation: copied, or encoded anew if the file type needs that."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Discard

from unit_edge.errors import SourceError
from unit_edge.media.clocks import exact, timeline_start
from unit_edge.media.containers import open_media, pick_stream, reason
from unit_edge.runtime.sources.excerpt import LEADS_S, Excerpt

# What players expect in these file types; FFmpeg would write more there than they play.
_HELD = {
    "mp4": {"aac", "mp3", "opus", "flac", "alac", "ac3", "eac3"},
    "mov": {"aac", "mp3", "alac", "ac3", "eac3", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_f32le"},
    "webm": {"opus", "vorbis"},
}
_OPUS_RATE = 48_000
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_BIT_RATE_PER_CHANNEL = 96_000
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


class AudioCopy:
    """Moves the first audio stream of a file into an output container, in step with its picture.

    `fault` says afterwards what broke it off, if anything did.
    """

    def __init__(self, path: Path, excerpt: Excerpt | None = None) -> None:
        """`excerpt` is the part to copy; packets that reach into it come along whole."""
        self.path = path
        self._excerpt = excerpt or Excerpt()
        self.fault: str | None = None

    def __enter__(self) -> AudioCopy:
        self._input = open_media(self.path)
        try:
            self._open()
        except BaseException:
            self._input.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._input.close()

    def _open(self) -> None:
        video, stream = pick_stream(self._input, "video"), pick_stream(self._input, "audio")
        if video is None or not isinstance(stream, AudioStream):
            raise SourceError(f"{self.path}: no video with sound")
        for other in self._input.streams:
            if other.index != stream.index:
                other.discard = Discard.all
        self._stream = stream
        self._start = timeline_start(video, stream) + self._excerpt.start
        self._jump()
        self._pending: Packet[AudioStream] | None = None

    def _jump(self) -> None:
        """Goes to shortly before the excerpt, as far as the file can tell where that is."""
        tick = exact(self._stream.time_base)
        if tick is None or self._excerpt.start <= LEADS_S[0]:
            return
        for lead in LEADS_S:
            begin = self._start - (self._excerpt.start if lead is None else lead)
            self._input.seek(int(begin / tick), stream=self._stream)
            if lead is None:
                return
            first = next((packet for packet in self._input.demux(self._stream) if packet.size), None)
            if first is not None and (first.pts or 0) * tick <= self._start:
                self._input.seek(int(begin / tick), stream=self._stream)
                return

    def check(self, muxer: str) -> None:
        """Raises av.FFmpegError if a file of that type can't take the sound."""
        with av.open(io.BytesIO(), "w", format=muxer) as trial:
            self.attach(trial)
            trial.start_encoding()

    def attach(self, output: OutputContainer) -> None:
        """Adds the stream to the output; before its first packet."""
        self._output = output
        source = self._stream
        held = _HELD.get(output.format.name) or output.supported_codecs
        if source.codec_context.codec.canonical_name in held:
            self._target = output.add_stream_from_template(source, opaque=True)
            self._packets = self._copied()
            return
        if output.format.name == "webm":
            self._target = output.add_stream("libopus", rate=_OPUS_RATE)
        else:
            rate = source.rate if source.rate in _AAC_RATES else 48_000
            self._target = output.add_stream("aac", rate=rate)
        self._target.layout = _LAYOUTS.get(source.layout.nb_channels, "stereo")
        self._target.bit_rate = _BIT_RATE_PER_CHANNEL * self._target.layout.nb_channels
        self._packets = self._encoded()

    def advance(self, until: Fraction | None) -> None:
        """Writes the packets that start before a time in seconds, or all that are left."""
        while True:
            packet = self._pending or next(self._packets, None)
            self._pending = None
            if packet is None:
                return
            if until is not None and (packet.dts or 0) * packet.time_base >= until:
                self._pending = packet
                return
            packet.stream = self._target
            self._output.mux_one(packet)

    def _read(self) -> Iterator[Packet[AudioStream]]:
        """The packets as they are stored; ends where the file is damaged."""
        try:
            for packet in self._input.demux(self._stream):
                if packet.size and not self._too_early(packet):
                    if self._too_late(packet):
                        return
                    yield packet
        except (av.FFmpegError, OSError) as error:
            self.fault = f"the sound broke off: {reason(error)}"

    def _too_early(self, packet: Packet[AudioStream]) -> bool:
        if not self._excerpt.start or packet.pts is None:
            return False
        end = (packet.pts + max(1, packet.duration or 0)) * packet.time_base
        return bool(end <= self._start)

    def _too_late(self, packet: Packet[AudioStream]) -> bool:
        if self._excerpt.duration is None or packet.pts is None:
            return False
        return bool(packet.pts * packet.time_base >= self._start + self._excerpt.duration)

    def _copied(self) -> Iterator[Packet[AudioStream]]:
        last_dts: int | None = None
        for packet in self._read():
            dts = packet.dts if packet.dts is not None else packet.pts
            if dts is None:
                self.fault = "the sound broke off: a packet without a time"
                return
            dts -= round(self._start / packet.time_base)
            offset = 0 if packet.pts is None or packet.dts is None else packet.pts - packet.dts
            if last_dts is not None and dts <= last_dts:  # no container takes two packets for one time
                dts = last_dts + 1
            packet.dts, packet.pts = dts, dts + offset
            last_dts = dts
            yield packet

    def _encoded(self) -> Iterator[Packet[AudioStream]]:
        try:
            for packet in self._read():
                for frame in self._stream.decode(packet):
                    if frame.pts is not None and frame.time_base is not None:
                        frame.pts -= round(self._start / frame.time_base)
                    yield from self._target.encode(frame)
            yield from self._target.encode(None)
        except av.FFmpegError as error:
            self.fault = f"the sound broke off: {reason(error)}"
