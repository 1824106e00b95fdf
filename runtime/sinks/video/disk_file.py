"""A file that FFmpeg writes to and that no failed write of is overlooked."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any


class DiskFile(io.FileIO):
    """A new file, unbuffered; `error` is the first that a write has met with.

    `size_bytes` is what has been written.

    FFmpeg forgets the errors of what it writes when it closes a fragmented MP4.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x")
        self.error: OSError | None = None
        self.size_bytes = 0

    def write(self, data: Any) -> int:
        left = memoryview(data)
        try:
            while left:
                left = left[super().write(left) :]
        except OSError as error:
            self.error = self.error or error
            raise
        self.size_bytes += len(data)
        return len(data)
