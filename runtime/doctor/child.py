"""Probes in processes of their own: a library that aborts or hangs there is a finding, not the end.

The parent starts a child that is given a group, the limit in seconds, and probes to leave out. The child
runs the group's others and writes a line of JSON before and after each. Where the lines stop, that probe
has crashed or hung, and a new child goes on behind it.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO

from unit_edge.machine.child import answers, last_line, start_python
from unit_edge.runtime.doctor.finding import BROKEN, SHORT, Finding, Problem
from unit_edge.runtime.doctor.groups import GROUPS
from unit_edge.text.printable import one_line

_GRACE_S = 5
_QUIET = {
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    "GST_DEBUG": "0",
    "PYTHONUNBUFFERED": "1",
}


class Children:
    """Runs groups in children, several at once from several threads, until they are stopped."""

    def __init__(self, limit_s: float) -> None:
        """`limit_s` is what a probe may take, in seconds."""
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def stop(self) -> None:
        """Ends all children at once; no more are started."""
        with self._lock:
            self._stopped = True
            for child in self._running:
                child.kill()

    def examine(self, group: str) -> list[Finding]:
        """The findings of a group's probes, as far as they got if all is stopped."""
        topic = GROUPS[group].topic
        found: list[Finding] = []
        finished: list[str] = []
        while self._run_child(group, finished, found):
            if self._stopped or (GROUPS[group].gated and len(finished) == 1):
                break
        return [dataclasses.replace(finding, topic=topic) for finding in found]

    def _run_child(self, group: str, finished: list[str], found: list[Finding]) -> bool:
        """Fills both lists; returns whether a probe ended the child, so that there may be more to run."""
        limit_s = self._limit_s
        with (
            tempfile.TemporaryDirectory(prefix="unit-edge-doctor-", ignore_cleanup_errors=True) as folder,
            tempfile.TemporaryFile() as said,
        ):
            child = self._start([group, str(limit_s), *finished], Path(folder), said)
            if child is None:
                return False
            with child:
                running, timed_out = _follow(child, limit_s, finished, found)
                child.wait()
            with self._lock:
                self._running.discard(child)
            if running is None and child.returncode == 0:
                return False
            hangs = f"hangs: no answer in {limit_s:g} s"
            why = hangs if timed_out else _last_words(child.returncode, said)
            found.append(Finding(running or group, BROKEN, why))
            finished.append(running or group)
            return running is not None

    def _start(self, arguments: list[str], folder: Path, said: IO[bytes]) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._stopped:
                return None
            child = start_python(
                __name__,
                arguments,
                stdin=subprocess.DEVNULL,
                stderr=said,
                cwd=folder,  # Python looks for modules there, and in it are none
                environment={**_QUIET, "TMPDIR": str(folder)},
            )
            self._running.add(child)
            return child


def _follow(
    child: subprocess.Popen[bytes], limit_s: float, finished: list[str], found: list[Finding]
) -> tuple[str | None, bool]:
    """Reads until the child ends; returns the probe that was running then, and whether it was too slow."""
    assert child.stdout is not None
    running: str | None = None
    timed_out = threading.Event()

    def end() -> None:
        timed_out.set()
        child.kill()

    while True:
        timer = threading.Timer(limit_s, end)
        timer.daemon = True
        timer.start()
        try:
            line = child.stdout.readline()
        finally:
            timer.cancel()
        if not line.endswith(b"\n"):
            return running, timed_out.is_set()
        message = json.loads(line)
        if "begin" in message:
            running = message["begin"]
        else:
            running = None
            finished.append(message["end"])
            found.extend(Finding(**finding) for finding in message["found"])


def _last_words(code: int, said: IO[bytes]) -> str:
    last = last_line(said, "connect to display")  # Qt goes on to advise a new installation
    try:
        how = f"crashes with {signal.Signals(-code).name}"
    except ValueError:
        how = f"ends the process with code {code}"
    return f"{how}: {one_line(last, SHORT)}" if last else how


def main() -> None:
    """Runs a probe, in the child."""
    name, limit_s, *finished = sys.argv[1:]
    out = answers()
    _no_core_dump()
    group = GROUPS[name]
    for probe, look in group.probes().items():
        if probe in finished:
            continue
        print(json.dumps({"begin": probe}), file=out, flush=True)
        # the parent kills earlier; this is for a parent that is gone
        faulthandler.dump_traceback_later(float(limit_s) + _GRACE_S, exit=True)
        try:
            found = look()
        except Problem as problem:
            found = [Finding(name=probe, status=problem.status, fact=problem.fact, fix=problem.fix)]
        except Exception as error:
            found = [Finding(probe, BROKEN, f"{type(error).__name__}: {one_line(error, SHORT)}")]
        answer = {"end": probe, "found": [dataclasses.asdict(finding) for finding in found]}
        print(json.dumps(answer), file=out, flush=True)
        if group.gated and probe == next(iter(group.probes())) and not any(one.works for one in found):
            break
    out.flush()
    os._exit(0)  # the libraries' own clean-up may crash or hang, and says nothing about their use


def _no_core_dump() -> None:
    try:
        import resource
    except ModuleNotFoundError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
