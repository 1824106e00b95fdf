"""Processes of our own that are told what to do by lines of JSON, and answer with such lines.

In a process of its own a case starts with nothing loaded, its memory and processor time are its own, and if
it crashes, hangs or is killed for want of memory, the others go on.
"""

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
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import IO, Any, TextIO, TypeVar

from unit_edge.errors import UnitEdgeError
from unit_edge.interrupt import Interrupted, StopWish
from unit_edge.text.printable import one_line
from unit_edge.text.redaction import redact

_SIGKILL = 9  # signal has no such name on Windows
_LOOK_UP_S = 0.1
_LEAVE_S = 5.0
_GIVE_UP_S = 3.0
_QUIET = {"OPENCV_LOG_LEVEL": "OFF"}
Self = TypeVar("Self", bound="Child")


class ChildFailed(Exception):
    """A process can't do what it was told, or not any further; the message is one line."""


class Child:
    """The parent's end; a context manager, which ends the process."""

    def __init__(self, module: str, wish: StopWish | None = None) -> None:
        """Stores what is started.

        Args:
            module: whose `main` the process runs, which calls `serve`.
            wish: of the user, for an end; it is looked at while an answer is waited for.
        """
        self._module, self._wish = module, wish

    def __enter__(self: Self) -> Self:
        self._said = tempfile.TemporaryFile()
        self._process = start_python(self._module, [], stdin=subprocess.PIPE, stderr=self._said)
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
        """The number of the process."""
        return self._process.pid

    def ask(self, order: str, *, limit_s: float | None = None, **values: Any) -> dict[str, Any]:
        """Has an order carried out and returns the answer.

        Args:
            order: what to do.
            limit_s: the longest that it may take, in seconds.
            values: that the order needs, for JSON.

        Raises:
            ChildFailed: it can't be done or takes too long, or the process is gone.
            Interrupted: the wish came before the answer; the process is still at it.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"order": order, **values}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ChildFailed(self._last_words()) from None
        line = self._wait(None if limit_s is None else time.monotonic() + limit_s)
        if line is None:
            raise ChildFailed(f"took longer than {limit_s:.0f} s")
        if not line:
            raise ChildFailed(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ChildFailed(redact(answer["error"]))
        return answer

    def _wait(self, until: float | None) -> bytes | None:
        while until is None or time.monotonic() < until:
            try:
                return self._lines.get(timeout=_LOOK_UP_S)
            except queue.Empty:
                if self._wish:
                    raise Interrupted(self._wish.signal_number) from None
        return None

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
        last = last_line(self._said)
        if code == -_SIGKILL:
            return "its process was killed, as the system does when memory runs out"
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
        return redact(f"its process ended {how}{f': {last}' if last else ''}")


def python_command(module: str) -> list[str]:
    """The command that runs a module's `main`; modules of the folder that somebody is in are none of ours."""
    # PYTHONSAFEPATH is Python 3.11's
    code = f"import sys; sys.path[:] = filter(None, sys.path); from {module} import main; main()"
    return [sys.executable, "-c", code]


def start_python(
    module: str,
    arguments: list[str],
    *,
    stdin: int,
    stderr: IO[bytes],
    cwd: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a module's `main` in a process of its own, which Ctrl-C doesn't reach: that is the parent's.

    Args:
        module: by its import name.
        arguments: for `sys.argv`.
        stdin: a constant of `subprocess`.
        stderr: a file for what it says beside its answers.
        cwd: its folder; None for this process's.
        environment: variables beside this process's.
    """
    return subprocess.Popen(
        [*python_command(module), *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        cwd=cwd,
        env={**os.environ, **_QUIET, **(environment or {})},
        start_new_session=True,
    )


def last_line(said: IO[bytes], telling: str | None = None) -> str:
    """The last line with something in it of what a process said, empty if it said nothing.

    Args:
        said: the file that it was written to.
        telling: a part of a line that says more than the last; None for none.
    """
    said.seek(0)
    lines = [line for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    told = [line for line in lines if telling is not None and telling in line] or lines
    return one_line(told[-1]) if told else ""


def answers() -> TextIO:
    """What the process writes its answers to.

    What libraries print to stdout goes to stderr from now on.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def serve(carry_out: Callable[..., dict[str, Any]], give_up: Callable[[], None] = lambda: None) -> None:
    """Carries out orders in the process until its parent closes the pipe, or is gone.

    Args:
        carry_out: is called with the order's name and its values; its answer is for JSON.
        give_up: is called where an order goes on though nobody waits for it any more; the process ends then.
    """
    out = answers()
    orders: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read_orders, args=(orders, give_up), daemon=True).start()
    while line := orders.get():
        order = json.loads(line)
        try:
            answer = carry_out(order.pop("order"), **order)
        except (UnitEdgeError, OSError, MemoryError) as error:
            answer = {"error": one_line(error)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {one_line(error)}"}
        print(json.dumps(answer), file=out, flush=True)


def _read_orders(orders: queue.SimpleQueue[str], give_up: Callable[[], None]) -> None:
    for line in sys.stdin:
        orders.put(line)
    orders.put("")
    time.sleep(_GIVE_UP_S)
    give_up()
    os._exit(1)
