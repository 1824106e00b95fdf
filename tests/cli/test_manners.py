"""What all commands do alike: one line if they are typed wrong, no silent replacing, ordinary files."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import cli

from unit_edge.cli.init import configs
from unit_edge.cli.terminal import progress
from unit_edge.cli.terminal.say import echo_json, echo_wide
from unit_edge.errors import BackendError, ModelError, SinkError
from unit_edge.files.writing import check_writable, replacing
from unit_edge.registry import bundled_models
from unit_edge.runtime.doctor.doctor import DoctorReport
from unit_edge.runtime.doctor.finding import Finding

WriteModel = Callable[..., Path]
WriteClip = Callable[..., Path]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nonsense"], "No such command"),
        (["translate"], "Missing argument"),
        (["models", "--colour"], "No such option"),
        (["sheet", "a", "b", "c", "-n", "none"], "Invalid value"),
    ],
)
def test_a_wrong_command_line_is_one_line_that_names_the_help(arguments: list[str], expected: str) -> None:
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and expected in err and "--help` has what there is" in err
    assert err.count("\n") == 1


def test_domains_are_found_however_they_are_written(write_clip: WriteClip, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "day.png"), np.full((48, 64, 3), 99, np.uint8))
    code, out, err = cli("translate", tmp_path / "day.png", "--to", "Night", "-o", tmp_path / "night.png")
    assert (code, err) == (0, "") and "1 image" in out


def test_help_names_every_domain_that_a_bundled_model_makes() -> None:
    option = cli("translate", "--help")[1].partition("  --to DOMAIN")[2].partition("  --from")[0]
    assert set(re.findall(r"\w+", option)) >= {model.target for _, model in bundled_models()}


def test_models_and_info_as_json(write_model: WriteModel) -> None:
    names = {row["name"]: row for row in json.loads(cli("models", "--json")[1])}
    assert (
        Path(names["day2night-edge-s"]["path"]).is_file() and names["day2night-edge-s"]["target"] == "night"
    )
    assert json.loads(cli("info", write_model("invert"), "--json")[1])["source"] == "day"


def test_the_module_is_the_program() -> None:
    done = subprocess.run([sys.executable, "-m", "unit_edge", "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("unit-edge ")
    assert (
        "__main__"
        not in subprocess.run(
            [sys.executable, "-m", "unit_edge", "nonsense"], capture_output=True, text=True
        ).stderr
    )


def test_completion_knows_commands() -> None:
    asked = {"_UNIT_EDGE_COMPLETE": "complete_bash", "COMP_WORDS": "unit-edge tr", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "unit_edge"], env={**os.environ, **asked}, capture_output=True, text=True
    )
    assert done.stdout.split() == ["translate", "train"]


def test_names_that_a_terminal_cant_show_are_written_out(write_model: WriteModel, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "day 🚗.png"), np.full((48, 64, 3), 99, np.uint8))
    command = [sys.executable, "-m", "unit_edge", "translate", "day 🚗.png", "--model", str(write_model())]
    latin = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    done = subprocess.run(command, cwd=tmp_path, env=latin, capture_output=True)
    assert done.returncode == 0 and done.stderr == b""
    assert done.stdout.startswith(b"day \\U0001f697-night.png: 1 image")


def test_so_are_those_of_a_data_set(coco: Path, write_model: WriteModel, tmp_path: Path) -> None:
    folder = tmp_path / "night 🚗"
    command = [sys.executable, "-m", "unit_edge", "translate", str(coco), "--model", str(write_model())]
    latin = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    done = subprocess.run([*command, "-o", str(folder)], env=latin, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"night \\U0001f697: COCO, 4 translated" in done.stdout


def test_sheet_replaces_nothing_unless_told(write_clip: WriteClip, tmp_path: Path) -> None:
    clip, sheet = write_clip("a.mp4"), tmp_path / "s.png"
    sheet.write_text("precious")
    code, _, err = cli("sheet", clip, clip, sheet, "-n", "2")
    assert code == 1 and "exists already; add --overwrite" in err and sheet.read_text() == "precious"
    assert cli("sheet", clip, clip, sheet, "-n", "2", "-y")[0] == 0


def test_a_run_given_as_a_model_is_named_with_its_export(write_clip: WriteClip, tmp_path: Path) -> None:
    (tmp_path / "runs" / "my").mkdir(parents=True)
    (tmp_path / "runs" / "my" / "config.json").write_text("{}")
    code, _, err = cli("translate", write_clip(), "--model", tmp_path / "runs" / "my")
    assert code == 1 and "is a training run" in err and "unit-edge export" in err


@pytest.mark.skipif(os.name != "posix", reason="file modes of POSIX")
def test_files_have_the_modes_that_the_user_wants(tmp_path: Path) -> None:
    """What a library makes for its owner alone too."""
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "a") as temporary:
            temporary.unlink()
            os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_json_is_for_pipes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, expected in ((io.StringIO(), '{"a": 1}\n'), (Terminal(), "")):
        monkeypatch.setattr(sys, "stdout", stream)
        echo_json({"a": 1})
        assert stream.getvalue() == expected


def test_wide_lines_go_on_below_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "40")
    line = "orin-nano  " + "  ".join(f"{n}.0" for n in range(20))
    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stdout", stream)
        echo_wide(line, 12)
        shown = stream.getvalue().splitlines()
        if stream.isatty():
            assert len(shown) > 2 and max(map(len, shown)) <= 40
            assert all(part.startswith(" " * 12) for part in shown[1:])
            assert " ".join(shown).split() == line.split()
        else:
            assert shown == [line]


def test_a_command_that_is_wrapped_is_still_the_one_of_this_copy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("unit_edge.machine.installation.extra_command", lambda extra: f"brew {extra}")
    monkeypatch.setattr("unit_edge.cli.terminal.say.terminal_width", lambda: 40)
    echo_wide('not measured: this one has no CUDA; `pip install "unit-edge[gpu]"`, or leave it')
    assert "`brew gpu`" in capsys.readouterr().out


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("command", ["models", "doctor", "info night2day-edge-s", "boards", "configs"])
def test_tables_fit_a_terminal(monkeypatch: pytest.MonkeyPatch, command: str, columns: int) -> None:
    """But for words that can't be parted, and commands to copy."""
    fix = "pip install " + "words " * 20
    found = Finding("opencv gstreamer", "missing", "a long fact " * 9, fix, "live")
    report = DoctorReport((found,), ("onnxruntime",), ())
    monkeypatch.setattr("unit_edge.runtime.doctor.doctor.diagnose", lambda **_: report)
    monkeypatch.setenv("COLUMNS", str(columns))
    whole = ""
    for terminal in (False, True):
        monkeypatch.setattr(
            "unit_edge.cli.terminal.say.terminal_width", lambda t=terminal: columns if t else None
        )
        code, shown, _ = cli(*command.split())
        assert code == 0
        wide = [line for line in shown.splitlines() if len(line) > columns]
        if terminal:
            assert all(" " not in line.strip() or "> pip install" in line for line in wide), wide
            assert shown.split() == whole.split()
        whole = shown


