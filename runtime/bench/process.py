"""The parent's end of a process that measures a case."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from types import TracebackType
from typing import Any

from unit_edge.interrupt import Interrupted, StopWish
from unit_edge.text.redaction import redact

_SIGKILL = 9  # signal has no such name on Windows
_LOOK_UP_S = 0.1
_LEAVE_S = 5.0


class CaseFailed(Exception):
    """A case can't be measured, or not any further; the message is one line."""


class Worker:
    """A process of worker/worker.py; a context manager, which ends it."""

    def __init__(self, wish: StopWish) -> None:
        """While an answer is waited for, `wish` is looked at: what it asks for comes at once."""
        self._wish = wish

    def __enter__(self) -> Worker:
        self._said = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from unit_edge.runtime.bench.worker.worker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={**os.environ, "OPENCV_LOG_LEVEL": "OFF"},
            start_new_session=True,  # Ctrl-C is the parent's to handle
        )
        self._lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._said:
            if kind is None:
                self._close_input()
                try:
                    self._process.wait(_LEAVE_S)
                except subprocess.TimeoutExpired:
                    self._process.kill()
            else:
                self._process.kill()
                self._close_input()
            self._process.wait()
            self._process.stdout.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, order: str, **values: Any) -> dict[str, Any]:
        """Has an order carried out and returns the answer.

        Raises:
            CaseFailed: it can't be, or the process is gone.
            Interrupted: the wish came before the answer; the process is still at it.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"order": order, **values}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise CaseFailed(self._last_words()) from None
        while True:
            try:
                line = self._lines.get(timeout=_LOOK_UP_S)
                break
            except queue.Empty:
                if self._wish:
                    raise Interrupted(self._wish.signal_number) from None
        if not line:
            raise CaseFailed(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise CaseFailed(redact(answer["error"]))
        return answer

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def _close_input(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # what was not sent yet
            self._process.stdin.close()

    def _last_words(self) -> str:
        code = self._process.wait()
        self._said.seek(0)
        lines = [line.strip() for line in self._said.read().decode(errors="replace").splitlines()]
        last = next((line for line in reversed(lines) if line), "")
        if code == -_SIGKILL:
            return "its process was killed, as the system does when memory runs out"
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
        return redact(f"its process ended {how}{f': {last}' if last else ''}")
