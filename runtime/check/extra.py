"""Packages that only the check extra brings: looked for before any work begins."""

from __future__ import annotations

from importlib.util import find_spec

from unit_edge.errors import UnitEdgeError


def require(*modules: str) -> None:
    """Raises UnitEdgeError with the command that installs it if one of these modules is missing."""
    for module in modules:
        try:
            found = find_spec(module) is not None
        except ValueError:  # None in sys.modules: as good as missing
            found = False
        if not found:
            raise UnitEdgeError(
                f'this command needs {module}: install it with `pip install "unit-edge[check]"`'
            )
