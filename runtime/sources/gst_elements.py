"""Whether GStreamer has the elements of a pipeline; OpenCV waits for ever for a source that is missing."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator

_LIBRARY = "libgstreamer-1.0.so.0"


def missing_elements(pipeline: str) -> list[str]:
    """Elements of a pipeline that are not installed; none where GStreamer itself can't be asked."""
    try:
        gst = ctypes.CDLL(_LIBRARY)
    except OSError:
        return []
    gst.gst_element_factory_find.restype = ctypes.c_void_p
    gst.gst_element_factory_find.argtypes = [ctypes.c_char_p]
    gst.gst_object_unref.argtypes = [ctypes.c_void_p]
    if not gst.gst_init_check(None, None, None):
        return []
    missing = []
    for name in element_names(pipeline):
        factory = gst.gst_element_factory_find(name.encode())
        if factory:
            gst.gst_object_unref(factory)
        else:
            missing.append(name)
    return missing


def element_names(pipeline: str) -> Iterator[str]:
    """The elements that the parts of a pipeline begin with; no caps and no references to pads."""
    for part in re.split(r"\s!\s", pipeline):
        name = part.split(maxsplit=1)[0] if part.strip() else ""
        if re.fullmatch(r"[A-Za-z][\w-]*", name):
            yield name
