"""What `unit-edge doctor` says where packages are missing, crash or hang, in real processes."""

from __future__ import annotations

import base64
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from unit_edge.machine.gpu import Gpu
from unit_edge.runtime.doctor.doctor import SCHEMA, conclude
from unit_edge.runtime.doctor.finding import MISSING, OK, WARNING, Finding
from unit_edge.runtime.doctor.machine import nearest_cpu, nearest_gpu
from unit_edge.runtime.doctor.remedies import Machine, remedy
from unit_edge.runtime.sources import cameras

COMMAND = [sys.executable, "-c", "from unit_edge.cli import main; main()", "doctor"]
DIAGNOSE = """
import json, sys
from unit_edge.runtime.doctor.doctor import diagnose
groups, limit = sys.argv[1].split(","), float(sys.argv[2])
print(json.dumps(diagnose(groups, limit).as_dict()))
"""
NOT_ON_A_BOARD = ("torch", "onnx", "onnxscript", "safetensors", "tqdm")
PYAV = ["pyav", "libx264", "aac", "libx265", "libsvtav1", "libopus", "h264_nvenc"]

World = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """world(blocked, modules) → environment in which packages are missing, or are what is given here."""

    def make(blocked: tuple[str, ...] = (), modules: dict[str, str] | None = None) -> dict[str, str]:
        folder = tmp_path_factory.mktemp("world")
        (folder / "sitecustomize.py").write_text(
            f"import sys\nfor name in {blocked}: sys.modules[name] = None\n"
        )
        for name, code in (modules or {}).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(code)
        temporary = folder / "tmp"
        temporary.mkdir()
        no_display = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
        return {**no_display, "PYTHONPATH": str(folder), "TMPDIR": str(temporary)}

    return make


