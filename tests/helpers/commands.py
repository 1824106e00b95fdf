"""Runs a command of unit-edge as a user types it, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from unit_edge.cli.app import app


def cli(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, and what was printed on stdout and on stderr; what isn't raised on purpose is raised."""
    done = _invoked(arguments)
    return done.exit_code, done.stdout, done.stderr


def cli_output(*arguments: str | Path) -> tuple[int, str]:
    """Exit code, and all that was printed."""
    done = _invoked(arguments)
    return done.exit_code, done.output


def _invoked(arguments: tuple[str | Path, ...]) -> Any:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done