def test_help_fits_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, shown, _ = cli("--help")
    assert code == 0 and "..." not in shown.partition("Commands:")[2]
    for name in re.findall(r"^  ([a-z]+)  ", shown.partition("Commands:")[2], re.MULTILINE):
        code, shown, _ = cli(name, "--help")
        widest = max(shown.splitlines(), key=len)
        assert code == 0 and len(widest) <= 80 and "\x1b" not in shown, widest


def test_help_on_a_terminal_of_40_columns_breaks_no_word() -> None:
    command = [sys.executable, "-m", "unit_edge", "check", "--help"]
    env = {**os.environ, "COLUMNS": "40"}
    shown = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    options = shown.partition("Options:")[2].splitlines()
    assert max(map(len, options)) <= 40
    assert any("onnxruntime-cuda" in line for line in options)


def test_long_work_says_now_and_then_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_LINE_S", 0.05)
    with progress.heartbeat("exporting runs/my"):
        deadline = time.monotonic() + 20
        said = ""
        while "so far" not in said and time.monotonic() < deadline:
            time.sleep(0.05)
            said += capsys.readouterr().err
    assert said.startswith("exporting runs/my: 0 s so far\n")
    capsys.readouterr()
    line = progress.Line(10, "pictures", quiet=False)
    time.sleep(0.06)
    line.draw(5)
    assert capsys.readouterr().err.startswith("5/10 pictures")


