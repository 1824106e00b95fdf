"""Gives the project another address: `make address URL=https://github.com/OWNER/NAME`.

`Repository` in pyproject.toml is where the project is; whatever else names it is written anew by this.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMED_IN = ("README.md", "SECURITY.md", "CITATION.cff", "mkdocs.yml", "docs/fleet.md", "pyproject.toml")
_GITHUB = re.compile(r"https://github\.com/([A-Za-z0-9][\w-]*)/([\w.-]*\w)")


def address() -> str:
    """The project's, by pyproject.toml."""
    found = re.search(r'^Repository = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def forms(url: str) -> tuple[str, str, str]:
    """How text names a repository on GitHub: its page, its files as they are, and the site made of it.

    Raises:
        ValueError: it is no address of a repository there.
    """
    found = _GITHUB.fullmatch(url)
    if found is None:
        raise ValueError(f"{url!r}: expected https://github.com/OWNER/NAME")
    owner, name = found.groups()
    site = f"https://{owner.lower()}.github.io/{name}"
    return url, f"https://raw.githubusercontent.com/{owner}/{name}", site


def main() -> None:
    """The command line."""
    if len(sys.argv) != 2:
        sys.exit("usage: release/address.py https://github.com/OWNER/NAME")
    try:
        pairs = list(zip(forms(address()), forms(sys.argv[1].rstrip("/")), strict=True))
    except ValueError as error:
        sys.exit(f"error: {error}")
    for name in NAMED_IN:
        path = ROOT / name
        text = path.read_text()
        for old, new in pairs:
            text = re.sub(re.escape(old) + r"(?![\w.-]*\w)", lambda _, new=new: new, text)
        path.write_text(text)


if __name__ == "__main__":
    main()
