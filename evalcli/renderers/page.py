"""A page of HTML around a fragment: one file that shows itself anywhere, loads nothing and runs nothing."""

from __future__ import annotations

from evalcli.renderers.html import text

_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; }
table { border-collapse: separate; border-spacing: 0; display: block; font-variant-numeric: tabular-nums; }
table { margin: 1.5rem 0; overflow-x: auto; }
caption { font-weight: 600; max-width: calc(100vw - 2rem); padding: .3rem 0; text-align: left; }
th, td { border-bottom: 1px solid var(--line); padding: .2rem .7rem; white-space: nowrap; }
th { font-weight: 500; }
td:last-child[style*="left"] { min-width: 14rem; white-space: normal; }
th:first-child { background: Canvas; left: 0; position: sticky; }
ul { padding-left: 1.2rem; }
footer { border-top: 1px solid var(--line); margin-top: 2rem; padding-top: .5rem; }
footer { font-size: .85rem; overflow-wrap: anywhere; }
@media print { body { margin: 0; max-width: none; } table { display: table; } }
"""


def page(title: str, body: str) -> str:
    """The whole page; ``body`` is HTML already, ``title`` is any text.

    >>> page("a < b", "<p>1</p>").splitlines()[0]
    '<!doctype html>'
    """
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{text(title)}</h1>\n{body}\n</body>\n</html>\n"
    )
