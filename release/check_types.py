"""Proves that an installed wheel tells its types (py.typed): mypy and pyright look at a program that uses it.

python release/check_types.py dist/unit_edge-*.whl
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

_RIGHT = """
from unit_edge.runtime import translate_video

frames: int = translate_video("a.mp4", "b.mp4", "night").frames
"""
_WRONG = _RIGHT.replace("frames: int", "frames: str")


def main() -> None:
    """Exits with 1 if a right program is refused, or a wrong one isn't."""
    wheel = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / "bin" / "python"
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", f"unit-edge @ {wheel.as_uri()}"], check=True
        )
        for tool in ("mypy", "pyright"):
            option = "--python-executable" if tool == "mypy" else "--pythonpath"
            for text, expected in ((_RIGHT, 0), (_WRONG, 1)):
                (folder / "program.py").write_text(text)
                command = [sys.executable, "-m", tool, option, str(python), "program.py"]
                done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
                if done.returncode != expected:
                    sys.exit(
                        f"{tool} answers {done.returncode}, expected {expected}:\n{done.stdout}{done.stderr}"
                    )
            sys.stdout.write(f"{tool}: the installed wheel tells its types\n")


if __name__ == "__main__":
    main()