def test_a_runner_says_what_it_is_given_and_that_it_isnt_open(write_model: WriteModel) -> None:
    from unit_edge.runtime import open_runner

    runner = open_runner(write_model("invert"))
    frames = np.zeros((1, 48, 64, 3), np.uint8)
    with pytest.raises(BackendError, match="isn't open; use it inside"):
        runner.infer(frames)
    with runner:
        assert (runner.infer(frames) == 255).all()
        with pytest.raises(ModelError, match=r"given list, expected an array .*numpy\.stack"):
            runner.infer(list(frames))  # type: ignore[arg-type]
    with pytest.raises(BackendError, match="isn't open"):
        runner.infer(frames)


def test_frames_for_a_loop_of_ones_own(write_clip: WriteClip, write_model: WriteModel) -> None:
    from unit_edge.runtime import open_runner, translate_frames
    from unit_edge.runtime.sources.video import FileSource

    clip = write_clip(frames=5)
    with FileSource(clip) as source:
        originals = [(frame.index, frame.pts, 255 - frame.image) for frame in source]
    made = [(f.index, f.pts, f.image) for f in translate_frames(clip, write_model("invert"))]
    assert [one[:2] for one in made] == [one[:2] for one in originals] and len(made) == 5
    assert all(np.array_equal(a[2], b[2]) for a, b in zip(made, originals, strict=True))
    assert open_runner("night").manifest.target == "night"


@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)])
def test_what_the_caller_has_closed_costs_no_file(
    closed: tuple[int, ...], write_model: WriteModel, write_clip: WriteClip, tmp_path: Path
) -> None:
    """Else the next file that is opened would be stdout or stderr, and get what is printed."""
    cv2.imwrite(str(tmp_path / "a.png"), np.full((48, 64, 3), 99, np.uint8))
    model = write_model("invert")

    def run(*arguments: str) -> int:
        return subprocess.run(
            [sys.executable, "-c", "from unit_edge.cli import main; main()", "translate", *arguments],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            preexec_fn=lambda: [os.close(number) for number in closed] and None,
        ).returncode

    backend = ("--model", str(model), "--backend", "onnxruntime")
    assert run("a.png", "-o", "b.png", *backend) == 0
    assert (cv2.imread(str(tmp_path / "b.png")) == 255 - 99).all()
    if closed == (0, 1, 2):
        assert run("nothing.png", "-o", "c.png", *backend) == 1
    write_clip("v.mp4", frames=2)
    assert run("v.mp4", "-o", "-", "-q", *backend) == (1 if 1 in closed else 0)


def test_what_cant_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    """Below a file, where access() says that root may write."""
    (tmp_path / "file").touch()
    code, out, err = cli("bench", "day2night-edge-s", "-o", tmp_path / "file" / "x")
    assert (code, out) == (1, "") and "can't be written to (Not a directory)" in err
    check_writable(tmp_path / "new" / "sheet.png")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with pytest.raises(SinkError, match=r"s\.png: /proc can't be written to"):
        check_writable(Path("/proc/s.png"))


def test_build_for_a_board_names_the_bundle_and_no_extra(tmp_path: Path) -> None:
    """Where there is no TensorRT, an extra wouldn't bring a Jetson's."""
    if importlib.util.find_spec("tensorrt") is not None:
        pytest.skip("TensorRT is here")
    code, _, err = cli("build", "day2night-edge-s", "--board", "orin-nano", "--backend", "tensorrt")
    assert code == 1 and "unit-edge export RUN --to DOMAIN --board orin-nano" in err
    assert "pip install" not in err


def test_the_list_of_settings_fits_a_terminal_and_is_whole_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "80")
    piped, shown = io.StringIO(), Terminal()
    for stream in (piped, shown):
        monkeypatch.setattr(sys, "stdout", stream)
        configs()
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= 80 and shown.getvalue().split() == piped.getvalue().split()
    assert "..." not in piped.getvalue()
    assert not re.search(r"( and| so that| to| the)$", piped.getvalue(), re.MULTILINE)
