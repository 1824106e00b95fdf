"""A check as one HTML page that needs nothing beside itself: tables, plots and pictures are in it."""

from __future__ import annotations

import base64
import html

from unit_edge.runtime.check.section import Picture, Section, TableRows

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1340px; margin: 2em auto; padding: 0 1em;
  color: #222 }
h1, p, figcaption { overflow-wrap: anywhere }
figure { margin: 1em 0 }
h1 { font-size: 1.5em } h2 { font-size: 1.2em; margin-top: 2em }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .25em .8em; border-bottom: 1px solid #ddd; vertical-align: top }
tr.total td { font-weight: 600 } img { max-width: 100%; height: auto }
.note { color: #665500 } .fault { color: #aa1111 } figcaption, .small { color: #555; font-size: .9em }
@media (prefers-color-scheme: dark) { body { background: #1b1b1b; color: #ddd } th, td { border-color: #444 }
  .note { color: #dcb } .fault { color: #f99 } figcaption, .small { color: #aaa } }
"""


def page(title: str, summary: list[str], sections: list[Section], notes: list[str], faults: list[str]) -> str:
    """The whole page, as HTML that needs no other file.

    Args:
        title: plain text, as all the other lines are.
        summary: what was checked.
        sections: what was found.
        notes: what one should know of it.
        faults: what couldn't be used.
    """
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>",
        *(f"<p>{html.escape(line)}</p>" for line in summary),
        *(f'<p class="fault">left out: {html.escape(line)}</p>' for line in faults),
        *(f'<p class="note">note: {html.escape(line)}</p>' for line in notes),
    ]
    for section in sections:
        parts.append(f"<h2>{html.escape(section.title)}</h2>")
        parts += [f"<p>{html.escape(line)}</p>" for line in section.paragraphs]
        if section.rows:
            parts.append(_table(section.rows))
        parts += [_figure(picture) for picture in section.pictures]
    return "\n".join([*parts, "</body></html>\n"])


def _table(rows: TableRows) -> str:
    head, *body = rows
    cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    lines = [f'<div class="wide"><table><thead><tr>{cells}</tr></thead><tbody>']
    for row in body:
        kind = ' class="total"' if row[:2] == ["all", "all"] else ""
        lines.append(f"<tr{kind}>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>")
    return "\n".join([*lines, "</tbody></table></div>"])


def _figure(picture: Picture) -> str:
    kind = "png" if picture.content.startswith(b"\x89PNG") else "jpeg"
    data = base64.b64encode(picture.content).decode()
    text = html.escape(picture.caption)
    image = f'<img src="data:image/{kind};base64,{data}" alt="{text}">'
    return f"<figure>{image}<figcaption>{text}</figcaption></figure>"
