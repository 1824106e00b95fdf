"""`make mutants`: changes one thing at a time where a silent fault costs most, and looks if a test fails.

It works on a copy of the tree in runs/mutants, so that an interrupted run leaves no mutant behind, and the
next one goes on with it. docs/mutants.md has what survived and why.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "runs" / "mutants"
LIMIT_S = 300
SUBJECTS = {
    "channel": (
        ["runtime/channel.py"],
        ["--noconftest", "tests/runtime/test_newest.py", "tests/runtime/test_pipeline.py"],
    ),
    "losses": (["train/losses/equations.py", "train/losses/steady.py"], ["tests/train/losses"]),
    "guided": (
        ["train/guided.py"],
        ["--noconftest", "tests/export/test_detail.py", "tests/train/test_guided_step.py"],
    ),
    "parts": (
        ["runtime/sinks/video/parts.py", "runtime/sinks/video/part.py"],
        [
            "--noconftest",
            "tests/runtime/sinks/video/test_parts.py",
            "tests/runtime/sinks/video/test_parts_folder.py",
            "tests/runtime/sinks/video/test_fragments.py",
        ],
    ),
    "fragments": (
        ["runtime/sinks/video/fragments.py"],
        [
            "--noconftest",
            "tests/runtime/sinks/video/test_fragment_boxes.py",
            "tests/runtime/sinks/video/test_fragments.py",
        ],
    ),
}
"""Files to change, and the tests that must notice."""


def copy_tree() -> Path:
    """The tree, with links that give it its import name."""
    tree = FOLDER / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    kept_out = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("unit_edge", "train", "export", "runtime", "tests", "docs", "models"):
        shutil.copytree(ROOT / name, tree / name, ignore=kept_out)
    shutil.copy(ROOT / "pyproject.toml", tree)
    links = tree / ".typing" / "unit_edge"
    links.mkdir(parents=True)
    for path in (*(tree / "unit_edge").iterdir(), tree / "train", tree / "export", tree / "runtime"):
        (links / path.name).symlink_to(path)
    return tree


def survivors(session: Path) -> Iterator[str]:
    """What was changed without a test that failed."""
    dump = subprocess.run([_tool(), "dump", session], check=True, capture_output=True, text=True).stdout
    for line in dump.splitlines():
        item, result = json.loads(line)
        if result is not None and result["test_outcome"] == "survived":
            for change in item["mutations"]:
                path, (row, _) = change["module_path"], change["start_pos"]
                yield f"{path}:{row} {change['operator_name'].removeprefix('core/')} {change['occurrence']}"


def _tool(name: str = "cosmic-ray") -> Path:
    return Path(sys.executable).with_name(name)


def main() -> None:
    """Runs what is left of each subject that is named, and prints what survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(SUBJECTS)} [default: all]"
    )
    for name in parser.parse_args().subjects or SUBJECTS:
        files, tests = SUBJECTS[name]
        tree, config = copy_tree(), FOLDER / f"{name}.toml"
        digest = hashlib.sha256(b"".join((tree / path).read_bytes() for path in files)).hexdigest()
        session = FOLDER / f"{name}-{digest[:12]}.sqlite"
        pytest = [sys.executable, "-m", "pytest", "-n", "0", "-x", "-q", "-p", "no:cacheprovider"]
        config.write_text(
            f"[cosmic-ray]\nmodule-path = {json.dumps(files)}\ntimeout = {LIMIT_S}.0\nexcluded-modules = []\n"
            f"test-command = {json.dumps(' '.join([*pytest, *tests]))}\n"
            '[cosmic-ray.distributor]\nname = "local"\n'
            "[cosmic-ray.filters.operators-filter]\n"
            'exclude-operators = ["core/ReplaceBinaryOperator_BitOr_.*"]\n'  # annotations: int | None
        )
        environment = {**os.environ, "PYTHONPATH": str(tree / ".typing"), "OMP_NUM_THREADS": "1"}
        baseline = subprocess.run([*pytest, *tests], cwd=tree, env=environment)
        if baseline.returncode:
            sys.exit(f"{name}: its tests fail without any mutant")
        for path in files:  # the bytecode of what isn't changed is kept, which saves compiling it each time
            for compiled in (tree / path).parent.glob(f"__pycache__/{Path(path).stem}.*"):
                compiled.unlink()
        if not session.exists():
            subprocess.run([_tool(), "init", config, session], cwd=tree, env=environment, check=True)
            subprocess.run([_tool("cr-filter-operators"), session, config], cwd=tree, check=True)
        worker = [sys.executable, str(ROOT / "tests/mutants_worker.py"), str(session), str(LIMIT_S), *tests]
        subprocess.run(worker, cwd=tree, env=environment, check=True)
        print(f"{name}: survived:", *survivors(session), sep="\n  ")


if __name__ == "__main__":
    main()
