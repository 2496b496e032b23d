"""Both sides of a table input, chosen and joined, and the faults that either way of reading them can meet."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from evalcli.errors import EmptyError, EvalError, Faulty, InputError, LimitError, UsageError
from evalcli.shell import word
from evalcli.sources import table_columns as columns
from evalcli.sources.base import Field, Note
from evalcli.sources.bounds import parts_of
from evalcli.sources.clustering import cluster_sql
from evalcli.sources.csvtext import label_fault
from evalcli.sources.duck import literal
from evalcli.sources.naming import Chosen, check_order, choose, choose_target, first_line, no_weight, repeated_names
from evalcli.sources.table_join import PRED_ROW, SHOWN, TARGET_ROW, Joined
from evalcli.sources.table_slices import SliceColumn, slice_columns
from evalcli.sources.unlike import unlike_note
from evalcli.sources.usual_names import USUAL_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from evalcli.sources.base import Scanned, Selection, Slicer
    from evalcli.sources.cell_rows import CellStream
    from evalcli.sources.spooled import SpooledRows
    from evalcli.sources.table import Table
    from evalcli.sources.table_counts import Groups
    from evalcli.sources.table_join import Column
    from evalcli.sources.table_rows import RowStream
    from evalcli.sources.table_scan import ScanColumns
    from evalcli.sources.tables import Tables

CLASS_LIMIT = 2_000_000
_ONE_VALUE = frozenset({"text", "integer", "float", "boolean"})
"""Kinds of columns that hold one value a row."""

CHECKS = (
    "header",
    "cell",
    "score",
    "lost",
    "gap",
    "target",
    "inexact score",
    "inexact target",
    "weight",
    "no weight",
    "odd weight",
)
"""What can be wrong with rows, in the order in which one process finds it; of one kind, columns as they were chosen."""

QUOTED_FORMATS = frozenset({"csv", "tsv"})
"""Where two stray quotes can make one label of many rows."""


@dataclass(slots=True)
class Opened:
    """What became of two sides: fields, and either groups or a stream of rows."""

    preds: Field
    target: Field
    rows: int
    dropped: int
    groups: Groups | None = None
    stream: RowStream | CellStream | None = None
    notes: list[Note] = field(default_factory=list)
    singly: RowStream | None = None
    """The rows one by one, where ``stream`` does not give them; nothing is read before it is used."""
    spooled: SpooledRows | None = None
    """The same rows where they were kept as they were counted."""
    slicers: tuple[Slicer, ...] = ()
    scanned: Scanned | None = None


@dataclass(frozen=True, slots=True)
class Sides:
    """The columns that were chosen, over the rows that were joined. ``classes`` are the names of score columns."""

    joined: Joined
    preds: tuple[Column, ...]
    target: Column
    weight: Column | None
    classes: tuple[str, ...] | None
    selection: Selection
    heard: Callable[[float], None]
    slices: tuple[SliceColumn, ...] = ()
    scan: ScanColumns | None = None
    cluster: str | None = None
    """The number of each row's cluster, in SQL."""

    def read_scan(self) -> tuple[Scanned | None, tuple[SliceColumn, ...]]:
        """What is searched for weak slices, and its columns."""
        if self.scan is None:
            return None, ()
        from evalcli.sources.table_scan import read_scan

        scanned = read_scan(self.joined, self.scan, self.kept_sql(), self.heard)
        return scanned, self.scan.keep(scanned)

    def query(self, sql: str) -> Any:
        """A statement that may take long: its progress is heard."""
        return self.joined.tables.query(sql, progress=self.heard)

    def of_all(self, **texts: Collection[str]) -> list[set[str]]:
        """These texts, with those that others find in the rows of the same table that they read."""
        told = self._told({name: sorted(found) for name, found in texts.items()})
        return [{text for one in told for text in one[name]} for name in texts]

    def sums(self, *counts: int) -> list[int]:
        """These counts, with those of others."""
        return [sum(each) for each in zip(*self._told(counts), strict=True)]

    def faulty(self, test: str, column: Column) -> Faulty:
        """The rows that stay and for which ``test`` holds, with those of others, and what ``column`` is there."""
        kept = " AND ".join(f"({each})" for each in (test, self.kept_sql()) if each)
        if test == "false":
            return Faulty(0, [], [])
        count = self.query(f"SELECT count(*) {self.joined.source(also=kept)}").fetchall()[0][0]
        return self.first(count, *(self.joined.places(column.side, kept, column.sql) if count else ([], [])))

    def first(self, count: int, places: Sequence[str], values: Sequence[Any] = ()) -> Faulty:
        """So many rows, at these places and with these values, with those of others, of which the first are kept."""
        told = self._told([count, places, values])
        places, values = ([each for one in told for each in one[i]][:SHOWN] for i in (1, 2))
        return Faulty(sum(one[0] for one in told), places, values)

    def span(self, low: int | None, high: int | None) -> tuple[int | None, int | None]:
        """From the least to the most, here and elsewhere."""
        told = [one for one in self._told([low, high]) if one[0] is not None]
        return (min(one[0] for one in told), max(one[1] for one in told)) if told else (None, None)

    def _told(self, said: Any) -> list[Any]:
        together = self.selection.together
        return [said] if together is None else together(said)

    @property
    def truth(self) -> tuple[Column, ...]:
        """The columns of the target."""
        return (self.target,)

    @property
    def path(self) -> str:
        """The file that errors about the pair name."""
        return self.joined.preds.path

    def table(self, column: Column) -> Table:
        """The table that a column lies in."""
        return self.joined.preds if column.side == "preds" else self.joined.files[-1]

    def field(self, side: str, dtype: str, shape: tuple[int, ...], labels: Sequence[str] | None = None) -> Field:
        """The description of a side."""
        table = self.joined.preds if side == "preds" or self.joined.target is None else self.joined.target
        name = self.target.name if side == "target" else self.preds[0].name
        if side == "preds" and self.classes is not None:
            name = f"{name.removesuffix(self.classes[0])}*"
        named = self.classes if side == "preds" else None
        return Field(name, table.path, shape, dtype, None if labels is None else tuple(labels), named)

    def check_gaps(self, preds: int, target: int, *, values: bool = False) -> None:
        """Judge missing cells by ``selection.nan``, given how many rows have one on either side, here and elsewhere.

        ``values`` have no wrong answers that a missing one could count as.

        Raises:
            InputError: with the count and the first places.

        """
        if preds or target or self.selection.where is not None:
            self.joined.check_lengths()  # unequal lengths look like missing cells at the end
        if self.selection.nan == "drop":
            return
        if target:
            path = (self.joined.target or self.joined.preds).path
            found = self._missing("target", columns.absent_sql(self.target), target)
            raise self.counted(
                "lost", self.target, found, partial(_gap, "target", "--nan drop leaves such rows out", path)
            )
        if preds and self.selection.nan != "wrong":
            wrong = "" if values else ", --nan wrong counts them as errors of the model"
            fix = f"--nan drop leaves such rows out{wrong}"
            found = self._missing("preds", self.gap_sql(), preds)
            raise self.counted("gap", self.preds[0], found, partial(_gap, "prediction", fix, self.path))

    def gap_sql(self) -> str:
        """Whether a prediction is missing, in SQL."""
        if len(self.preds) == 1 and self.preds[0].kind != "list":
            return f"{self.preds[0].sql} IS NULL"
        return " OR ".join(columns.missing_sql(each) for each in self.preds)

    def place(self, row: int, side: str) -> str:
        """Where row ``row`` of those that stay lies in the file of a side, in words."""
        number, table = (TARGET_ROW, self.joined.target) if side == "target" else (PRED_ROW, self.joined.preds)
        if table is None:
            number, table = PRED_ROW, self.joined.preds
        source = self.joined.source(numbered=True, also=self.kept_sql())
        found = self.query(f"SELECT {number} {source} {self.joined.order} LIMIT 1 OFFSET {row}").fetchall()
        return table.locate(int(found[0][0])) if found else f"row {row}"

    def kept_sql(self) -> str:
        """Which rows stay, in SQL; empty when all do."""
        if self.selection.nan != "drop":
            return ""
        return f"NOT ({self.gap_sql()}) AND NOT ({columns.absent_sql(self.target)})"

    def check_numbers(self, column: Column, role: str, *, by_sample: bool = False) -> None:
        """Refuse texts that are no numbers; a weight may not be missing either.

        Raises:
            InputError: with the count, an example and the first places; rows that are a header again are told as that.

        """
        flag = "; if the column holds labels, --scores labels" if by_sample else ""
        flag = "; without bounds each text is a slice" if role == "cell" else flag
        fixes = {
            "is not one number": f"write numbers with a decimal point and nothing else{flag}",
            "is missing": "give every row a weight, or leave such rows out with --where",
        }
        faults = {"is not one number": columns.unparsable_sql(column)}
        if role == "weight":
            faults["is missing"] = f"{column.sql} IS NULL"
        for what, test in faults.items():
            found = self.faulty(test, column)
            if found.rows:
                named = f"{column.sql} = {literal(column.name)}" if column.kind == "text" else "false"
                headers = self.faulty(named, column)
                if headers.rows:
                    raise self.counted("header", column, headers, partial(repeated_names, self.path))
                told = partial(
                    odd_cells, role, f"in column {column.name!r} {what}", fixes[what], self.table(column).path
                )
                kind = "no weight" if what == "is missing" else "score" if role == "prediction" else role
                raise self.counted(kind, column, found, told)

    def check_exact(self, column: Column, role: str) -> None:
        """Refuse whole numbers that float64 would round.

        Raises:
            InputError: with the count, an example and the first places.

        """
        found = self.faulty(columns.inexact_sql(column), column)
        if found.rows:
            what = f"in column {column.name!r} is a whole number that float64 does not hold"
            fix, kind = "subtract what all have in common", "target" if role == "target" else "score"
            told = partial(odd_cells, role, what, fix, self.table(column).path, quoted=False)
            raise self.counted(f"inexact {kind}", column, found, told)

    def check_classes(self, column: Column, labels: Collection[str], role: str) -> None:
        """Refuse what can only be an accident of quoting, or a column of values.

        Raises:
            InputError: a label holds a NUL or a line break, or is longer than 256 bytes; or one is the name of the
                column, which nobody said, so that it may be the first row of a file without names.
            LimitError: more labels than anyone can read.

        """
        named = column.name.lower() in USUAL_NAMES or (self.selection.pred, self.selection.target)[role == "target"]
        if column.name in labels and not named and self.table(column).noun == "column":
            raise first_line(column.name, role, self.table(column).path)
        if len(labels) > CLASS_LIMIT:
            raise LimitError(
                f"more than {CLASS_LIMIT} distinct labels", fix=f"if they are numbers, {columns.FLAG}", path=self.path
            )
        for label in labels:
            if "\0" in label:
                raise InputError(
                    f"a label holds a NUL byte: {label[:40]!r}", fix="write the file again", path=self.path
                )
            if self.table(column).format in QUOTED_FORMATS and label_fault(label) is not None:
                self.table(column).check_label(label, column.name)

    def pairing_notes(self) -> Iterator[Note]:
        """Warnings of columns that both tables have, and not alike: of ids, and of what is said of rows."""
        key = self.joined.shared_key()
        count = 0 if key is None else self._unlike(key, columns.key_sql)
        if count:
            rows = "1 row" if count == 1 else f"{count} rows"
            text = f"rows are paired by position, but column {key!r} differs between the two files in {rows}"
            yield Note("ids-differ", text, f"join with --id {word(key or '')}", "warning")
        truth, selection = self.joined.target, self.selection
        if truth is None or not (selection.by or selection.weight or selection.cluster):
            return
        sliced = parts_of(selection.by, {*self.joined.preds.columns, *truth.columns}, "--by")
        read = dict.fromkeys([*(part.column for part in sliced), selection.cluster or ""], columns.slice_sql)
        for name, sql in {**read, selection.weight or "": columns.score_sql}.items():
            kinds = [table.columns[name] for table in (self.joined.preds, truth) if name in table.columns]
            if len(kinds) < 2:
                continue
            if self._unlike(name, sql) if _ONE_VALUE.issuperset(kinds) else self.sums(1)[0]:
                yield unlike_note("column", name)

    def _unlike(self, name: str, sql: Callable[[Column], str]) -> int:
        """In how many rows, here and elsewhere, a column of this name holds other things on either side."""
        first, second = (sql(self.joined.column(name, side)) for side in ("preds", "target"))
        source = self.joined.source(also=f"{first} IS DISTINCT FROM {second}")
        return self.sums(self.query(f"SELECT count(*) {source}").fetchall()[0][0])[0]

    def nothing(self, dropped: int) -> EvalError:
        """The error for no row left."""
        if dropped:
            rows = "the only row has" if dropped == 1 else f"all {dropped} rows have"
            return EmptyError(f"{rows} a missing prediction or target", path=self.path)
        return self.joined.empty()

    def counted(self, kind: str, column: Column, found: Faulty, said: Callable[[Faulty], EvalError]) -> EvalError:
        """What is ``said`` of rows at fault in a way, and of all of them where others read other files."""
        if self.selection.together is not None:
            return said(found)
        return EvalError.counted(found, said, (CHECKS.index(kind), column.number))

    def _missing(self, side: str, test: str, count: int) -> Faulty:
        """So many rows, here and elsewhere, and the first of them."""
        return self.first(count, self.joined.places(side, test)[0])._replace(rows=count)


