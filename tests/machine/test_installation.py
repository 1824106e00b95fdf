"""The hint to install an extra is a command that works for this copy, however it came here."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from unit_edge.machine import installation
from unit_edge.machine.installation import extra_command, fitting

REQUIRES = """Requires-Dist: numpy>=1.26
Requires-Dist: torch>=2.6; extra == "train"
Requires-Dist: tomli>=2; python_version < "3.11" and extra == "train"
Requires-Dist: onnx>=1.17; extra == "export"
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """install(direct_url, version) → this process sees only such an installation."""

    def made(direct_url: dict[str, object] | None, version: str = "0.1.0") -> None:
        folder = tmp_path / f"unit_edge-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: unit-edge\nVersion: {version}\n{REQUIRES}")
        if direct_url is not None:
            (folder / "direct_url.json").write_text(json.dumps(direct_url))
        monkeypatch.setattr(sys, "path", [str(tmp_path)])
        monkeypatch.setattr(installation, "_has_pip", lambda: True)
        monkeypatch.delenv("UNIT_EDGE_CONTAINER", raising=False)

    return made


def test_of_an_index(install) -> None:  # type: ignore[no-untyped-def]
    install(None)
    assert extra_command("train") == 'pip install "unit-edge[train]"'


def test_of_a_checkout(install, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "my copy"
    folder.mkdir()
    install({"url": folder.as_uri(), "dir_info": {"editable": True}})
    assert extra_command("train,cpu") == f"pip install -e '{folder}[train,cpu]'"


def test_of_a_wheel_while_it_is_there(install, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    wheel = tmp_path / "unit_edge-0.1.0-py3-none-any.whl"
    wheel.touch()
    install({"url": wheel.as_uri(), "archive_info": {}})
    assert extra_command("cpu") == f'pip install "unit-edge[cpu] @ {wheel.as_uri()}"'
    wheel.unlink()
    assert extra_command("cpu") == 'pip install "unit-edge[cpu]"'


def test_of_a_bundle_and_a_container_names_packages(install, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    install(None, "0.1.0+board")
    assert extra_command("train,export") == "pip install 'torch>=2.6' 'tomli>=2' 'onnx>=1.17'"


def test_of_an_image_without_pip_is_how_to_build_it(install, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    install(None)
    monkeypatch.setenv("UNIT_EDGE_CONTAINER", "cpu")
    monkeypatch.setattr(installation, "_has_pip", lambda: False)
    build = "docker build -f docker/cpu.Dockerfile --build-arg PACKAGES='onnx>=1.17' -t unit-edge ."
    assert extra_command("export") == build
    assert "ARG PACKAGES" in (Path(__file__).parents[2] / "docker" / "cpu.Dockerfile").read_text()


@pytest.mark.parametrize(
    ("name", "text", "command"),
    [
        (
            "pipx_metadata.json",
            '{"injected_packages": {}, "main_package": {"package_or_url": "unit-edge[cpu]", "pip_args": []}}',
            'pipx install --force "unit-edge[cpu,train]"',
        ),
        (
            "uv-receipt.toml",
            '[tool]\nrequirements = [{ name = "unit-edge", extras = ["cpu", "serve"] }]\npython = "3.11"\n',
            'uv tool install --force "unit-edge[cpu,serve,train]"',
        ),
        (
            "uv-receipt.toml",
            '[tool]\nrequirements = [{ name = "unit-edge" }, { name = "torch", extras = ["x"] }]\n',
            'uv tool install --force "unit-edge[train]"',
        ),
    ],
)
def test_of_pipx_and_uv_keeps_the_extras(  # type: ignore[no-untyped-def]
    install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, text: str, command: str
) -> None:
    """They make the environment anew, wherever it lies; texts as pipx 1.18 and uv 0.13 write them."""
    install(None)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    (tmp_path / name).write_text(text)
    assert extra_command("train") == command
    assert extra_command("train,cpu").count("cpu") == 1
    asked = "pip uninstall -y opencv-python && pip install opencv-python-headless"
    where = f"--python {sys.executable}"
    own = f"uv pip uninstall {where} opencv-python && uv pip install {where} opencv-python-headless"
    if name.startswith("pipx"):
        own = asked.replace("pip ", f"pipx runpip {tmp_path.name} ")
    assert fitting(asked) == own
    assert fitting(fitting('pip install "unit-edge[train]"')) == command


def test_of_uv_without_pip(install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    install(None)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    (tmp_path / "pyvenv.cfg").touch()
    monkeypatch.setattr(installation, "_has_pip", lambda: False)
    assert extra_command("cpu").startswith("uv pip install --python ")
    assert fitting("pip install av") == f"uv pip install --python {sys.executable} av"
    assert fitting(fitting("pip install av")) == fitting("pip install av")


def test_texts_are_changed_where_they_are_printed(install) -> None:  # type: ignore[no-untyped-def]
    install(None, "0.1.0+board")
    text = 'onnx is missing: `pip install "unit-edge[export]"`, or do without'
    assert fitting(text) == "onnx is missing: `pip install 'onnx>=1.17'`, or do without"