def diagnose(environment: dict[str, str], groups: str, limit_s: float = 60) -> dict[str, dict[str, Any]]:
    """Findings by name."""
    done = subprocess.run(
        [sys.executable, "-c", DIAGNOSE, groups, str(limit_s)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert list(Path(environment["TMPDIR"]).iterdir()) == []
    return {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}


@pytest.fixture(scope="module")
def here(world: World) -> dict[str, Any]:
    """The JSON of this machine, without what a board hasn't got."""
    environment = world(NOT_ON_A_BOARD)
    done = subprocess.run(
        [*COMMAND, "--json", "--timeout", "120"], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(Path(environment["TMPDIR"]).iterdir()) == []
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_json_has_what_programs_rely_on(here: dict[str, Any]) -> None:
    assert here["schema"] == SCHEMA == 1
    assert here["can_translate"] is True and here["lacking"] == [] and "onnxruntime" in here["backends"]
    for finding in here["findings"]:
        assert set(finding) == {"topic", "name", "status", "fact", "fix"}
        assert finding["status"] in ("ok", "warning", "missing", "broken")
        assert finding["fact"] and "\n" not in finding["fact"]
        assert finding["fix"] is None or (finding["fix"] and finding["status"] != "ok")
    assert list(dict.fromkeys(f["topic"] for f in here["findings"])) == [
        "machine",
        "files",
        "live",
        "backends",
    ]


def test_what_this_project_needs_works_here(here: dict[str, Any]) -> None:
    import av
    import cv2
    import onnxruntime

    found = {finding["name"]: finding for finding in here["findings"]}
    for name in ("python", "numpy", "pyav", "libx264", "aac", "opencv", "opencv ffmpeg", "onnxruntime"):
        assert found[name]["status"] == "ok", found[name]
    for name, version in (("pyav", av), ("opencv", cv2), ("onnxruntime", onnxruntime)):
        assert found[name]["fact"].startswith(version.__version__)
    assert found["python"]["fact"].startswith(sys.version.split()[0])
    if not list(Path("/dev").glob("video*")):
        assert found["cameras"]["status"] == "missing"


def test_a_board_without_anything_is_told_what_to_install(world: World) -> None:
    blocked = (*NOT_ON_A_BOARD, "numpy", "cv2", "av", "onnxruntime", "openvino", "tensorrt_rtx", "cuda")
    done = subprocess.run([*COMMAND], env=world(blocked), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    said = {line[1]: line for line in lines if len(line) == 3}
    for name in ("numpy", "pyav", "opencv", "onnxruntime", "openvino", "tensorrt-rtx", "cuda-bindings"):
        assert said[name] == ["missing", name, "not installed"]
    for fix in (r"pip install numpy", r"pip install opencv-python", r"pip install .*\[cpu\]\S*"):
        assert re.search(f"> {fix}\n", done.stdout) or "Jetson" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.startswith(
        "videos can't be translated here; lacking: numpy, pyav, libx264, opencv, a backend"
    )


def test_a_missing_package_decides(world: World) -> None:
    done = subprocess.run([*COMMAND, "--json"], env=world(("av",)), capture_output=True, text=True)
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report["can_translate"] is False and report["lacking"] == ["pyav", "libx264"]


def test_a_package_of_a_package_is_named(world: World) -> None:
    found = diagnose(world(modules={"openvino.py": "import a_package_that_is_not_there"}), "openvino")
    finding = found["openvino"]
    assert finding["status"] == "broken" and "a_package_that_is_not_there" in finding["fact"]


def test_a_crash_is_a_finding_and_the_rest_goes_on(world: World) -> None:
    """A module that aborts in one of its functions, as OpenCV does without a display."""
    crashing = """
import os, sys
__version__, CAP_FFMPEG, CAP_GSTREAMER = "9.9", 1, 2
class VideoCapture:
    def __init__(self, what, backend):
        if backend == CAP_FFMPEG:
            print("noise on stdout")
            sys.stderr.write("could not load the thing\\n")
            sys.stderr.flush()
            os.abort()
    def isOpened(self): return False
    def read(self): return False, None
    def release(self): pass
"""
    found = diagnose(world(modules={"cv2.py": crashing}), "opencv,openvino")
    assert found["opencv"]["status"] == "ok" and found["opencv"]["fact"].startswith("9.9, the system's")
    crash = found["opencv ffmpeg"]
    assert crash["status"] == "broken"
    assert crash["fact"] == "crashes with SIGABRT: could not load the thing"
    assert found["opencv gstreamer"]["status"] == "missing"
    assert "openvino" in found


def test_a_crash_on_import_leaves_the_dependent_probes_out(world: World) -> None:
    found = diagnose(
        world(modules={"av.py": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"}), "pyav"
    )
    assert list(found) == ["pyav"]
    assert found["pyav"]["fact"] == "crashes with SIGSEGV"


@pytest.mark.parametrize("library", ["libgthread-2.0.so.0", "libxcb.so.1", "libGL.so.1"])
def test_a_backend_isnt_blamed_for_an_opencv_that_lacks_a_library(world: World, library: str) -> None:
    lacking = f"raise ImportError('{library}: cannot open shared object file')"
    found = diagnose(world(modules={"cv2.py": lacking}), "opencv,onnxruntime")
    for name, fact in (
        ("opencv", f"can't be imported: {library}"),
        ("onnxruntime", ", not tried: opencv can't"),
    ):
        assert found[name]["status"] == "broken" and fact in found[name]["fact"]
        assert found[name]["fix"] == remedy("libgl")
    assert "opencv-python-headless" in str(remedy("libgl", Machine()))


def test_an_exit_in_a_library_is_a_finding(world: World) -> None:
    found = diagnose(world(modules={"openvino.py": "import os; os._exit(3)"}), "openvino")
    assert found["openvino"]["fact"] == "ends the process with code 3"


def test_a_python_that_does_not_start_is_a_finding(world: World) -> None:
    environment = world()
    (Path(environment["PYTHONPATH"]) / "sitecustomize.py").write_text(
        "import os, sys\nif 'doctor.child' in str(sys.orig_argv): os._exit(5)\n"
    )
    found = diagnose(environment, "machine,openvino")
    assert {name: finding["fact"] for name, finding in found.items()} == dict.fromkeys(
        ("machine", "openvino"), "ends the process with code 5"
    )


def test_a_hang_is_a_finding_and_its_process_is_gone(world: World, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    found = diagnose(world(modules={"openvino.py": code}), "openvino", limit_s=5)
    assert found["openvino"]["status"] == "broken"
    assert found["openvino"]["fact"] == "hangs: no answer in 5 s"
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_can_be_stopped(world: World, tmp_path: Path, number: signal.Signals, code: int) -> None:
    note = tmp_path / "pid"
    hanging = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    environment = world(modules={"openvino.py": hanging})
    process = subprocess.Popen(
        [*COMMAND, "--timeout", "600"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 60
    while not (note.exists() and note.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (code, "", "stopped\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
    assert list(Path(environment["TMPDIR"]).iterdir()) == []


def test_two_onnxruntimes_are_a_warning(world: World) -> None:
    metadata = {
        f"{name.replace('-', '_')}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\n"
        "Version: 1.0\n"
        for name in ("onnxruntime", "onnxruntime-gpu")
    }
    found = diagnose(world(modules=metadata), "onnxruntime")
    assert found["onnxruntime"]["status"] == "ok"
    packages = found["onnxruntime packages"]
    assert packages["status"] == "warning" and "overwrite one another" in packages["fact"]
    assert packages["fix"].startswith("pip uninstall -y onnxruntime onnxruntime-gpu && ")


@pytest.mark.parametrize(("off", "status"), [(0, OK), (1, OK), (2, WARNING), (255, WARNING)])
def test_backends_are_compared(off: int, status: str) -> None:
    frames = bytes([0, 9, 255, 0]), bytes([0, 9, 255, off])
    made = [
        Finding(name, OK, "1.0", output=base64.b64encode(frame).decode())
        for name, frame in zip(("onnxruntime", "openvino"), frames, strict=True)
    ]
    _, compared = conclude(made).findings
    assert compared.status == status
    assert (f"up to {off} of 255 levels" in compared.fact) == (status == WARNING)


@pytest.mark.parametrize(
    ("backends", "can"),
    [
        (["onnxruntime"], True),
        (["openvino"], True),
        (["tensorrt", "cuda-bindings"], True),
        (["tensorrt"], False),
        (["cuda-bindings"], False),
        ([], False),
    ],
)
def test_one_backend_is_enough(backends: list[str], can: bool) -> None:
    needed = ["numpy", "pyav", "libx264", "opencv"]
    findings = [Finding(name, OK, "") for name in [*needed, *backends]]
    report = conclude([*findings, Finding("onnxruntime-cuda", MISSING, "")])
    assert report.can_translate is can
    for index in range(len(needed)):
        assert conclude(findings[:index] + findings[index + 1 :]).lacking[:1] == (needed[index],)


def test_cameras_are_asked_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "_DEVICES", tmp_path / "dev")
    monkeypatch.setattr(cameras, "_NAMES", tmp_path / "names")
    assert cameras.camera_nodes() == []
    (tmp_path / "dev").mkdir()
    for number in (10, 2):
        (tmp_path / "dev" / f"video{number}").touch()
    (tmp_path / "names" / "video2").mkdir(parents=True)
    (tmp_path / "names" / "video2" / "name").write_text("HD Pro Webcam C920\n")
    nodes = cameras.camera_nodes()
    assert [node.title for node in nodes] == ["HD Pro Webcam C920", str(tmp_path / "dev" / "video10")]
    assert {node.fault for node in nodes} == {os.strerror(errno.ENOTTY)}


JETSON = "NVIDIA Jetson Orin Nano Developer Kit"


@pytest.mark.parametrize(
    ("gpu", "model", "memory", "board"),
    [
        (Gpu("NVIDIA GeForce RTX 4090", "8.9"), "", 64, "rtx-4090"),
        (Gpu("NVIDIA GeForce RTX 3060", "8.6"), "", 64, "rtx-3090"),
        (Gpu("NVIDIA H100", "9.0"), "", 64, None),
        (Gpu("Orin", "8.7"), JETSON, 8, "orin-nano-8gb"),
        (Gpu("Orin", "8.7"), f"{JETSON} Super", 8, "orin-nano-8gb-super"),
        (Gpu("Orin", "8.7"), JETSON, 3.9, "orin-nano-4gb"),
        (Gpu("Orin", "8.7"), "NVIDIA Jetson AGX Orin Developer Kit", 62, "agx-orin-64gb"),
        (Gpu("Xavier", "7.2"), "NVIDIA Jetson Xavier NX Developer Kit", 7, "xavier-nx"),
        (Gpu("NVIDIA Thor", "11.0"), "NVIDIA Jetson AGX Thor Developer Kit", 125, "thor-t5000"),
    ],
)
def test_the_nearest_board_is_named(gpu: Gpu, model: str, memory: float, board: str | None) -> None:
    nearest = nearest_gpu(gpu, model, memory)
    assert (nearest and nearest.name) == board


def test_the_nearest_processor_is_named() -> None:
    names = [
        board and board.name
        for board in (
            nearest_cpu("", "x86_64", 2),
            nearest_cpu("", "AMD64", 16),
            nearest_cpu("Raspberry Pi 5 Model B Rev 1.0", "aarch64", 4),
            nearest_cpu("Raspberry Pi 4 Model B Rev 1.4", "aarch64", 4),
        )
    ]
    assert names == ["x86-2-cores", "x86-8-cores", "raspberry-pi-5", None]


def test_remedies_fit_the_machine() -> None:
    jetson, pc, bare = (
        Machine(jetson=True, apt=True, gpu=True, cuda=12),
        Machine(gpu=True, cuda=13),
        Machine(),
    )
    assert remedy("tensorrt", jetson) == "sudo apt install python3-libnvinfer"
    assert remedy("opencv", jetson) == "sudo apt install python3-opencv"
    assert remedy("cuda-bindings", jetson) == 'pip install "cuda-bindings==12.*"'
    assert remedy("cuda-bindings", pc) == 'pip install "cuda-bindings==13.*"'
    assert remedy("onnxruntime", pc) == 'pip install "unit-edge[gpu]"'
    assert remedy("onnxruntime", bare) == 'pip install "unit-edge[cpu]"'
    for useless in ("tensorrt", "tensorrt-rtx", "cuda-bindings", "onnxruntime-cuda", "gstreamer"):
        assert remedy(useless, bare) is None


@pytest.fixture
def x_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A display of Xvfb, and the file that holds the key to it."""
    if shutil.which("Xvfb") is None or shutil.which("xauth") is None:
        pytest.skip("needs Xvfb and xauth: sudo apt install xvfb xauth")
    authority = tmp_path / "authority"
    authority.touch()
    reading, writing = os.pipe()
    subprocess.run(
        ["xauth", "-f", str(authority), "add", ":0", ".", "ab" * 16], check=True, capture_output=True
    )
    command = ["Xvfb", "-displayfd", str(writing), "-auth", str(authority), "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    patience = threading.Timer(60, server.kill)
    patience.start()
    with os.fdopen(reading) as pipe:
        display = f":{pipe.readline().strip()}"
    patience.cancel()
    subprocess.run(
        ["xauth", "-f", str(authority), "add", display, ".", "ab" * 16], check=True, capture_output=True
    )
    yield display, authority
    server.kill()
    server.wait(10)


def test_displays_are_connected_to(world: World, x_server: tuple[str, Path], tmp_path: Path) -> None:
    display, authority = x_server
    environment = {**world(), "DISPLAY": display, "XAUTHORITY": str(authority)}
    found = diagnose(environment, "display")
    assert display in found["display"]["fact"]
    assert found["window"] == {**found["window"], "status": "ok", "fact": "OpenCV shows one"}
    locked_out = diagnose({**environment, "XAUTHORITY": str(tmp_path / "none")}, "display")
    assert locked_out["window"]["status"] == "broken"
    assert f"could not connect to display {display}" in locked_out["window"]["fact"]


def test_displays_that_are_not_there(world: World) -> None:
    found = diagnose({**world(), "DISPLAY": ":4077"}, "display")
    assert (found["display"]["status"], found["window"]["status"]) == ("ok", "broken")
    assert "could not connect to display :4077" in found["window"]["fact"]
    assert diagnose(world(), "display")["display"]["status"] == "missing"
