"""What all handlers share, and the state as viewers get it."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from unit_edge import __version__
from unit_edge.runtime.serve.figures import Meter
from unit_edge.runtime.serve.live.models import Choice
from unit_edge.runtime.serve.live.translation import Source, Translation
from unit_edge.runtime.serve.settings import ServeSettings
from unit_edge.runtime.serve.uploads.jobs import UploadJobs
from unit_edge.runtime.serve.video.encoder import SharedEncoder
from unit_edge.runtime.serve.video.webrtc import Viewers


@dataclass
class Site:
    """The parts of a server.

    Attributes:
        paths: of the models that can be chosen, by name.
        jpeg: encoders by quality.
        h264: encoders by quality.
        webrtc: viewers by WebRTC.
        mjpeg_viewers: how many get JPEGs now.
        event_viewers: how many listen to events now.
        loading: the model that is being loaded; None for most of the time.
        instance: differs from every other start of a server.
    """

    settings: ServeSettings
    source: Source
    translation: Translation
    meter: Meter
    choices: list[Choice]
    paths: dict[str, Path]
    jpeg: dict[str, SharedEncoder]
    h264: dict[str, SharedEncoder]
    webrtc: Viewers
    jobs: UploadJobs | None = None
    mjpeg_viewers: int = 0
    event_viewers: int = 0
    loading: str | None = None
    stopping: bool = False
    instance: str = field(default_factory=lambda: secrets.token_hex(8))
    began_s: float = field(default_factory=time.monotonic)
    changed: Changed = field(default_factory=lambda: Changed())

    def state(self) -> dict[str, Any]:
        """All that the page shows, without a password in it."""
        translation, recorder = self.translation, self.translation.recorder
        size, totals = translation.size, translation.totals
        chosen = next(one for one in self.choices if one.name == translation.models.name)
        address = self.source.address
        return {
            "instance": self.instance,
            "version": __version__,
            "uptime_s": round(time.monotonic() - self.began_s, 1),
            "source": {
                "name": address.name if address.live else Path(address.name).name,
                "live": address.live,
                "width": None if size is None else size[0],
                "height": None if size is None else size[1],
                "lost": translation.lost,
                "reconnects": totals.reconnects,
            },
            "fault": translation.fault,
            "model": {
                **asdict(chosen),
                "backend": translation.models.backend_or_none,
                "loading": self.loading,
            },
            "paused": translation.controls.paused,
            "steady": translation.controls.steady,
            "recording": {
                "on": recorder.on,
                "name": None if recorder.path is None else recorder.path.name,
                "seconds": round(recorder.seconds, 1),
                "bytes": recorder.size_bytes,
            },
            "viewers": {"webrtc": self.webrtc.count, "mjpeg": self.mjpeg_viewers},
            "frames": totals.frames,
            "captured": totals.captured,
            "dropped": totals.dropped,
            "figures": {
                name: round(value, 3) if isinstance(value, float) else value
                for name, value in asdict(self.meter.figures).items()
            },
            "notices": [asdict(notice) for notice in translation.notices],
            "uploads": {
                "taken": self.settings.uploads,
                "mib": self.settings.upload_mib,
                "jobs": [] if self.jobs is None else [job.as_dict() for job in self.jobs],
            },
            "webrtc": not self.webrtc.full and all(one.fault is None for one in self.h264.values()),
        }

    def models(self) -> dict[str, Any]:
        return {"models": [asdict(choice) for choice in self.choices]}


class Changed:
    """Wakes all who wait when something has changed; for one event loop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def __call__(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Returns at the next change, or after so many seconds."""
        event = self._event
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)


SITE = web.AppKey("site", Site)
