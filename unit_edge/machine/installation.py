"""The command that adds an extra to this copy of unit-edge, however it was installed."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from unit_edge import __version__

_MARKED = re.compile(r"""(?P<what>[^;]+?)\s*;.*extra\s*==\s*["'](?P<extra>[\w-]+)["']""")


_TOOLS = (
    ("pipx_metadata.json", "pipx install --force", re.compile(r'"package_or_url": "[^"\[]*\[([\w, -]+)\]')),
    (
        "uv-receipt.toml",
        "uv tool install --force",
        re.compile(r'name = "unit-edge"[^}]*?extras = \[(["\w, -]+)\]'),
    ),
)
"""What pipx and uv leave in an environment, their command, and where that file has the extras."""
_HINT = re.compile(r'pip install "unit-edge\[([\w,-]+)\]"')


_OTHER_PIP = re.compile(r"(?<![\w-])(?<!uv )pip (install|uninstall)( -y)?(?= )")


def fitting(text: str) -> str:
    """A text whose commands of pip, first of all `pip install "unit-edge[EXTRA]"`, fit this copy."""
    return _OTHER_PIP.sub(_own_pip, _HINT.sub(lambda found: extra_command(found[1]), text))


def _own_pip(found: re.Match[str]) -> str:
    """That of an environment which is never activated, or has none, is not the `pip` of a shell."""
    tool, yes = _tool(), found[2] or ""
    if tool is not None and tool[0].startswith("pipx"):
        return f"pipx runpip {shlex.quote(Path(sys.prefix).name)} {found[1]}{yes}"
    if tool is not None or _pip() != "pip install":
        return f"uv pip {found[1]} --python {shlex.quote(sys.executable)}"
    return found[0]


def extra_command(extra: str) -> str:
    """What installs an extra, or several with commas: 'pip install "unit-edge[train]"'.

    For an editable copy it names its folder, for a wheel its file; for what pipx or uv installed, it is
    their command, with the extras that there are, since it makes the environment anew. In a container
    (docker/) and of a board's bundle, unit-edge itself can't be had again, so the extra's packages are
    named; where the container has no pip, for its image to be built with them.
    """
    found = _installed()
    pip = _pip()
    if found is None:
        return f'{pip} "unit-edge[{extra}]"'
    container = os.environ.get("UNIT_EDGE_CONTAINER")
    if container or "+" in __version__ + found.version:
        packages = _packages(found, extra)
        if container and not _has_pip():
            wanted = shlex.quote(" ".join(packages))
            return (
                f"docker build -f docker/{container}.Dockerfile --build-arg PACKAGES={wanted} -t unit-edge ."
            )
        return f"{pip} {' '.join(shlex.quote(one) for one in packages)}"
    source = _source(found)
    install, extras = _tool() or (pip, [])
    extra = ",".join(dict.fromkeys([*extras, *extra.split(",")]))
    if source.get("editable"):
        return f"{install} -e {shlex.quote(source['path'] + f'[{extra}]')}"
    where = f" @ {source['url']}" if source else ""
    return f'{install} "unit-edge[{extra}]{where}"'


def _tool() -> tuple[str, list[str]] | None:
    """The command of pipx or uv, if one made this environment, and the extras that it was asked for."""
    for name, command, asked in _TOOLS:
        path = Path(sys.prefix) / name
        if path.is_file():
            found = asked.search(path.read_text(encoding="utf-8", errors="replace"))
            return command, re.findall(r"[\w-]+", found[1]) if found else []
    return None


def _pip() -> str:
    if (Path(sys.prefix) / "pyvenv.cfg").is_file() and not _has_pip():
        return f"uv pip install --python {shlex.quote(sys.executable)}"
    return "pip install"


def _has_pip() -> bool:
    return any(distributions(name="pip"))


def _installed() -> Distribution | None:
    # in a checkout, the folder that setuptools leaves there comes first
    found = [one for one in distributions(name="unit-edge") if one.read_text("METADATA")]
    return next((one for one in found if one.read_text("direct_url.json")), found[0] if found else None)


def _source(found: Distribution) -> dict[str, Any]:
    """Where it was installed from, if not from an index (direct_url.json, PEP 610)."""
    try:
        about = json.loads(found.read_text("direct_url.json") or "{}")
        url = str(about["url"])
        editable = bool(about.get("dir_info", {}).get("editable"))
    except (ValueError, KeyError, AttributeError, TypeError):
        return {}
    parts = urlsplit(url)
    path = unquote(parts.path) if parts.scheme == "file" else ""
    if parts.scheme == "file" and not Path(path).exists():
        return {}  # it has gone, as after a build in a temporary folder
    return {"url": url, "editable": editable, "path": path}


def _packages(found: Distribution, extra: str) -> list[str]:
    """Requirements of some extras, as metadata has them, without other markers."""
    wanted, packages = set(extra.split(",")), []
    for requirement in found.requires or []:
        marked = _MARKED.match(requirement)
        if marked and marked["extra"] in wanted:
            packages.append(marked["what"].replace(" ", ""))
    return packages
