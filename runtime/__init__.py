"""Video in, translated video out. Needs numpy, cv2, av and one inference backend; never torch.

    from unit_edge.runtime import open_runner, translate_video

What is imported here is loaded when it is first used, so that the package can be imported without those.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unit_edge.runtime.backends.base import Runner
    from unit_edge.runtime.backends.open import open_runner
    from unit_edge.runtime.library import translate_frames, translate_video
    from unit_edge.runtime.pipeline import Stats
    from unit_edge.runtime.sinks.codecs import Encoding

__all__ = ["Encoding", "Runner", "Stats", "open_runner", "translate_frames", "translate_video"]

_HOMES = {
    "Encoding": "sinks.codecs",
    "Runner": "backends.base",
    "Stats": "pipeline",
    "open_runner": "backends.open",
    "translate_frames": "library",
    "translate_video": "library",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
