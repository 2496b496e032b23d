"""Race evalcli against its peers, as whole processes, in turn (A B A B …), and print ratios.

Each race first checks that both sides computed the same numbers; a difference is an error, not a time.
``--quick`` takes a hundredth of the rows; ``--only labels`` (repeatable) picks races; ``--write`` puts the table into
``benchmarks/results.md`` and the README. The data (about 1.3 GB at full size) is made when first needed.
Exits 1 when a promised ratio was missed, 2 when a race was an error.
"""

from __future__ import annotations

import argparse
import compileall
import json
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from benchmarks import data, page, races
from benchmarks.measure import RaceError, alternate, middle, run, tree_peak


def inputs(kind: str | None, rows: int) -> tuple[str, ...]:
    """Return the paths of a data set, made now if they are not there."""
    if kind is None:
        return races.SAMPLE
    files = data.paths(kind, rows)
    if not all(Path(path).exists() for path in files):
        run((sys.executable, str(races.HERE / "data.py"), kind, str(rows)))
    return files


def check(race: races.Race, ours: tuple[str, ...], theirs: tuple[str, ...]) -> None:
    """Raise unless both sides agree on what the race checks. It warms the disk cache for both, too."""
    report = json.loads(run((*ours, "--format", "json")).stdout)["metrics"]
    peer = json.loads(run(theirs).stdout)
    for name in race.checked:
        mine, other = report[name]["value"], peer[name]
        if abs(mine - other) > race.tolerance:
            raise RaceError(f"{race.name}: {name} is {mine!r} here and {other!r} there")


def race_once(race: races.Race, scale: int, rounds: int | None) -> page.Result:
    """Run one race."""
    rows = race.rows // scale
    files = inputs(race.kind, rows)
    ours = (*races.ours(), "report", *files, *race.flags)
    theirs = (sys.executable, str(races.HERE / "peers" / race.peer), *files, *race.extra)
    check(race, ours, theirs)
    mine, other = alternate(ours, theirs, rounds or race.rounds)
    mine = replace(mine, peak=max(mine.peak, tree_peak(ours)))
    floor = middle([run(races.PYTHON_START) for _ in range(3)]).seconds
    floor += middle([run((*races.CAT, *files)) for _ in range(3)]).seconds if race.kind else 0.0
    title = race.title if scale == 1 else f"{race.title} ({rows:,} rows)"
    goal, limit = (race.goal, race.limit) if scale == 1 else (None, None)
    return page.Result(title, races.PEER_NAMES[race.peer], mine, other, goal, floor, limit)


def race_help(rounds: int | None) -> page.Result:
    """Run the race of `evalcli --help` against importing what it is made of."""
    run(races.HELP)
    mine, other = alternate(races.HELP, races.HELP_PEER, rounds or 9)
    return page.Result("`evalcli --help`", "import typer and rich", mine, other, races.HELP_GOAL, None)


def memory(kind: str, scale: int) -> page.Peak:
    """Measure evalcli's peak at a tenth of the rows and at all of them."""
    small, large = races.MILLION // scale, 10 * races.MILLION // scale
    peaks = [tree_peak((*races.ours(), "report", *inputs(kind, rows))) for rows in (small, large)]
    return page.Peak(kind, small, peaks[0], large, peaks[1])


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a hundredth of the rows, three rounds, no goals for size")
    parser.add_argument("--only", action="append", metavar="NAME", help="a race, `help` or `memory`; repeatable")
    parser.add_argument("--rounds", type=int, help="how often each side runs")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results.md and the README's table")
    parser.add_argument("--list", action="store_true", help="name the races and stop")
    options = parser.parse_args(argv)
    if options.quick and options.write:
        parser.error("--quick measures start-up more than work; only full sizes are written")
    return options


def measure(options: argparse.Namespace, chosen: list[str]) -> tuple[list[page.Result], list[page.Peak], list[str]]:
    """Run what was chosen, printing as it goes."""
    scale = 100 if options.quick else 1
    rounds = options.rounds or (3 if options.quick else None)
    results: list[page.Result] = []
    peaks: list[page.Peak] = []
    errors: list[str] = []
    table = {race.name: race for race in races.RACES}
    for name in chosen:
        try:
            if name == "memory":
                peaks = [memory(kind, scale) for kind in races.MEMORY_KINDS]
                continue
            if name in table and find_spec(table[name].package) is None:
                print(f"{name}: {table[name].package} is not installed, left out")
                continue
            results.append(race_help(rounds) if name == "help" else race_once(table[name], scale, rounds))
            print(page.line(results[-1]), flush=True)
        except RaceError as error:
            errors.append(name)
            print(f"{name}: ERROR: {error}", flush=True)
    for peak in peaks:
        print(
            f"memory, {peak.kind}: {peak.small >> 20} MiB at {peak.small_rows:,}, {peak.large >> 20} MiB at ten times"
        )
    return results, peaks, errors


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    names = ["help", *(race.name for race in races.RACES), "memory"]
    if options.list:
        print("\n".join(names))
        return 0
    unknown = set(options.only or ()) - set(names)
    if unknown:
        print(f"no such race: {', '.join(sorted(unknown))}; there are {', '.join(names)}", file=sys.stderr)
        return 2
    print(page.machine())
    compileall.compile_dir(str(races.ROOT / "evalcli"), quiet=2)  # as an installer does: no start compiles anything
    results, peaks, errors = measure(options, options.only or names)
    if options.write and not errors:
        text = page.markdown(results, peaks)
        (races.HERE / "results.md").write_text(text, encoding="utf-8")
        page.insert(races.ROOT / "README.md", text)
    if errors:
        return 2
    return int(any(result.missed for result in results))


if __name__ == "__main__":
    sys.exit(main())
