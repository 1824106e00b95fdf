"""What a live source captures from: a camera that can be paused, or files as a camera would give them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from unit_edge.errors import SourceError, TruncatedError
from unit_edge.runtime.clips import clips_of
from unit_edge.runtime.resize import resized
from unit_edge.runtime.serve.live.controls import Controls
from unit_edge.runtime.sources.base import FrameSource
from unit_edge.runtime.sources.capture import Capture
from unit_edge.runtime.sources.images import ImageSource
from unit_edge.runtime.sources.open import SourceOptions, open_source
from unit_edge.text.address import Address

_PAUSE_S = 0.1
_LATE_S = 0.5
_STILL_EVERY_S = 0.5
_STILL_FOR_S = 3.0


class Work:
    """How long decoding takes: seconds and frames, summed up."""

    def __init__(self) -> None:
        self.seconds, self.frames = 0.0, 0

    def add(self, seconds: float) -> None:
        self.seconds += seconds
        self.frames += 1


class SteeredCapture:
    """A capture that gives nothing while it is paused, but the held frame when that is wanted again."""

    def __init__(
        self, capture: Capture, controls: Controls, stopping: Callable[[], bool], work: Work | None
    ) -> None:
        """`work` gets the time that converting a frame takes; of most cameras, that is decoding it."""
        self._capture, self._controls, self._stopping = capture, controls, stopping
        self._work = work or Work()
        self._held: NDArray[np.uint8] | None = None
        self._holding = False

    @property
    def fps(self) -> float | None:
        return self._capture.fps

    def grab(self) -> bool:
        while not self._stopping() and self._capture.grab():
            self._holding = self._controls.paused
            if not self._holding or (self._controls.wants_again() and self._held is not None):
                return True
        return False

    def retrieve(self) -> NDArray[np.uint8] | None:
        if self._holding:
            self._controls.got_again()
            return self._held
        began = time.perf_counter()
        image = self._capture.retrieve()
        self._work.add(time.perf_counter() - began)
        if image is not None:
            self._held = image
        return image

    def release(self) -> None:
        self._capture.release()


class FileCapture:
    """Files as a camera would give them: each frame at its time, and from the start again for ever.

    Of a folder of clips each has its turn; one that can't be read is passed over. Pictures stay for some
    seconds. What has another size than the first frame is fitted into that.
    """

    def __init__(
        self, address: Address, options: SourceOptions, controls: Controls, notice: Callable[[str], None]
    ) -> None:
        self._address, self._options, self._controls, self._notice = address, options, controls, notice
        self._size: tuple[int, int] | None = None
        self._image: NDArray[np.uint8] | None = None
        self._fps: float | None = None
        self._due_s: float | None = None
        self._told: set[str] = set()
        self.work = Work()
        self._frames = self._play()

    @property
    def fps(self) -> float | None:
        return self._fps

    def grab(self) -> bool:
        if self._controls.paused:
            self._due_s = None
            return self._controls.wait(_PAUSE_S)
        found = next(self._frames, None)
        if found is None:
            return False
        self._image, lasts_s = found
        now = time.monotonic()
        due_s = now if self._due_s is None or self._due_s < now - _LATE_S else self._due_s
        self._due_s = due_s + lasts_s
        while (left_s := due_s - time.monotonic()) > 0 and not self._controls.paused:
            if not self._controls.wait(left_s):
                return False
        return True

    def retrieve(self) -> NDArray[np.uint8] | None:
        return self._image

    def release(self) -> None:
        self._frames.close()  # type: ignore[attr-defined]

    def _play(self) -> Iterator[tuple[NDArray[np.uint8], float]]:
        """Each frame, and how many seconds it is shown."""
        while True:
            any_came = False
            for source in self._sources():
                try:
                    with source:
                        self._fps = float(source.info.fps)
                        for shown in self._frames_of(source):
                            any_came = True
                            yield self._fitted(shown[0]), shown[1]
                except TruncatedError as error:
                    self._tell(str(error))
                except SourceError as error:
                    if not any_came and self._only:
                        raise
                    self._tell(str(error))
            if not any_came:
                raise SourceError(f"{self._address.name}: none of its clips can be read")
            if self._address.kind == "stdin":
                return

    def _sources(self) -> Iterator[FrameSource]:
        clips = clips_of(self._address)
        self._only = not clips
        if not clips:
            yield open_source(self._address, self._options)
        for clip in clips:
            yield open_source(Address(kind="path", target=str(clip), name=str(clip), stem=clip.stem))

    def _frames_of(self, source: FrameSource) -> Iterator[tuple[NDArray[np.uint8], float]]:
        frames = iter(source)
        still = isinstance(source, ImageSource)
        before, pts = None, 0.0
        while True:
            began = time.perf_counter()
            frame = next(frames, None)
            self.work.add(time.perf_counter() - began)
            if still and frame is not None:
                for _ in range(round(_STILL_FOR_S / _STILL_EVERY_S)):
                    yield frame.image, _STILL_EVERY_S
                continue
            if before is not None:
                usual_s = float(1 / source.info.fps)
                lasts_s = usual_s if frame is None else float(frame.pts) - pts
                yield before, max(0.0, min(lasts_s, _STILL_FOR_S))
            if frame is None:
                return
            before, pts = frame.image, float(frame.pts)

    def _fitted(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = image.shape[:2]
        if self._size is None:
            self._size = width, height
        if (width, height) == self._size:
            return image
        wide, high = self._size
        scale = min(wide / width, high / height)
        small = resized(image, max(1, round(width * scale)), max(1, round(height * scale)))
        left, top = (wide - small.shape[1]) // 2, (high - small.shape[0]) // 2
        right, bottom = wide - small.shape[1] - left, high - small.shape[0] - top
        framed = cv2.copyMakeBorder(small, top, bottom, left, right, cv2.BORDER_CONSTANT)
        return np.asarray(framed, np.uint8)

    def _tell(self, message: str) -> None:
        if message not in self._told:  # once, not in every round
            self._told.add(message)
            self._notice(message)
