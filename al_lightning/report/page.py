"""The frame of a report and its parts: plain HTML and CSS, no script, nothing from a network.

Arguments named `html` are trusted markup; everything else is escaped here.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

CSS = """
:root { color-scheme: light; --ink: #1d1d1f; --quiet: #5c5c61; --line: #dcdce0; --soft: #f6f6f7; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); -webkit-text-size-adjust: 100%;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; letter-spacing: -.015em; margin: 0 0 .4rem; text-wrap: balance; }
h2 { font-size: 1.4rem; line-height: 1.25; letter-spacing: -.01em; margin: 3rem 0 .8rem; padding-top: 1.1rem;
  border-top: 2px solid var(--ink); text-wrap: balance; }
h3 { font-size: 1.1rem; margin: 2.4rem 0 .5rem; }
h4 { font-size: 1rem; margin: 1.5rem 0 .3rem; }
p { margin: .5rem 0; max-width: 44rem; overflow-wrap: anywhere; }
.lead { font-size: 1.1rem; }
.quiet, figcaption { color: var(--quiet); font-size: .875rem; }
.note, .warning { padding: .6rem .9rem; border-left: 4px solid #b9b9bf; background: var(--soft); max-width: 44rem; }
.warning { border-color: #b54708; background: #fff4ea; }
.note p, .warning p { margin: .2rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; margin: .8rem 0; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 1rem 0; } figure img { width: 100%; max-width: 40rem; height: auto; display: block; }
.small { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 0 1.5rem; }
.small figure img { max-width: 28rem; }
.scroll { overflow-x: auto; margin: .8rem 0 .4rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9375rem; }
th, td { padding: .35rem .8rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line);
  vertical-align: baseline; }
th:first-child { text-align: left; padding-left: 0; position: sticky; left: 0; background: #fff; }
thead th { font-weight: 600; border-bottom: 1.5px solid var(--ink); vertical-align: bottom; line-height: 1.3; }
tbody th { font-weight: 400; }
small { color: var(--quiet); font-size: .8125em; font-weight: 400; }
.swatch { display: inline-block; width: .7em; height: .7em; border-radius: 2px; margin-right: .5em; }
.keys .key { white-space: nowrap; margin-right: 1rem; }
.keys i { display: inline-block; width: 1.4em; height: 4px; margin-right: .4em; vertical-align: middle; }
.picks { margin: .6rem 0; break-inside: avoid; }
.picks > p { margin: 0 0 .15rem; font-size: .875rem; color: var(--quiet); }
.picks > p b { color: var(--ink); font-weight: 600; }
.picks ul { display: grid; grid-template-columns: repeat(auto-fill, minmax(4.35rem, 1fr)); gap: .3rem;
  list-style: none; margin: 0; padding: 0; }
.picks ul.ids { display: flex; flex-wrap: wrap; }
.picks li { border-bottom: 4px solid; line-height: 0; }
.picks img { display: block; width: 100%; aspect-ratio: 5 / 4; object-fit: contain; background: #111; }
.picks code { line-height: 1.3; font-size: .75rem; padding: .1rem .35rem; background: var(--soft); display: block;
  overflow-wrap: anywhere; }
details summary { cursor: pointer; margin: .8rem 0; }
@media (max-width: 40rem) {
  main { padding: 1.5rem 1rem 3rem; } h1 { font-size: 1.55rem; } h2 { font-size: 1.25rem; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .45rem; }
}
@media print {
  body { font-size: 10pt; } main { max-width: none; padding: 0; } .scroll { overflow: visible; }
  table { font-size: 8.5pt; } th, td { padding: .2rem .45rem; } figure, tr, .note, .warning { break-inside: avoid; }
  h2, h3, h4 { break-after: avoid; } .picks ul { grid-template-columns: repeat(12, 1fr); }
  * { print-color-adjust: exact; }
}
"""


def page(title: str, html: str) -> str:
    """A whole document."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n{html}\n</main>\n</body>\n</html>\n"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """A table that scrolls by itself where it is too wide. Cells and headings are markup; the caption is text."""
    headings = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>' + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>\n"
        for row in rows
    )
    # Focusable, so that the keyboard can scroll it.
    return (
        f'<div class="scroll" tabindex="0"><table>\n<thead><tr>{headings}</tr></thead>\n'
        f'<tbody>\n{body}</tbody></table></div>\n<p class="quiet">{escape(caption)}</p>'
    )


def figure(svg: str, alt: str, caption: str = "") -> str:
    """An SVG as a picture of its own: two figures in one page cannot mix up their element ids."""
    data = base64.b64encode(svg.encode()).decode("ascii")
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure><img src="data:image/svg+xml;base64,{data}" alt="{escape(alt, quote=True)}">{below}</figure>'


def definitions(pairs: Sequence[tuple[str, str]]) -> str:
    """Terms and what they are, both text."""
    return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>\n" for k, v in pairs) + "</dl>"


def note(lines: Sequence[str], kind: str = "note") -> str:
    """A box of sentences; nothing where there are none."""
    if not lines:
        return ""
    return f'<div class="{kind}">' + "".join(f"<p>{escape(line)}</p>" for line in lines) + "</div>"
