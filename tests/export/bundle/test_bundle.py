"""Bundles for boards: what is chosen, what is written, and what must not be touched."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import IO, cast

import cv2
import pytest
import zstandard
from typer.testing import CliRunner

from unit_edge import __version__
from unit_edge.boards.find import all_boards, find_board
from unit_edge.cli.app import app
from unit_edge.cli.subjects.inspection import inspect_file
from unit_edge.errors import ConfigError, ModelError, SinkError, UnitEdgeError
from unit_edge.export.bundle.board_choice import System, choose, frame_size_for
from unit_edge.export.bundle.build_script import build_script
from unit_edge.export.bundle.bundle import export_bundle
from unit_edge.export.bundle.wheelhouse import _missing, platforms
from unit_edge.export.scenes import synthetic_scene
from unit_edge.export.to_onnx import Int8
from unit_edge.manifests.costs import Costs, CostsAt
from unit_edge.runtime.backends.open import read_model

NANO = choose(find_board("orin-nano"), None, False, ())


def cli(*arguments: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["export", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    path = tmp_path / "scene.png"
    cv2.imwrite(str(path), synthetic_scene(96, 96, 1.0, 0))
    return path


@pytest.mark.parametrize(
    ("name", "backend", "precisions", "pythons", "machine"),
    [
        ("orin-nano", "tensorrt", ("fp16", "int8"), ["3.10", "3.12"], "aarch64"),
        ("thor", "tensorrt", ("fp16", "int8"), ["3.12"], "aarch64"),
        ("rtx-4090", "rtx", ("fp16", "int8"), ["3.12"], "x86_64"),
        ("x86-2-cores", "onnxruntime", ("fp32", "int8"), ["3.12"], "x86_64"),
        ("raspberry-pi-5", "onnxruntime", ("fp32", "int8"), ["3.11", "3.13"], "aarch64"),
    ],
)
def test_the_board_decides(
    name: str, backend: str, precisions: tuple[str, ...], pythons: list[str], machine: str
) -> None:
    given = ("3.12",) if pythons == ["3.12"] else ()
    choice = choose(find_board(name), None, True, given)
    assert (choice.backend, choice.precisions) == (backend, precisions)
    assert [system.python for system in choice.systems] == pythons
    assert {system.machine for system in choice.systems} == {machine}
    assert choose(find_board(name), None, False, given).precisions == precisions[:1]
    assert choose(find_board(name), "int8", True, given).precisions == ("int8",)


def test_a_jetson_keeps_its_own_opencv_and_the_numpy_that_it_was_built_with() -> None:
    assert "numpy<2,>=1.26" in NANO.requirements
    assert not any("opencv" in one for one in NANO.requirements)
    assert [system.cuda_bindings for system in NANO.systems] == [
        "cuda-bindings<12.9,>=12.8",
        "cuda-bindings<13.1,>=13.0",
    ]
    desktop = choose(find_board("x86-8-cores"), None, False, ())
    assert any(one.startswith("opencv-python") for one in desktop.requirements)
    assert any(one.startswith("onnxruntime>=") for one in desktop.requirements)


def test_every_board_has_a_bundle_or_a_reason() -> None:
    for board in all_boards():
        if board.name == "xavier-nx":
            with pytest.raises(ConfigError, match=r"JetPack 5.1 has TensorRT 8.5.2"):
                choose(board, None, False, ())
        else:
            assert choose(board, None, False, ()).systems


def test_the_frame_size_is_the_largest_that_is_fast_enough_by_hand() -> None:
    """A CPU of 0.16 TFLOP/s at 60 % does 48 GMAC/s: 30 times 1.6 GMAC, not 30 times 2.4."""
    at = [CostsAt((640 * k, 480 * k), k * 8 * 10**8, 1, 1) for k in (3, 1, 2)]
    board = find_board("x86-2-cores")
    assert frame_size_for(Costs(1, 1, tuple(at)), board, "fp32") == (1280, 960)
    assert frame_size_for(Costs(1, 1, tuple(at)), board, "int8") == (640, 480)  # its peak is not known


@pytest.mark.slow
def test_what_a_bundle_holds(run: Path, scene: Path, tmp_path: Path) -> None:
    choice = choose(find_board("orin-nano-8gb-super"), None, True, ())
    int8 = Int8(scene, "tensorrt", allow_low_quality=True)
    bundle = export_bundle(run, "night", choice, output=tmp_path / "b", int8=int8, wheels=False)
    files = files_of(tmp_path / "b")
    models = ["day2night-tiny-fp16", "day2night-tiny-int8-tensorrt"]
    wheel = f"wheels/unit_edge-{__version__}+board-py3-none-any.whl"
    expected = {f"{model}.{suffix}" for model in models for suffix in ("onnx", "json")}
    assert set(files) == expected | {"bundle.json", "build.sh", "calibration.json", "SHA256SUMS", wheel}
    checked = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=bundle.path, capture_output=True, text=True
    )
    assert checked.returncode == 0
    assert checked.stdout.count(": OK") == len(files) - 1
    for model, precision in zip(models, ("fp16", "int8"), strict=True):
        assert read_model(bundle.path / f"{model}.onnx").precision == precision
    contents = json.loads(files["bundle.json"])
    assert [model["file"] for model in contents["models"]] == [f"{model}.onnx" for model in models]
    assert contents["models"][0]["predicted"]["fps"] == pytest.approx(bundle.variants[0].predicted.fps)  # type: ignore[union-attr]
    record = json.loads(files["calibration.json"])
    assert (record["calibrated_on"], record["frames"], record["for"]) == ("scene.png", 1, "tensorrt")
    assert (bundle.path / "build.sh").stat().st_mode & 0o111 == 0o111
    assert bundle.bytes == sum(map(len, files.values()))
    assert not list(tmp_path.glob(".*"))
    shown = inspect_file(bundle.path)
    assert (shown["kind"], shown["board"]) == ("bundle for a board", "orin-nano-8gb-super")
    assert [row["file"] for row in shown["models"]] == ["matches", "matches"]
    (bundle.path / f"{models[1]}.onnx").write_bytes(b"cut off")
    assert "differs" in inspect_file(bundle.path / "bundle.json")["models"][1]["file"]
    (bundle.path / "bundle.json").write_text('{"kind": "bundle", "models": [1]}')
    with pytest.raises(ModelError, match=r"bundle.json: damaged"):
        inspect_file(bundle.path)


@pytest.mark.slow
def test_an_archive_is_the_same_each_time_and_holds_what_the_folder_does(run: Path, tmp_path: Path) -> None:
    archive = tmp_path / "b.tar.zst"
    export_bundle(run, "night", NANO, output=archive, wheels=False)
    first = archive.read_bytes()
    export_bundle(run, "night", NANO, output=archive, wheels=False)  # replaces it
    assert archive.read_bytes() == first
    with (
        archive.open("rb") as raw,
        zstandard.ZstdDecompressor().stream_reader(raw) as content,
        tarfile.open(fileobj=cast(IO[bytes], content), mode="r|") as tar,
    ):
        tar.extractall(tmp_path / "out", filter="data")
    (tmp_path / "d").mkdir()
    export_bundle(run, "night", NANO, output=tmp_path / "d/b", wheels=False)
    assert files_of(tmp_path / "out/b") == files_of(tmp_path / "d/b")
    assert (tmp_path / "out/b/build.sh").stat().st_mode & 0o111 == 0o111


@pytest.mark.parametrize("name", [board.name for board in all_boards() if board.name != "xavier-nx"])
def test_every_script_is_posix_shell(name: str) -> None:
    for wheels in (True, False):
        choice = choose(find_board(name), None, True, ())
        script = build_script(choice, "title", ["a", "b"], "wheels/own.whl", wheels, (64, 48))
        done = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert ("--no-index" in script) == wheels
        assert ("--system-site-packages" in script) == (choice.backend == "tensorrt")
        assert ("unit-edge build" in script) == (choice.board.kind == "gpu")
        assert len(script.splitlines()) < 75  # a page


def test_an_earlier_bundle_is_replaced_but_nothing_of_the_user(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "b"
    path.mkdir()  # an empty folder may be filled
    export_bundle(run, "night", NANO, output=path, wheels=False)
    for name in (".venv/lib/x.py", "m.tensorrt.engine", "m.tensorrt.json", "timing.cache"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("of the build")
    with pytest.raises(SinkError, match="exists already; add --overwrite to replace it"):
        export_bundle(run, "day", NANO, output=path, wheels=False, overwrite=False)
    export_bundle(run, "day", NANO, output=path, wheels=False)
    assert (path / "night2day-tiny-fp16.onnx").is_file()
    assert not (path / "day2night-tiny-fp16.onnx").exists() and not (path / ".venv").exists()
    (path / "drive-night.mp4").write_bytes(b"dear")
    before = files_of(tmp_path)
    with pytest.raises(ConfigError, match=r"a bundle with other files in it \(drive-night.mp4\)"):
        export_bundle(run, "night", NANO, output=path, wheels=False)
    assert files_of(tmp_path) == before


def test_the_command_says_what_it_chose(run: Path, tmp_path: Path) -> None:
    code, output, errors = cli(
        run, "--to", "night", "--board", "orin-nano", "--no-wheels", "-o", tmp_path / "b.tar.zst"
    )
    assert (code, errors) == (0, "")
    lines = output.splitlines()
    assert lines[0].startswith(
        "board orin-nano-8gb: Jetson Orin Nano 8GB, for orin-nano (there are also orin-"
    )
    assert lines[1] == "int8 left out: it needs frames to calibrate on, --calibrate VIDEO or FOLDER"
    assert "predicted " in lines[2] and " FPS at 1920x1080" in lines[2]
    assert "PSNR" in lines[3]
    assert "any size; engines are tuned for 1920x1080" in lines[4]
    assert "predicted, not measured" in lines[5]
    assert "tar --zstd -xf b.tar.zst" in lines[6] and "JetPack 6 (Python 3.10)" in lines[6]
    code, output, _ = cli(
        run,
        "--to",
        "night",
        "--board",
        "orin-nano-8gb",
        "--no-wheels",
        "--frame-size",
        "64x48",
        "-o",
        tmp_path / "s",
    )
    assert code == 0 and " FPS at 64x48" in output and "any size" not in output
    assert "--opt-size" not in (tmp_path / "s/build.sh").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--board", "orin-nan"], "unknown board 'orin-nan'; did you mean orin-na"),
        (["--board", "xavier-nx"], "unit-edge needs TensorRT 10.3 and Python 3.10"),
        (["--board", "orin-nano", "--precision", "int8"], "precision int8 needs frames to calibrate on"),
        (["--board", "orin-nano", "--int8-skip", "x"], "options for int8 without --calibrate"),
        (["--board", "orin-nano", "--precision", "fp16", "--calibrate", "SCENE"], "expected int8"),
        (["--board", "orin-nano", "--int8-for", "cpu", "--calibrate", "SCENE"], "expected tensorrt"),
        (["--board", "x86-2-cores", "--precision", "fp16"], "expected fp32 or int8"),
        (["--board", "orin-nano", "--python", "3.11"], "expected 3.10 (JetPack 6) or 3.12 (JetPack 7)"),
        (["--board", "x86-2-cores", "--python", "3.9"], "--python 3.9, expected 3.10 or newer"),
        (["--python", "3.11"], "add --board NAME"),
        (["--no-wheels"], "add --board NAME"),
        (["--board", "thor", "--to", "noon"], "unknown domain 'noon'"),
        (["--board", "thor", "-o", "b.zip"], "expected a folder's name, or one that ends in .tar.zst"),
        (["--board", "thor", "-o", "none/b"], "there is no folder none; make it first"),
        (["--board", "thor", "-o", "/proc/b"], "/proc/b: can't be written"),
        (["--board", "thor", "-o", "foreign"], "output foreign: exists already and is no bundle"),
        (["--board", "thor", "-o", "foreign/b.tar.zst"], "exists already and is no bundle"),
        (["--board", "thor", "-o", "foreign/b"], "exists already and is no folder"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: list[str],
    message: str,
    run: Path,
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("foreign").mkdir()
    for name in ("foreign/b.tar.zst", "foreign/b", "foreign/bundle.json"):
        Path(name).write_text("{}")
    before = files_of(tmp_path)
    arguments = [str(scene) if one == "SCENE" else one for one in arguments]
    code, _, errors = cli(run, *([] if "--to" in arguments else ["--to", "night"]), *arguments)
    assert code == 1
    assert errors.startswith("error: ") and errors.count("\n") == 1
    assert message in errors
    assert files_of(tmp_path) == before and not list(tmp_path.glob(".*"))


def test_a_checkpoint_of_something_else_is_refused(run: Path, tmp_path: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    config["preset"] = "digits"
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text(json.dumps(config))
    code, _, errors = cli(tmp_path / "run", "--to", "night", "--board", "thor", "-o", tmp_path / "b")
    assert code == 1 and "digits" in errors and errors.count("\n") == 1
    assert not (tmp_path / "b").exists()


def test_without_a_network_the_user_is_told(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("PIP_NO_INDEX", "1"),
        ("PIP_FIND_LINKS", str(tmp_path)),
        ("PIP_CONFIG_FILE", "/dev/null"),
    ):
        monkeypatch.setenv(name, value)
    with pytest.raises(
        UnitEdgeError, match=r"wheels for Python 3\.10 on aarch64 can't be .*add --no-wheels"
    ) as caught:
        export_bundle(run, "night", NANO, output=tmp_path / "b")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def write_wheel(folder: Path, name: str, *needs: str) -> None:
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        lines = [
            "Metadata-Version: 2.1",
            f"Name: {name}",
            "Version: 1.0",
            *(f"Requires-Dist: {n}" for n in needs),
        ]
        wheel.writestr(f"{name}-1.0.dist-info/METADATA", "\n".join(lines) + "\n\nText\n")


def test_dependencies_are_those_of_the_boards_python(tmp_path: Path) -> None:
    """pip asks whether a dependency applies to the Python that it runs in."""
    write_wheel(
        tmp_path,
        "a",
        'old-only<2; python_version < "3.11"',
        'B; extra == "more"',
        'c; sys_platform == "win32"',
    )
    write_wheel(tmp_path, "b", 'arm; platform_machine == "aarch64"')
    old, new = System("", "3.10", "aarch64", 35), System("", "3.12", "x86_64", 28)
    assert _missing(tmp_path, ["a>=1"], old) == ["old-only<2"]
    assert _missing(tmp_path, ["a[more]"], old) == ["arm", "old-only<2"]
    assert _missing(tmp_path, ["a[more]"], new) == []
    assert _missing(tmp_path, ["gone>=2"], new) == ["gone>=2"]


def test_wheels_are_not_newer_than_the_systems_libraries() -> None:
    names = platforms(NANO.systems[0])  # Ubuntu 22.04 has glibc 2.35
    assert names[0] == "manylinux_2_35_aarch64"
    assert {"manylinux_2_28_aarch64", "manylinux2014_aarch64"} <= set(names)
    assert not any("x86" in name for name in names)
    assert (
        len(platforms(dataclasses.replace(NANO.systems[0], machine="x86_64", glibc=28))) == 28 - 5 + 1 + 3 + 1
    )
