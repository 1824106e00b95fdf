"""build.sh run for real, in clean environments: on this machine, and on what it takes for a Jetson."""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from unit_edge.boards.find import find_board
from unit_edge.errors import UnitEdgeError
from unit_edge.export.bundle.board_choice import Choice, choose
from unit_edge.export.bundle.bundle import export_bundle

if sys.platform != "linux":
    pytest.skip("bundles are for Linux", allow_module_level=True)

HERE = "{}.{}".format(*sys.version_info[:2])
NANO = choose(find_board("orin-nano"), None, False, ())
MODEL = "day2night-tiny"


def bundle(run: Path, choice: Choice, output: Path) -> Path:
    """With wheels; skips where they can't be downloaded."""
    try:
        return export_bundle(run, "night", choice, output=output).path
    except UnitEdgeError as error:
        if "can't be downloaded" not in str(error):
            raise
        pytest.skip(str(error))


def offline(**changes: str) -> dict[str, str]:
    """An environment in which pip and all else would fail if they asked for a network."""
    nowhere = "http://127.0.0.1:9"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), nowhere)
    return {**kept, **proxies, "PIP_INDEX_URL": nowhere, "PIP_RETRIES": "0", **changes}


def build(folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(folder / "build.sh")]
    return subprocess.run(command, cwd="/", env=offline(**changes), capture_output=True, text=True)


