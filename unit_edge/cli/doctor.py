"""The command that says what this machine can do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from unit_edge.cli.terminal.say import echo, echo_wide

if TYPE_CHECKING:
    from unit_edge.runtime.doctor.doctor import DoctorReport


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=3600, metavar="S", help="Seconds that each thing may take.")
    ] = 30,
) -> None:
    """Show what this machine can do, and what is missing.

    \b
    Examples:
      unit-edge doctor
      unit-edge doctor --json

    Everything is tried, not looked up: encoders encode, backends translate a frame, cameras are opened, and
    where there is a display a window is shown for a moment. What crashes or hangs there is reported as
    broken. Exit code 0 if videos can be translated here.
    """
    from unit_edge.runtime.doctor.doctor import diagnose

    report = diagnose(limit_s=timeout)
    if as_json:
        echo(json.dumps(report.as_dict(), indent=2))
    else:
        width = max(len(finding.name) for finding in report.findings)
        for line in _lines(report, width):
            if line.lstrip().startswith("> "):
                echo(line)  # a command to copy stays one line
            else:
                echo_wide(line, width + 13)
    if not report.can_translate:
        raise typer.Exit(1)


def _lines(report: DoctorReport, width: int) -> list[str]:
    lines, topic = [], ""
    for finding in report.findings:
        if finding.topic != topic:
            topic = finding.topic
            lines.append(topic)
        lines.append(f"  {finding.status:8} {finding.name:{width}}  {finding.fact}")
        if finding.fix:
            lines.append(f"  {'':8} {'':{width}}  > {finding.fix}")
    if report.can_translate:
        return [*lines, f"videos can be translated here, by {', '.join(report.backends)}"]
    return [*lines, f"videos can't be translated here; lacking: {', '.join(report.lacking)}"]
