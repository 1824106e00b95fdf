"""Probes in processes of their own: a library that aborts or hangs there is a finding, not the end.

The parent starts `python -m unit_edge.runtime.doctor_child GROUP [PROBE...]`, which runs the group's
probes but those named, and writes a line of JSON before and after each. Where the lines stop, that probe
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

from unit_edge.runtime.doctor_finding import BROKEN, Finding, Problem, one_line
from unit_edge.runtime.doctor_groups import GROUPS

_GRACE_S = 5
_QUIET = {
    "OPENCV_LOG_LEVEL": "OFF",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    "GST_DEBUG": "0",
    "PYTHONUNBUFFERED": "1",
}


def examine(group: str, limit_s: float) -> list[Finding]:
    """The findings of a group's probes, each of which may take `limit_s` seconds."""
    topic, found, finished = GROUPS[group].topic, [], list[str]()
    while True:
        crashed, why = _run_child(group, limit_s, finished, found)
        if crashed is not None:
            found.append(Finding(crashed, BROKEN, why))
            finished.append(crashed)
        if crashed is None or (GROUPS[group].gated and len(finished) == 1):
            return [dataclasses.replace(finding, topic=topic) for finding in found]


def _run_child(
    group: str, limit_s: float, finished: list[str], found: list[Finding]
) -> tuple[str | None, str]:
    """Fills both lists; returns the probe that ended the child, if one did, and how."""
    with (
        tempfile.TemporaryDirectory(prefix="unit-edge-doctor-", ignore_cleanup_errors=True) as folder,
        (Path(folder) / "stderr").open("w+b") as said,
        subprocess.Popen(
            [sys.executable, "-m", "unit_edge.runtime.doctor_child", group, str(limit_s), *finished],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env={**os.environ, **_QUIET, "TMPDIR": folder},
        ) as child,
    ):
        try:
            running, timed_out = _follow(child, limit_s, finished, found)
            child.wait()
        except BaseException:
            child.kill()
            raise
        if running is None and child.returncode == 0:
            return None, ""
        if timed_out:
            return running or group, f"hangs: no answer in {limit_s:g} s"
        return running or group, _last_words(child.returncode, said)


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
    said.seek(0)
    lines = [line.strip() for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    try:
        how = f"crashes with {signal.Signals(-code).name}"
    except ValueError:
        how = f"ends the process with code {code}"
    return f"{how}: {one_line(lines[-1])}" if lines else how


def main() -> None:
    """The child."""
    name, limit_s, *finished = sys.argv[1:]
    # what libraries print must not get between the lines of JSON
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
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
            found = [Finding(probe, problem.status, problem.fact, problem.fix)]
        except Exception as error:
            found = [Finding(probe, BROKEN, f"{type(error).__name__}: {one_line(error)}")]
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


if __name__ == "__main__":
    main()