@pytest.mark.slow
def test_a_clean_machine_translates(run: Path, tmp_path: Path, write_clip: Callable[..., Path]) -> None:
    folder = tmp_path / "my drive" / "bundle"
    folder.parent.mkdir()
    choice = choose(find_board("x86-2-cores"), None, False, ())
    system = dataclasses.replace(choice.systems[0], machine=platform.machine())
    folder = bundle(run, dataclasses.replace(choice, systems=(system,)), folder)
    moved = folder.rename(tmp_path / "my drive" / "on the board")
    done = build(moved, PYTHON=sys.executable)
    assert (done.returncode, done.stderr) == (0, "")
    program, model = moved / ".venv/bin/unit-edge", moved / f"{MODEL}.onnx"
    assert f'"{program}" translate drive.mp4 --model "{model}"' in done.stdout
    clip, output = write_clip(), tmp_path / "out.mp4"
    done = subprocess.run(
        [program, "translate", clip, "--model", model, "-o", output],
        env=offline(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "12 frames" in done.stdout and output.is_file()
    for module in ("torch", "onnx"):
        done = subprocess.run(
            [moved / ".venv/bin/python", "-c", f"import {module}"], capture_output=True, text=True
        )
        assert "ModuleNotFoundError" in done.stderr


def fake_jetson(root: Path) -> dict[str, str]:
    """A Python of its own whose site-packages hold a marked OpenCV and TensorRT, and a uname for it.

    Skips where this Python's files can't be put together anew.
    """
    original = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
    library, site = Path(sysconfig.get_path("stdlib")), root / "lib" / f"python{HERE}" / "site-packages"
    (root / "bin").mkdir(parents=True)
    site.mkdir(parents=True)
    shutil.copy(original, root / "bin/python3")
    for path in library.iterdir():
        if path.name not in ("site-packages", "dist-packages"):
            (site.parent / path.name).symlink_to(path)
    for path in (original.parents[1] / "lib").glob("libpython*"):
        (root / "lib" / path.name).symlink_to(path)
    for name, text in {
        "cv2": "__version__ = '4.8.0'\ndef getBuildInformation(): return 'GStreamer:   YES (1.20.3)'\n",
        "tensorrt": "__version__ = '10.3.0'\n",
        "numpy": "__version__ = '1.21.5'\n",
    }.items():
        (site / name).mkdir()
        (site / name / "__init__.py").write_text(text)
        information = site / f"{name}-0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {text[15:-2]}\n"
        )
    (root / "bin/uname").write_text("#!/bin/sh\necho Linux aarch64\n")
    (root / "bin/uname").chmod(0o755)
    environment = {"PATH": f"{root / 'bin'}:{os.environ['PATH']}"}
    code = "import sys, cv2, ensurepip; print(sys.prefix)"
    command = [str(root / "bin/python3"), "-c", code]
    done = subprocess.run(command, env=offline(**environment), capture_output=True, text=True)
    if done.stdout.strip() != str(root):
        pytest.skip(f"this Python can't be put together anew: {done.stderr.strip()[-200:]}")
    return environment


@pytest.mark.slow
def test_a_jetson_keeps_its_opencv_and_tensorrt(run: Path, tmp_path: Path) -> None:
    """Up to where a GPU is needed; the wheels are of this machine's processor and Python."""
    root = tmp_path / "system"
    environment = fake_jetson(root)
    cuda = NANO.systems[0 if sys.version_info < (3, 12) else 1].cuda_bindings
    system = dataclasses.replace(
        NANO.systems[0], python=HERE, machine=platform.machine(), glibc=28, cuda_bindings=cuda
    )
    folder = bundle(run, dataclasses.replace(NANO, systems=(system,)), tmp_path / "bundle")
    assert not list(folder.glob("wheels/opencv*"))
    script = folder / "build.sh"
    script.write_text(script.read_text().replace(platform.machine(), "aarch64"))
    resum(folder)
    done = build(folder, **environment)
    cv2_path = root / "lib" / f"python{HERE}" / "site-packages/cv2/__init__.py"
    assert f"TensorRT 10.3.0 and OpenCV 4.8.0 of the system: {cv2_path}" in done.stdout
    assert "GStreamer" not in done.stdout
    # there is no GPU to build an engine for
    assert done.returncode == 1
    assert f"build.sh: no engine for {MODEL}-fp16, see above" in done.stderr
    code = "import cv2, numpy, sys; print(cv2.__file__, numpy.__file__, numpy.__version__, sys.prefix)"
    python = folder / ".venv/bin/python"
    found = subprocess.run([python, "-c", code], env=offline(), capture_output=True, text=True).stdout.split()
    assert found[0] == str(cv2_path)
    assert Path(found[1]).is_relative_to(folder / ".venv") and found[2].startswith("1.26")
    assert "include-system-site-packages = true" in (folder / ".venv/pyvenv.cfg").read_text()
    assert not list((folder / ".venv").rglob("opencv*"))


def resum(folder: Path) -> None:
    names = [line[66:] for line in (folder / "SHA256SUMS").read_text().splitlines()]
    done = subprocess.run(["sha256sum", *names], cwd=folder, capture_output=True, text=True, check=True)
    (folder / "SHA256SUMS").write_text(done.stdout)


def test_what_is_missing_is_said_in_one_line(run: Path, tmp_path: Path) -> None:
    """Before anything is made."""
    root = tmp_path / "system"
    environment = fake_jetson(root)
    here = dataclasses.replace(NANO.systems[0], python=HERE)
    folder = export_bundle(
        run, "night", dataclasses.replace(NANO, systems=(here,)), output=tmp_path / "b", wheels=False
    ).path
    before = sorted(folder.rglob("*"))
    site = root / "lib" / f"python{HERE}" / "site-packages"

    def message() -> str:
        done = build(folder, **environment)
        assert done.returncode == 1 and sorted(folder.rglob("*")) == before
        assert done.stderr.count("\n") == 1 and done.stderr.startswith("build.sh: ")
        return done.stderr

    shutil.move(site / "cv2", tmp_path)
    assert "OpenCV is missing" in message()
    (site / "tensorrt/__init__.py").write_text("__version__ = '8.6.2'")
    assert "older than 10.3; install JetPack 6" in message()
    shutil.rmtree(site / "tensorrt")
    assert "TensorRT is missing" in message() and "python3-libnvinfer" in message()
    (site.parent / "ensurepip").unlink()
    assert "python3-venv is missing; sudo apt install python3-venv" in message()
    script = folder / "build.sh"
    script.write_text(script.read_text().replace(HERE, "3.99"))
    resum(folder)
    assert f"is version {HERE}, expected 3.99" in message()
    (root / "bin/uname").write_text("#!/bin/sh\necho Linux riscv64\n")
    assert "made for Linux aarch64, this is Linux riscv64" in message()
    (folder / f"{MODEL}-fp16.onnx").write_bytes(b"cut off")
    done = build(folder, **environment)
    assert done.returncode == 1 and f"{MODEL}-fp16.onnx: FAILED" in done.stdout
    assert "copy the bundle again" in done.stderr
