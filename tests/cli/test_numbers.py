"""Every option of every command that is a number, with what is none: one line, or it works."""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import cli
from typer import testing
from typer.main import get_command
from typer.models import OptionInfo

from unit_edge.cli.app import app
from unit_edge.runtime.doctor import doctor as doctor_module

HOSTILE = (
    "nan", "-nan", "inf", "-inf", "1e999", "-1e999", "1e300", "-0", "-1", "1" + "0" * 400, "9" * 5000,
    "9223372036854775808", "\u0661\u0662", "\u00b2", "", " ", " 5 ", "1_0", "0x10", "5/0", "1x1e9",
    "9" * 12 + "x" + "9" * 12, "0:0:1e400", "5,", "\x1b[2J",
)  # fmt: skip
# of texts, by what their help calls them
_NUMBERS = {"WxH", "WxH,...", "N", "N,...", "TIME", "FPS"}
# what their commands check, or take to any height
_CHECKED_LATER = {
    "--crf", "--rain-drops", "--snowflakes", "--camera-fps", "--reconnect-for", "--batch", "--network-size",
    "--residual", "--residual-colour", "--highlights", "--saturation", "--brightness", "--coolness",
    "--contrast", "--sharpness", "--stray-colour", "--magenta", "--hue", "--gain-limit", "--red-lights",
    "--green-lights", "--margin",
}  # fmt: skip
# behind which nothing heavy comes
_WORDS: dict[str, tuple[str, ...]] = {
    "translate": ("CLIP", "--model", "MODEL", "-o", "out.mp4", "-y", "-q"),
    "serve": ("none.mp4", "--model", "MODEL"),
    "fleet": ("none.mp4", "fleet", "--model", "MODEL"),
    "sheet": ("CLIP", "CLIP", "sheet.png", "-y"),
    "init": ("none", "neither"),
    "train": ("none.toml",),
    "evaluate": ("none.onnx",),
    "check": ("none.mp4", "--model", "MODEL"),
    "export": ("none", "--to", "night"),
    "build": ("MODEL",),
    "inspect": ("MODEL",),
    "boards": ("MODEL",),
    "bench": ("none.onnx",),
    "doctor": (),
}


def _options() -> Iterator[tuple[str, str, frozenset[Any], OptionInfo]]:
    """Command, option, its types and what is said of it."""
    for command in app.registered_commands:
        assert command.callback is not None
        hints = typing.get_type_hints(command.callback, include_extras=True)
        for name, hint in hints.items():
            if typing.get_origin(hint) is not typing.Annotated:
                continue
            kind, *about = typing.get_args(hint)
            kinds = frozenset(typing.get_args(kind) or (kind,))
            if isinstance(about[-1], OptionInfo) and (
                kinds & {int, float} or (str in kinds and about[-1].metavar in _NUMBERS)
            ):
                flags = about[-1].param_decls or (f"--{name.replace('_', '-')}",)
                yield command.name or command.callback.__name__, flags[-1], kinds, about[-1]


OPTIONS = list(_options())


def test_every_number_ends_somewhere() -> None:
    assert len(OPTIONS) > 60
    endless = {
        f"{command} {flag}"
        for command, flag, kinds, about in OPTIONS
        if kinds & {int, float} and flag not in _CHECKED_LATER and (about.min is None or about.max is None)
    }
    assert endless == set()


@pytest.mark.parametrize(("command", "flag"), [(command, flag) for command, flag, *_ in OPTIONS])
def test_what_is_no_number_is_one_line_or_works(
    command: str,
    flag: str,
    here: Path,
    write_model: Callable[..., Path],
    write_clip: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {"MODEL": str(write_model()), "CLIP": str(write_clip("clip.mp4", frames=3))}
    words = [known.get(word, word) for word in _WORDS[command]]
    limits: list[float] = []

    def diagnose(limit_s: float) -> Any:
        limits.append(limit_s)
        return doctor_module.DoctorReport(
            findings=(doctor_module.Finding("x", "ok", "x"),), backends=(), lacking=()
        )

    monkeypatch.setattr(doctor_module, "diagnose", diagnose)
    # the tree of commands takes longer to make than most of these take to run
    monkeypatch.setattr(testing, "_get_command", functools.cache(get_command))
    for value in HOSTILE:
        code, _, err = cli(command, *words, f"{flag}={value}")
        complaints = [line for line in err.splitlines() if line.startswith("error: ")]
        assert len(complaints) == (code != 0), (value[:30], code, err)
        assert code in (0, 1, 2) and len(err.splitlines()) < 3 and "\x1b" not in err, (value[:30], code, err)
        assert not [path for path in here.iterdir() if path.name.endswith(".tmp")], value[:30]
    assert all(0 < limit < 10**4 for limit in limits)
