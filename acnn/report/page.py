"""The page: frame, style, sections, tables. Everything that comes from outside is escaped here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from string import Template

STYLE = """
:root { --ink: #1b2430; --soft: #5a6675; --line: #dde3ea; --card: #f6f8fa; --page: #ffffff; --accent: #2563eb;
  --warn: #fff7e6; --warn-edge: #e0a030; color-scheme: light dark; }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e4e9ef; --soft: #9aa7b5; --line: #2c3642; --card: #18202a; --page: #10161d; --accent: #7aa7ff;
    --warn: #2b2413; --warn-edge: #a87a24; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 2.2rem 1.4rem 4rem; background: var(--page); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2.8rem 0 .6rem; padding-top: .9rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.02rem; margin: 1.8rem 0 .4rem; overflow-wrap: anywhere; }
p { margin: .5rem 0; max-width: 48rem; }
header p, caption, figcaption, .soft { color: var(--soft); }
dl { display: flex; flex-wrap: wrap; gap: .8rem 2.4rem; margin: 1.2rem 0 0; padding: .9rem 1.1rem;
  border-radius: 8px; background: var(--card); }
dl div { max-width: 26rem; } dt { color: var(--soft); font-size: .8rem; } dd { margin: 0; overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; margin: 1.2rem 0 0; }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
.table { overflow-x: auto; margin: .8rem 0 1.2rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .4rem; }
th, td { padding: .28rem .8rem; text-align: right; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; white-space: pre-line; vertical-align: bottom; }
th.left, td.left { text-align: left; overflow-wrap: anywhere; }
tr.total td { font-weight: 600; }
figure { margin: 1rem 0 1.6rem; overflow-x: auto; }
figure svg { display: block; width: 100%; min-width: 420px; height: auto; color: var(--ink); }
figure svg * { stroke-linejoin: round; stroke-linecap: butt; }
figcaption { font-size: .9rem; max-width: 52rem; margin-top: .4rem; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; font-size: .9rem; max-width: none; }
.notes { background: var(--warn); border-left: 3px solid var(--warn-edge); padding: .5rem 1rem; margin: 1rem 0; }
.notes ul { margin: .2rem 0; padding-left: 1.1rem; }
details summary { cursor: pointer; color: var(--accent); }
code { font-size: .88em; overflow-wrap: anywhere; }
@media print {
  body { max-width: none; padding: 0; font-size: 10.5pt; } nav { display: none; }
  h2, h3 { break-after: avoid; } figure, tr { break-inside: avoid; } .table, figure { overflow: visible; }
  details::details-content { content-visibility: visible; display: block; }
}
"""

FRAME = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header>
<h1>$title</h1>
<p>$subtitle</p>
<dl>$facts</dl>
<nav>$links</nav>
</header>
<main>
$sections
</main>
</body>
</html>
""")


@dataclass(frozen=True)
class Section:
    """A part of the page: anchor, heading, HTML."""

    anchor: str
    heading: str
    body: str


def page(title: str, subtitle: str, facts: Mapping[str, str], sections: Sequence[Section]) -> str:
    """The whole page; title, subtitle and the facts below them are plain text."""
    links = " ".join(f'<a href="#{s.anchor}">{escape(s.heading)}</a>' for s in sections)
    bodies = "\n".join(
        f'<section id="{s.anchor}">\n<h2>{escape(s.heading)}</h2>\n{s.body}\n</section>' for s in sections
    )
    return FRAME.substitute(
        title=escape(title),
        subtitle=escape(subtitle),
        facts="".join(f"<div><dt>{escape(name)}</dt><dd>{escape(fact)}</dd></div>" for name, fact in facts.items()),
        style=STYLE,
        links=links,
        sections=bodies,
    )


def table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: int = 1,
    caption: str = "",
    total: bool = False,
) -> str:
    """A table of plain text.

    Args:
        left: so many columns are text, to the left; the others are numbers, to the right.
        total: the last row is a total.
    """
    head = _cells("th", headings, left)
    marks = [""] * len(rows)
    if total and rows:
        marks[-1] = ' class="total"'
    body = "\n".join(f"<tr{mark}>{_cells('td', row, left)}</tr>" for mark, row in zip(marks, rows, strict=True))
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    header = f"<thead><tr>{head}</tr></thead>" if any(headings) else ""
    return f'<div class="table"><table>{above}{header}<tbody>\n{body}\n</tbody></table></div>'


def _cells(tag: str, texts: Sequence[str], left: int) -> str:
    sides = [' class="left"'] * left + [""] * (len(texts) - left)
    return "".join(f"<{tag}{side}>{escape(text)}</{tag}>" for side, text in zip(sides, texts, strict=True))


def figure(svg: str, caption: str) -> str:
    """An SVG element with what to look for in it (plain text)."""
    return f"<figure>\n{svg}\n<figcaption>{escape(caption)}</figcaption>\n</figure>"


def paragraph(text: str) -> str:
    """Plain text."""
    return f"<p>{escape(text)}</p>"


def subheading(text: str) -> str:
    """Plain text."""
    return f"<h3>{escape(text)}</h3>"


def notes(sentences: Sequence[str]) -> str:
    """A box of sentences that ask for attention; empty without any."""
    if not sentences:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<div class="notes"><ul>{items}</ul></div>'


def folded(summary: str, body: str) -> str:
    """HTML that is shown on demand."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"
