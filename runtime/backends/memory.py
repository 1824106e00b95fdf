"""How glibc keeps the memory of arrays that come and go with every frame."""

from __future__ import annotations

import numpy as np

_BYTES = 31 << 20
"""Of blocks that glibc keeps at most, 32 MiB, less what it needs for itself."""


def keep_freed_memory() -> None:
    """Has glibc keep up to 62 MiB that are free for the next arrays, as it does once one of 31 MiB was freed.

    It begins by giving what is above 128 KiB back to the system at once, which maps and zeroes it again, page
    by page, for the next frame: 1 to 3 ms of each. Elsewhere this does nothing.
    """
    np.empty(_BYTES, np.uint8)
