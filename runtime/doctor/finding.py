"""One line of `unit-edge doctor`, and how a probe says that something is amiss."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from unit_edge.runtime.doctor.remedies import remedy
from unit_edge.text.printable import one_line

OK, WARNING, MISSING, BROKEN = "ok", "warning", "missing", "broken"
SHORT = 160
"""The most characters of an error in a finding."""
_DESKTOPS = re.compile(r"lib(GL|EGL|xcb|X11|xkbcommon|SM|ICE|glib|gthread)\b.*\.so")
"""Libraries that OpenCV's wheel with windows takes from the system, and that a server's lacks."""


@dataclass(frozen=True)
class Finding:
    """What was found of one thing.

    Attributes:
        name: of the thing.
        status: OK, WARNING (works, but mind the fact), MISSING or BROKEN (it is here and doesn't work).
        fact: what there is to know, in a few words.
        fix: a command that mends it, None where nothing needs mending or no command does.
        topic: heading that it belongs under.
        output: base64 of the frame that a backend made, for comparing backends; not for people.
    """

    name: str
    status: str
    fact: str
    fix: str | None = None
    topic: str = ""
    output: str | None = None

    @property
    def works(self) -> bool:
        return self.status in (OK, WARNING)


class Problem(Exception):
    """Ends a probe: what it looked for is missing or broken."""

    def __init__(self, status: str, fact: str, fix: str | None = None) -> None:
        super().__init__(fact)
        self.status, self.fact, self.fix = status, fact, fix


def load(module: str, package: str, way: Callable[[], Any] | None = None) -> Any:
    """A module that may be missing; `package` is what `remedy` knows it by.

    `way` imports it where importing it plainly would do more than that.

    Raises:
        Problem: it isn't installed, or can't be imported.
    """
    try:
        return importlib.import_module(module) if way is None else way()
    except ModuleNotFoundError as error:
        lacking = error.name or module
        if module == lacking or module.startswith(f"{lacking}."):
            raise Problem(MISSING, "not installed", remedy(package)) from None
        raise Problem(BROKEN, f"needs {lacking}, which is not installed", remedy(lacking)) from None
    except Exception as error:
        text = one_line(error, SHORT)
        raise Problem(BROKEN, f"can't be imported: {text}", _cure(package, text)) from None


def _cure(package: str, text: str) -> str | None:
    if package == "opencv" and _DESKTOPS.match(text):
        return remedy("libgl")
    if package == "opencv" and ("numpy" in text.lower() or "_ARRAY_API" in text):
        return remedy("numpy-1")  # the system's OpenCV is built for numpy 1
    return remedy(package)
