"""docs/errors.md says what the code says, and knows every class of errors."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path

from unit_edge import errors

ROOT = Path(__file__).parents[1]


def test_every_message_is_on_the_page() -> None:
    spec = importlib.util.spec_from_file_location("make_errors", ROOT / "docs" / "make_errors.py")
    assert spec is not None and spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    ours = {
        kind.__name__
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if kind.__module__ == errors.__name__
    }
    assert set(maker.CLASSES) == ours
    text = maker.page()
    assert text.count("\n- ") > 200
    assert (ROOT / "docs" / "errors.md").read_text() == text, "run `python docs/make_errors.py`"
