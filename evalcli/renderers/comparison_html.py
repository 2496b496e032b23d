"""A comparison for a notebook, a fragment of HTML, and for a file, a page: as inert as those of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.renderers import comparison_slices, league_slices, versus, wording
from evalcli.renderers.html import NAME, finding_list, gate_table, table, text

if TYPE_CHECKING:
    from evalcli.comparing.data import Comparison

_FLIPS = ("support", "both right", "wrong → right", "right → wrong", "wrong → wrong", "both wrong alike")


def render_comparison_fragment(comparison: Comparison) -> str:
    """Headline, gates, findings, metrics, labels, flips and rows, in one ``div``."""
    return f'<div class="evalcli-comparison">{"".join(_parts(comparison))}</div>'


def render_comparison_page(comparison: Comparison) -> str:
    """The same as a page."""
    from evalcli.renderers.page import page

    return page("Comparison", "\n".join(part for part in _parts(comparison) if part))


def _parts(comparison: Comparison) -> list[str]:
    metrics = _league if comparison.kind == "league" else _metrics
    return [part(comparison) for part in (_headline, _gates, _findings, metrics, _slices, _labels, _flips, _rows)]


def _headline(comparison: Comparison) -> str:
    sides = [(one.name, [one.path, *([one.column] if one.column else []), one.scores]) for one in comparison.models]
    models = "".join(f"<br>{name}: {', '.join(text(part, NAME) for part in parts)}" for name, parts in sides)
    facts = "".join(f"<br>{text(key)}: {text(fact)}" for key, fact in versus.facts(comparison))
    if comparison.positive is not None:
        facts += f"<br>positive: {text(comparison.positive, NAME)}"
    said = ""
    if comparison.metrics:
        first = comparison.metrics[0]
        others = [place for place in range(len(comparison.models)) if place != comparison.reference]
        words = "; ".join(versus.in_words(comparison, first, place) for place in others[:1])
        said = f"<strong>{text(versus.metric_title(first.name))}: {text(words)}</strong>"
    return f"<p>{said}{models}{facts}</p>"


def _gates(comparison: Comparison) -> str:
    return gate_table(comparison.gates)


def _findings(comparison: Comparison) -> str:
    return finding_list(comparison.findings)


def _metrics(comparison: Comparison) -> str:
    rows = []
    for row in comparison.metrics:
        found = row.differences[1]
        told = ["", "", "", ""]
        if found is not None:
            told = [versus.difference(row, found), versus.interval(row, found)]
            told += [versus.probability(p) for p in (found.p, found.adjusted)]
        values = [versus.value(row, value) for value in row.values]
        cells = [versus.metric_title(row.name), *values, *told, versus.in_words(comparison, row)]
        rows.append([text(cell, 2 * NAME) for cell in cells])
    names = [model.name for model in comparison.models]
    heads = ("metric", *names, versus.sides(comparison), f"{versus.level(comparison)} interval", "p", "Holm", "")
    below = "".join(f"<p>{text(each)}</p>" for each in versus.by_size(comparison))
    return table("Metrics", map(text, heads), rows, (len(heads) - 1,)) + below


def _league(comparison: Comparison) -> str:
    rows = []
    for place in versus.league(comparison):
        cells = [
            f"{versus.value(row, row.values[place])} {versus.standing(row, place, comparison.reference)}".strip()
            for row in comparison.metrics
        ]
        apart = place != comparison.reference and bool(comparison.metrics)
        words = versus.in_words(comparison, comparison.metrics[0], place) if apart else ""
        rows.append([text(cell, 2 * NAME) for cell in (comparison.models[place].name, *cells, words)])
    heads = ("model", *(versus.metric_title(row.name) for row in comparison.metrics), "")
    return table("Models, the best first", (text(head, NAME) for head in heads), rows, (len(heads) - 1,))


def _slices(comparison: Comparison) -> str:
    found = []
    of_league = comparison.kind == "league"
    pages = league_slices if of_league else comparison_slices
    heads = ("slice", "n", "metric", *map(text, pages.page_heads(comparison)))
    for by, rows in pages.page_cells(comparison):
        cells = [
            [text(one.value, NAME), f"{one.n:,}", text(versus.metric_title(row.name), NAME), *map(text, told)]
            for one, row, told in rows
        ]
        caption = f"By {text(by, NAME)}; {text(pages.LEGEND)}"
        found.append(table(caption, heads, cells, (2, 3) if of_league else (2,)))
    return "".join(found)


def _labels(comparison: Comparison) -> str:
    rows = [
        [text(label.name, NAME), *map(text, versus.label_cells(label))] for label in versus.shown_labels(comparison)
    ]
    heads = ("label", *map(text, versus.label_heads(comparison)))
    return table(f"Labels, {text(versus.LABEL_LEGEND)}", heads, rows) if rows else ""


def _flips(comparison: Comparison) -> str:
    rows = [
        [
            "all" if row.name is None else text(row.name, NAME),
            *(f"{number:,}" for number in (row.support, row.right, row.fixed, row.broken, row.other, row.same)),
        ]
        for row in versus.shown_flips(comparison)
    ]
    return table("Flips", (versus.noun(comparison, 1), *map(text, _FLIPS)), rows) if comparison.flips else ""


def _rows(comparison: Comparison) -> str:
    rows = []
    for kind, found in versus.shown_rows(comparison).items():
        for row in found:
            names = (wording.UNDEFINED if name is None else name for name in versus.answers(comparison, row))
            cells = (versus.kind_of(comparison, kind), versus.place_of(row), *names)
            rows.append([text(cell, NAME) for cell in cells])
    caption = f"Rows: {versus.LABELS_LEGEND}" if comparison.task == "multilabel" else "Rows"
    found_rows = table(text(caption), ("", "where", "target", "A", "B"), rows, range(1, 5)) if rows else ""
    return f"<details><summary>Rows</summary>{found_rows}</details>" if found_rows else ""