def choose_sides(
    tables: Tables, preds: Table, target: Table | None, selection: Selection, heard: Callable[[float], None]
) -> Sides:
    """Find the columns and join the tables.

    Raises:
        UsageError: a name that is not there.
        InputError: no usual name, or several.

    """
    if target is None or target is preds:
        if selection.id is not None and not selection.listing:
            raise UsageError("--id pairs two files, but there is one", fix="drop it", path=preds.path)
        chosen = choose(list(preds.columns), selection, preds.path, both=True, kind=preds.noun)
    else:
        check_order(list(preds.columns), list(target.columns), (preds.path, target.path), selection)
        said = choose(list(preds.columns), selection, preds.path, both=False, kind=preds.noun)
        truth = choose_target(list(target.columns), selection, target.path, kind=target.noun)
        chosen = Chosen(said.pred, truth.target, selection.weight, selection.id, said.classes)
    joined = Joined(tables, preds, target, key=chosen.id, where=selection.where)
    if selection.sorted and chosen.id is not None:
        joined.sort_by(chosen.id)
    pred_columns = tuple(joined.column(name, "preds") for name in chosen.pred)
    return Sides(
        joined,
        pred_columns,
        joined.column(chosen.target or "", "target"),
        find_weight(joined, chosen.weight),
        chosen.classes,
        selection,
        heard,
        slice_columns(joined, selection.by),
        _scan_columns(joined, chosen, selection),
        None if selection.cluster is None else cluster_sql(joined, selection.cluster),
    )


