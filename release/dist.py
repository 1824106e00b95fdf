"""Makes what is released, into dist/: an sdist, a wheel, an SBOM, and checksums.

`make dist` runs it. The wheel is built from the sdist, so what is released builds itself. The bytes of both
depend on the tree alone: times are those of the commit ($SOURCE_DATE_EPOCH, or 1980), owners and order fixed.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_EARLIEST = 315_532_800  # 1980, before which a zip can't say


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist")
    parser.add_argument("--no-sbom", action="store_true", help="leave out what needs an installation")
    parser.add_argument("--no-isolation", action="store_true", help="build with the tools that are here")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    os.environ["SOURCE_DATE_EPOCH"] = str(epoch())
    os.umask(0o022)
    made = build(options.output, isolated=not options.no_isolation)
    if not options.no_sbom:
        made.append(bill_of_materials(made[1]))
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in made]
    (options.output / "SHA256SUMS").write_text("".join(sums))
    sys.stdout.write("".join(sums))


def epoch() -> int:
    """The time of everything that is packed: of the newest commit, where there is one."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        command = ["git", "log", "-1", "--format=%ct"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        given = done.stdout.strip() or str(_EARLIEST)
    return max(_EARLIEST, int(given))


def build(output: Path, *, isolated: bool) -> list[Path]:
    """The sdist, and the wheel that is built from it."""
    command = [sys.executable, "-m", "build", *([] if isolated else ["--no-isolation"])]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*command, "--sdist", "--outdir", folder, str(ROOT)], check=True, stdout=sys.stderr)
        (made,) = Path(folder).glob("*.tar.gz")
        sdist = output / made.name
        sdist.write_bytes(repacked(made.read_bytes()))
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
        source = Path(folder) / made.name.removesuffix(".tar.gz")
        subprocess.run(
            [*command, "--wheel", "--outdir", str(output), str(source)], check=True, stdout=sys.stderr
        )
    (wheel,) = output.glob(f"{source.name}-*.whl")
    return [sdist, wheel]


def repacked(archive: bytes) -> bytes:
    """A .tar.gz with the same files, in order, with fixed times, owners and modes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as given, tarfile.open(fileobj=packed, mode="w") as new:
        for member in sorted(given.getmembers(), key=lambda member: member.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = epoch(), 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, given.extractfile(member) if member.isfile() else None)
    zipped = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=zipped, mtime=epoch()) as file:
        file.write(packed.getvalue())
    return zipped.getvalue()


def bill_of_materials(wheel: Path) -> Path:
    """A CycloneDX list of what the wheel with its `cpu` extra brings along, of this day's index."""
    path = wheel.with_name(wheel.name.split("-py3")[0] + ".cdx.json")
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        command = [str(python), "-m", "pip", "install", "--quiet", f"unit-edge[cpu] @ {wheel.as_uri()}"]
        subprocess.run(command, check=True, stdout=sys.stderr)
        subprocess.run([str(python), "-m", "pip", "uninstall", "--quiet", "-y", "pip"], check=True)
        command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
        subprocess.run(
            [*command, "--pyproject", str(ROOT / "pyproject.toml"), "-o", str(path), str(python)], check=True
        )
    return path


if __name__ == "__main__":
    main()
