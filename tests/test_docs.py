"""The pages say what the program does: code that can run is run, questions quote errors that there are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def python_blocks() -> list[object]:
    pages = [ROOT / "README.md", *DOCS.glob("*.md"), *DOCS.glob("tutorial/*.md")]
    return [
        pytest.param(block, id=f"{page.stem}-{number}")
        for page in sorted(pages)
        for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
    ]


@pytest.mark.parametrize("block", python_blocks())
def test_python_of_the_pages_runs(block: str, tmp_path: Path, write_clip) -> None:  # type: ignore[no-untyped-def]
    write_clip("drive.mp4", frames=2)
    import cv2
    import numpy as np

    cv2.imwrite(str(tmp_path / "photo.jpg"), np.full((48, 64, 3), 90, np.uint8))
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_errors_of_the_questions_are_real() -> None:
    """Each `error: ...` that a question quotes is one of the page of errors."""
    templates = re.findall(r"^- ``(.*)`` \(", (DOCS / "errors.md").read_text(), re.MULTILINE)
    patterns = [
        re.compile(".*".join(re.escape(part) for part in template.split("..."))) for template in templates
    ]
    quoted = re.findall(r"^## `error: (.*)`$", (DOCS / "faq.md").read_text(), re.MULTILINE)
    assert len(quoted) >= 4
    for text in quoted:
        found = any(pattern.fullmatch(text) for pattern in patterns if len(pattern.pattern) > 12)
        assert found or text.endswith("..."), text


def test_links_of_the_readme_work_on_an_index_and_lead_somewhere() -> None:
    """All of them are whole addresses, and those into this repository name a file of it."""
    text = (ROOT / "README.md").read_text()
    links = re.findall(r"!?\[[^\]]*\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    assert links
    for link in links:
        assert link.startswith("https://"), link
        inside = re.match(r"https://(?:raw\.githubusercontent|github)\.com/\S+?/main/(.*)", link)
        assert inside is None or (ROOT / inside[1]).exists(), link


def test_every_command_has_a_page_and_a_man_page(tmp_path: Path) -> None:
    script = [sys.executable, str(DOCS / "reference.py"), "man", str(tmp_path)]
    subprocess.run(script, check=True)
    pages = {path.name for path in tmp_path.iterdir()}
    helped = subprocess.run(
        [sys.executable, "-m", "unit_edge", "--help"], capture_output=True, text=True
    ).stdout
    commands = re.findall(r"^  ([a-z]+)  ", helped[helped.index("Commands:") :], re.MULTILINE)
    assert len(commands) > 15
    assert pages == {"unit-edge.1", *(f"unit-edge-{command}.1" for command in commands)}
    translate = (tmp_path / "unit-edge-translate.1").read_text()
    assert translate.startswith('.TH "UNIT-EDGE-TRANSLATE" "1"') and "\\-\\-overwrite" in translate
    assert not re.search(r"^\.(?!TH|SH|B |BR |PP|TP|nf|fi)", translate, re.MULTILINE)
