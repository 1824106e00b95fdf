"""The script of a bundle that installs unit-edge on the board and builds the engines there, in POSIX sh."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from unit_edge.export.bundle.board_choice import Choice

ENVIRONMENT, TIMING_CACHE = ".venv", "timing.cache"
"""What the script makes beside itself, and the engines."""

_START = r"""#!/bin/sh
# {title}
# Installs unit-edge into .venv beside this file{offline}{engines}.
# Safe to run again: it starts over. PYTHON=/path/to/python3 ./build.sh takes another Python.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")"
PYTHON=${{PYTHON:-python3}}
stop() {{ echo "build.sh: $*" >&2; exit 1; }}

echo "checking the files and this machine"
[ -w . ] || stop "can't write to $PWD; copy the bundle to a folder of yours"
sha256sum --quiet -c SHA256SUMS || stop "the files above are damaged or missing; copy the bundle again"
[ "$(uname -sm)" = "Linux {machine}" ] ||
    stop "made for Linux {machine}, this is $(uname -sm); export a bundle for this board"
version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])') ||
    stop "no $PYTHON here; install Python {pythons}"
case $version in
    {cases}) ;;
    *) stop "$PYTHON is version $version, expected {pythons}; {other_python}" ;;
esac
"$PYTHON" -c 'import sys; sys.exit(sys.maxsize < 2**32)' ||
    stop "$PYTHON is a 32-bit one; install the 64-bit system"
"$PYTHON" -c 'import ensurepip, venv' 2>/dev/null ||
    stop "python3-venv is missing; sudo apt install python3-venv"
"""

_JETSON_CHECKS = r"""
"$PYTHON" -c 'import tensorrt' 2>/dev/null ||
    stop "TensorRT is missing for $PYTHON; it is JetPack's: sudo apt install python3-libnvinfer"
"$PYTHON" -c 'import sys, tensorrt
sys.exit([int(part) for part in tensorrt.__version__.split(".")[:2]] < [10, 3])' ||
    stop "this TensorRT is older than 10.3; install JetPack 6 or newer"
"$PYTHON" -c 'import cv2' 2>/dev/null ||
    stop "OpenCV is missing for $PYTHON; sudo apt install python3-opencv, or JetPack's nvidia-opencv"
"""

_INSTALL = r"""
echo "making .venv with $("$PYTHON" --version)"
"$PYTHON" -m venv --clear {venv_options}.venv || stop "can't make .venv, see above"
install() {{
    .venv/bin/python -m pip install --quiet --disable-pip-version-check {source}"$@"
}}
install {requirements} ||
    stop "can't install{packages}, see above"
install --no-deps --force-reinstall {own_wheel} ||
    stop "can't install unit-edge, see above"
"""

_JETSON_PROOF = r"""
.venv/bin/python - <<'END' || stop "the installation doesn't work, see above"
import re, sys, av, cv2, tensorrt, cuda.bindings.runtime
print("TensorRT", tensorrt.__version__, "and OpenCV", cv2.__version__, "of the system:", cv2.__file__)
if cv2.__file__.startswith(sys.prefix):
    sys.exit("this OpenCV is not the system's: it lies in .venv")
if not re.search(r"GStreamer:\s+YES", cv2.getBuildInformation()):
    print("note: this OpenCV has no GStreamer, which cameras of the board need")
END
"""

_PROOF = r"""
.venv/bin/python -c 'import av, cv2, numpy, {module}' || stop "the installation doesn't work, see above"
"""

_ENGINES = r"""
failed=
for model in {models}; do
    echo "building $model.{backend}.engine, which may take minutes"
    .venv/bin/unit-edge build "$model.onnx" -o "$model.{backend}.engine" \
        {options} ||
        failed="$failed $model"
done
[ -z "$failed" ] || stop "no engine for$failed, see above; what else was built can be used"
"""

_END = r"""
echo "done; translate a video with"
for model in {models}; do
    echo "  \"$PWD/.venv/bin/unit-edge\" translate drive.mp4 --model \"$PWD/$model{suffix}\""
done
"""


def build_script(
    choice: Choice,
    what: str,
    models: Sequence[str],
    own_wheel: str,
    with_wheels: bool,
    tuned_for: tuple[int, int] | None,
) -> str:
    """The text of the script that builds engines on the board.

    Args:
        choice: what the bundle is for.
        what: title of the bundle.
        models: names of its models, without their suffix, the one to use first.
        own_wheel: path of unit-edge's wheel in the bundle.
        with_wheels: the other packages are in the bundle too, so there is no need for a network.
        tuned_for: width and height of the frames that engines are tuned for; None for models that take
            one size only.
    """
    jetson, engines = choice.backend == "tensorrt", choice.backend != "onnxruntime"
    pythons = [system.python for system in choice.systems]
    values = {
        "title": what,
        "offline": ", without a network" if with_wheels else "; what it needs is downloaded",
        "engines": ", and builds the engines" if engines else "",
        "machine": choice.systems[0].machine,
        "pythons": " or ".join(pythons),
        "cases": " | ".join(pythons),
        "other_python": "take the system's own: PYTHON=/usr/bin/python3 ./build.sh"
        if jetson
        else "set PYTHON, or export again with --python $version",
        "venv_options": "--system-site-packages " if jetson else "",
        "source": "--no-index --find-links wheels " if with_wheels else "",
        "packages": " the packages in wheels/" if with_wheels else " what unit-edge needs",
        "requirements": " ".join(f"\\\n    {_quoted(one)}" for one in _requirements(choice)),
        "own_wheel": shlex.quote(own_wheel),
        "module": {"rtx": "tensorrt_rtx, cuda.bindings.runtime"}.get(choice.backend, "onnxruntime"),
        "models": shlex.join(models),
        "backend": choice.backend,
        "suffix": f".{choice.backend}.engine" if engines else ".onnx",
        "options": " ".join(_build_options(choice, tuned_for)),
    }
    parts = [_START, *([_JETSON_CHECKS] if jetson else []), _INSTALL, _JETSON_PROOF if jetson else _PROOF]
    parts += [_ENGINES, _END] if engines else [_END]
    return "".join(
        part if part in (_JETSON_CHECKS, _JETSON_PROOF) else part.format(**values) for part in parts
    )


def _requirements(choice: Choice) -> list[str]:
    """For all systems of a bundle; what only one of them takes says so by its Python."""
    requirements = dict.fromkeys(choice.requirements)
    for system in choice.systems:
        if system.cuda_bindings:
            requirements[f'{system.cuda_bindings}; python_version == "{system.python}"'] = None
    return [*requirements, *(["tensorrt-rtx"] if choice.backend == "rtx" else [])]


def _quoted(requirement: str) -> str:
    return f"'{requirement}'"  # no requirement has a single quote


def _build_options(choice: Choice, tuned_for: tuple[int, int] | None) -> list[str]:
    options = ["--backend", choice.backend, "--board", choice.board.name]
    if choice.backend == "tensorrt":
        options += ["--timing-cache", TIMING_CACHE]
    if tuned_for is not None:
        options += ["--opt-size", "{}x{}".format(*tuned_for)]
    return options
