"""Builds and runs docker/cpu.Dockerfile without Docker, as root: Debian by mmdebstrap, the steps by chroot.

    sudo python3 docker/try.py FOLDER

Where Docker's base is python:3.13-slim-trixie, this one is Debian trixie ($SUITE) with its own Python. Build
arguments come from the environment. It knows the instructions that the file has, and fails at others. At the
end it translates a picture and a video as the image's user.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONTEXT = (
    "unit_edge",
    "train",
    "export",
    "runtime",
    "models",
    "docker",
    "pyproject.toml",
    "README.md",
    "LICENSE",
)
LENT = ("/etc/pip.conf", "/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt")
"""Of this machine, for the build stage."""
DOCKERS_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_INPUTS = """
import av, cv2, numpy
picture = numpy.full((192, 320, 3), 200, numpy.uint8)
cv2.imwrite('/work/day.png', picture)
with av.open('/work/day.mp4', 'w') as container:
    stream = container.add_stream('libx264', rate=5, width=320, height=192, pix_fmt='yuv420p')
    for _ in range(10):
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format='bgr24')))
    container.mux(stream.encode())
"""


def steps(path: Path) -> list[tuple[str, str]]:
    """A Dockerfile's instructions, with continued lines joined."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    return [(line.split()[0], " ".join(line.split()[1:])) for line in text.splitlines() if line.strip()]


class Stage:
    """A root folder that instructions change."""

    def __init__(self, root: Path) -> None:
        self.root, self.env, self.user, self.cwd = root, {"PATH": DOCKERS_PATH}, "root", "/"
        self.entry: list[str] = []

    def run(self, command: list[str]) -> None:
        """In the root, as its user, with /proc and /dev; the root may have neither a shell nor tools."""
        user = "0" if self.user == "root" else self.user
        for name in ("proc", "dev"):
            (self.root / name).mkdir(exist_ok=True)
        mounted = 'mount -t proc proc "$1/proc"; mount --bind /dev "$1/dev"; shift; exec unshare "$@"'
        enter = [f"--root={self.root}", f"--wd={self.cwd}", f"--setgid={user}", f"--setuid={user}"]
        outer = ["unshare", "--mount", "sh", "-ec", mounted, "sh", str(self.root)]
        subprocess.run([*outer, *enter, *command], check=True, env={**self.env, "HOME": "/tmp"})

    def copy(self, source: Path, target: str, owner: str = "") -> None:
        """A file or folder into the root."""
        to = self.root / target.lstrip("/")
        if source.is_dir():
            shutil.copytree(source, to, dirs_exist_ok=True, symlinks=True)
        else:
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, to)
        if owner:
            subprocess.run(["chown", "-R", owner, str(to)], check=True)


def debian(folder: Path, packages: str) -> None:
    """A small Debian with some packages; this machine's package sources and pip settings are lent to it."""
    command = ["mmdebstrap", "--variant=apt", f"--include={packages}"]
    subprocess.run([*command, os.environ.get("SUITE", "trixie"), str(folder), *sys.argv[2:]], check=True)


def main() -> None:
    """Builds both stages, then runs the second."""
    work = Path(sys.argv[1]).resolve()
    work.mkdir(parents=True)
    debian(work / "build", "python3,python3-pip,ca-certificates")
    stages = {"build": Stage(work / "build")}
    current = stages["build"]
    lent = [Path(name) for name in LENT if Path(name).is_file()]
    for path in lent:
        stages["build"].copy(path, str(path))
    for what, text in steps(ROOT / "docker" / "cpu.Dockerfile"):
        if what == "FROM":
            if text == "scratch":
                current = Stage(work / "image")
                current.root.mkdir()
        elif what == "WORKDIR":
            (current.root / text.lstrip("/")).mkdir(parents=True, exist_ok=True)
            current.cwd = text
        elif what == "COPY" and text == ". .":
            for name in CONTEXT:
                current.copy(ROOT / name, f"{current.cwd}/{name}")
        elif what == "COPY" and text.startswith("--from=build "):
            *options, source, target = text.split()[1:]
            owner = options[0].removeprefix("--chown=") if options else ""
            current.copy(stages["build"].root / source.lstrip("/"), target, owner)
        elif what == "RUN":
            current.run(["sh", "-c", text])
        elif what in ("ENV", "ARG"):
            for pair in shlex.split(text):
                name, _, value = pair.partition("=")
                current.env[name] = os.environ.get(name, value) if what == "ARG" else value
        elif what == "USER":
            current.user = text
        elif what == "ENTRYPOINT":
            current.entry = json.loads(text)
        elif what not in ("VOLUME", "HEALTHCHECK", "CMD"):
            sys.exit(f"{what} is unknown here")
    current.run([*current.entry, "models"])
    current.run(["python3", "-c", _INPUTS])
    for name in ("day.png", "day.mp4"):
        current.run([*current.entry, "translate", name, "--to", "night"])
    size = subprocess.run(["du", "-sm", str(current.root)], capture_output=True, text=True, check=True).stdout
    sys.stdout.write(f"the image runs; {size.split()[0]} MB unpacked\n")


if __name__ == "__main__":
    main()
