"""Gathers what a program in Python needs of this Debian into the root folder of an image.

    python3 docker/root.py APP ROOT

Of Python: its standard library without desktop, tests and pip. Of Debian: the libraries that Python and APP
load, a shell, certificates and time zones, and the licences and records of their packages, in which scanners
look for holes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

NOT_NEEDED = shutil.ignore_patterns(
    *("site-packages", "dist-packages", "__pycache__", "config-*", "*.a", "pydoc_data"),
    *("ensurepip", "idlelib", "lib2to3", "test", "tkinter", "turtledemo", "_tkinter*"),
)
DATA = (
    *("/etc/os-release", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/openssl.cnf"),
    *("/usr/lib/ssl", "/usr/share/zoneinfo"),
)
PASSWD = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n"
GROUP = "root:x:0:\nuser:x:1000:\n"


def main() -> None:
    """The command line."""
    app, root = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(library, root / library.relative_to("/"), ignore=NOT_NEEDED)
    programs = [Path(sys.executable), Path("/bin/sh")]
    loading = [*programs, *library.glob("lib-dynload/*.so"), *app.rglob("*.so*")]
    needed = [*programs, *map(Path, DATA), *libraries(path for path in loading if path.is_file())]
    kept = {path for given in needed if app not in given.parents for path in copied(given, root)}
    records([*kept, library / "os.py", Path("/usr/sbin/update-ca-certificates")], root)
    (root / "etc" / "passwd").write_text(PASSWD)
    (root / "etc" / "group").write_text(GROUP)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)


def libraries(binaries: Iterable[Path]) -> list[Path]:
    """What the loader of this system loads for them."""
    done = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False)
    if lacking := sorted(set(re.findall(r"(\S+) => not found", done.stdout))):
        sys.stderr.write(f"left out, since this Debian lacks them: {', '.join(lacking)}\n")
    return [Path(path) for path in sorted(set(re.findall(r"(/\S+) \(0x", done.stdout)))]


def copied(path: Path, root: Path) -> list[Path]:
    """Copies a file or folder, and what a link leads to; where they really lie."""
    path = path.parent.resolve() / path.name
    target = root / path.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        if not target.is_symlink():
            target.symlink_to(path.readlink())
        return [path, *copied(path.parent / path.readlink(), root)]
    if path.is_dir():
        shutil.copytree(path, target, symlinks=True, dirs_exist_ok=True)
    elif path.exists():
        shutil.copy(path, target)
    return [path]


def records(paths: Iterable[Path], root: Path) -> None:
    """The packages that these files are of: what dpkg knows of them, and their copyright notes."""
    command = ["dpkg-query", "--search", *map(str, sorted(paths))]
    owners = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    packages = sorted(set(re.findall(r"^(?!diversion)([^\s,:]+)(?::\S+)?:", owners, re.MULTILINE)))
    status = subprocess.run(["dpkg-query", "--status", *packages], capture_output=True, text=True, check=True)
    (root / "var" / "lib" / "dpkg").mkdir(parents=True)
    (root / "var" / "lib" / "dpkg" / "status").write_text(status.stdout)
    for package in packages:
        copied(Path("/usr/share/doc") / package / "copyright", root)


if __name__ == "__main__":
    main()