def _scan_columns(joined: Joined, chosen: Chosen, selection: Selection) -> ScanColumns | None:
    """What is searched for weak slices; a column with a role only where it is named."""
    if selection.scan is None:
        return None
    from evalcli.sources.table_scan import scan_columns

    roles = (*chosen.pred, chosen.target, chosen.weight, chosen.id, selection.id, selection.cluster)
    return scan_columns(joined, selection.scan, {name for name in roles if name is not None})


def find_weight(joined: Joined, name: str | None) -> Column | None:
    """The weight of a row belongs to the truth, and is looked for there first."""
    if name is None:
        return None
    for side, table in zip(("target", "preds"), reversed(joined.files), strict=False):
        if name in table.columns:
            return joined.single(name, side, "--weight")
    raise no_weight(name, [each for table in joined.files for each in table.columns], joined.files[-1].path)


def _gap(noun: str, fix: str, path: str, found: Faulty) -> InputError:
    """What is said of rows that miss one side."""
    counted = f"1 {noun} is" if found.rows == 1 else f"{found.rows} {noun}s are"
    more = ", …" if found.rows > len(found.places) else ""
    return InputError(f"{counted} missing ({', '.join(found.places)}{more})", fix=fix, path=path)


def odd_cells(role: str, what: str, fix: str, path: str, found: Faulty, *, quoted: bool = True) -> InputError:
    """What is said of cells that hold something else, with the first of them."""
    first = found.values[0] if found.values else None
    example = "" if first is None else f" {first!r}" if quoted else f" {first}"
    return InputError(f"{role}{example} {what} ({found.rows} in all: {', '.join(found.places)})", fix=fix, path=path)
