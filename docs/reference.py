"""The command line's reference, out of the program: a page for the site, and man pages.

`python docs/reference.py man FOLDER` writes unit-edge.1 and unit-edge-COMMAND.1.
"""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from unit_edge import __version__
from unit_edge.cli.app import app


def commands() -> Iterator[tuple[str, Any, Any]]:
    """Each command's name, what it is, and a context for it; the program itself first."""
    group: Any = typer.main.get_command(app)
    root = group.context_class(group, info_name="unit-edge")
    yield "unit-edge", group, root
    for name in group.list_commands(root):
        command = group.get_command(root, name)
        yield f"unit-edge {name}", command, command.context_class(command, info_name=name, parent=root)


def blocks(text: str) -> Iterator[tuple[bool, str]]:
    """Paragraphs of a help text, and whether one is to stay as it is (after \\b)."""
    for part in text.split("\n\n"):
        kept = part.startswith("\b")
        if part := part.lstrip("\b").strip("\n"):
            yield kept, part


def options(command: Any, context: Any) -> list[tuple[str, str]]:
    """Arguments and options with their help."""
    found = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "completion" not in parameter.name:
            name = record[0].split(" <")[0] if parameter.param_type_name == "argument" else record[0]
            found.append((" ".join(name.split()), " ".join(record[1].split())))
    return found


def markdown() -> str:
    """The page of the site."""
    lines = ["# Command line", "", "Made from the program; `unit-edge COMMAND --help` says the same.", ""]
    for name, command, context in commands():
        lines += [f"## {name}", "", "```", usage(command, context), "```", ""]
        for kept, text in blocks(command.help or ""):
            lines += (
                ["```text", *(line.removeprefix("    ") for line in text.splitlines()), "```", ""]
                if kept
                else [
                    " ".join(text.split()),
                    "",
                ]
            )
        if rows := options(command, context):
            lines += ["| | |", "|---|---|"]
            lines += [f"| `{_cell(left)}` | {_cell(right, code=False)} |" for left, right in rows]
            lines.append("")
    return "\n".join(lines)


def usage(command: Any, context: Any) -> str:
    """ "unit-edge init [OPTIONS] DOMAIN1 DOMAIN2"."""
    return " ".join([context.command_path, *command.collect_usage_pieces(context)])


def _cell(text: str, *, code: bool = True) -> str:
    text = text.replace("|", "\\|")
    return (
        text
        if code
        else text.replace("<", "&lt;").replace("[", "\\[").replace("*", "\\*").replace("_", "\\_")
    )


def man(name: str, command: Any, context: Any) -> str:
    """A man page (man 7 man)."""
    stamp = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    date = datetime.datetime.fromtimestamp(stamp, datetime.timezone.utc).date() if stamp else ""
    help_blocks = list(blocks(command.help or ""))
    about = " ".join(help_blocks[0][1].split()).rstrip(".") if help_blocks else ""
    title = name.replace(" ", "-").upper()
    lines = [f'.TH "{title}" "1" "{date}" "unit-edge {__version__}" "unit-edge"']
    lines += [".SH NAME", f"{_roff(name.replace(' ', '-'))} \\- {_roff(about)}"]
    lines += [".SH SYNOPSIS", f".B {_roff(context.command_path)}"]
    lines.append(_roff(" ".join(command.collect_usage_pieces(context))))
    lines.append(".SH DESCRIPTION")
    for kept, text in help_blocks:
        if kept:
            lines += [".PP", ".nf", *(_roff(line) for line in text.splitlines()), ".fi"]
        else:
            lines += [".PP", _roff(" ".join(text.split()))]
    if rows := options(command, context):
        lines.append(".SH OPTIONS")
        for left, right in rows:
            lines += [".TP", f".B {_roff(left)}", _roff(right)]
    if name == "unit-edge":
        lines.append(".SH COMMANDS")
        for other, one, _ in list(commands())[1:]:
            first = next(text for _, text in blocks(one.help))
            lines += [".TP", f".BR {other.replace(' ', '-')} (1)", _roff(" ".join(first.split()))]
    lines += [
        ".SH EXIT STATUS",
        "0 if all went well; 1 after an error, which one line on stderr says; 2 if the",
    ]
    lines += ["command line is wrong; 130 after Ctrl-C."]
    return "\n".join(lines) + "\n"


def _roff(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


def write_man(folder: Path) -> None:
    """All man pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, command, context in commands():
        (folder / f"{name.replace(' ', '-')}.1").write_text(man(name, command, context), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "man":
        sys.exit("usage: python docs/reference.py man FOLDER")
    write_man(Path(sys.argv[2]))
