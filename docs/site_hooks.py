"""Pages of the site that come from elsewhere: the command line, the cards of the models, the changelog."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))

import reference  # noqa: E402


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds them before links are looked at."""
    pages = {
        "cli.md": reference.markdown(),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text().replace("](docs/", "]("),
    }
    for card in sorted(ROOT.glob("models/*/CARD.md")):
        pages[f"models/{card.parent.name}.md"] = card.read_text().replace("](../../docs/", "](../")
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, config: MkDocsConfig, **_: object) -> str:
    """Names of files of the repository, in code, become links to them."""

    def link(found: re.Match[str]) -> str:
        known = (ROOT / found[1]).is_file()
        return f"[`{found[1]}`]({config.repo_url}/blob/main/{found[1]})" if known else found[0]

    parts = re.split(r"(```.*?```)", markdown, flags=re.DOTALL)
    name = r"(?<![\[`])`((?:unit_edge|train|export|runtime|docs|models|tests)/[\w./-]+\.\w+)`(?!`)"
    return "".join(part if part.startswith("```") else re.sub(name, link, part) for part in parts)


class _Links(HTMLParser):
    """What a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {value for name, value in attrs if name in ("href", "src") and value}


def on_post_build(config: MkDocsConfig) -> None:
    """All that a page names is there, in HTML too, which MkDocs leaves alone."""
    site, missing = Path(config.site_dir).resolve(), []
    for page in site.rglob("*.html"):
        links = _Links()
        links.feed(page.read_text(encoding="utf-8"))
        for link in links.found:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or not parts.path or page.name == "404.html":
                continue
            target = (page.parent / unquote(parts.path)).resolve()
            if not (target / "index.html").is_file() and not target.is_file():
                missing.append(f"{page.relative_to(site)}: {link}")
    if missing:
        raise PluginError("dead links:\n" + "\n".join(sorted(missing)))
