"""What this machine can do, found by trying it, and what to install for what it can't."""

from __future__ import annotations

import base64
import dataclasses
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from unit_edge import __version__
from unit_edge.interrupt import Interrupted, watch_signals
from unit_edge.runtime.doctor.child import Children
from unit_edge.runtime.doctor.finding import WARNING, Finding
from unit_edge.runtime.doctor.groups import GROUPS

SCHEMA = 1
DEFAULT_LIMIT_S = 30.0
_BACKENDS = ("onnxruntime", "onnxruntime-cuda", "onnxruntime-tensorrt", "openvino")
_TENSORRT = ("tensorrt", "tensorrt-rtx")
_NEEDED = ("numpy", "pyav", "libx264", "opencv")
_REFERENCE = "onnxruntime"
_LEVELS = 1
_LOOK_UP_S = 0.1


@dataclass(frozen=True)
class DoctorReport:
    """All findings, and what follows from them.

    Attributes:
        findings: in the order in which people read them.
        backends: that can run a model here.
        lacking: what a translation of videos still needs; empty if nothing.
    """

    findings: tuple[Finding, ...]
    backends: tuple[str, ...]
    lacking: tuple[str, ...]

    @property
    def can_translate(self) -> bool:
        return not self.lacking

    def as_dict(self) -> dict[str, Any]:
        """The report as `unit-edge doctor --json` prints it."""
        rows = [dataclasses.asdict(finding) for finding in self.findings]
        for row in rows:
            del row["output"]
        return {
            "schema": SCHEMA,
            "unit_edge": __version__,
            "can_translate": self.can_translate,
            "backends": list(self.backends),
            "lacking": list(self.lacking),
            "findings": rows,
        }


def diagnose(groups: Iterable[str] = tuple(GROUPS), limit_s: float = DEFAULT_LIMIT_S) -> DoctorReport:
    """Tries everything, each thing in a child process; one that takes more than `limit_s` is broken.

    Raises:
        Interrupted: SIGINT or SIGTERM came.
    """
    children = Children(limit_s)
    with watch_signals() as wish, ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        running = [pool.submit(children.examine, group) for group in groups]
        while wait(running, _LOOK_UP_S).not_done:
            if wish:
                children.stop()
    if wish:
        raise Interrupted(wish.signal_number)
    return conclude(finding for future in running for finding in future.result())


def conclude(findings: Iterable[Finding]) -> DoctorReport:
    """Compares the backends' frames with one another, and says whether a video can be translated."""
    findings = tuple(findings)
    reference = next((f.output for f in findings if f.name == _REFERENCE), None)
    findings = tuple(_compared(finding, reference) for finding in findings)
    works = {finding.name for finding in findings if finding.works}
    backends = [name for name in _BACKENDS if name in works]
    if "cuda-bindings" in works:
        backends += [name for name in _TENSORRT if name in works]
    lacking = [name for name in _NEEDED if name not in works]
    if not backends:
        lacking.append("a backend (onnxruntime is the usual one)")
    return DoctorReport(findings, tuple(backends), tuple(lacking))


def _compared(finding: Finding, reference: str | None) -> Finding:
    if finding.output is None or reference is None or finding.name == _REFERENCE:
        return finding
    pairs = zip(base64.b64decode(finding.output), base64.b64decode(reference), strict=True)
    off = max(abs(a - b) for a, b in pairs)
    if off <= _LEVELS:
        return dataclasses.replace(
            finding, fact=f"{finding.fact}, equal to {_REFERENCE} within {_LEVELS} level"
        )
    fact = f"{finding.fact}, but up to {off} of 255 levels off {_REFERENCE}"
    return dataclasses.replace(finding, status=WARNING, fact=fact)
