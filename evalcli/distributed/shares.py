"""One report by many processes, started by ``torchrun`` or ``srun``: shares are counted apart, states are added up.

The processes, called ranks, agree on what the whole input is before anything counts: its labels, then the decision
that the evidence of all rows supports. Each counts its share under it, and the states travel to rank 0 in log2(N)
steps. Where a file is cut, they also agree on where its lines begin, on what one process would take from all its
rows, and on its digest.

Whatever goes wrong in one rank ends all of them. There is no partial verdict.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from evalcli import __version__
from evalcli.counting import Outcome, Plan
from evalcli.distributed.firstfault import raise_first
from evalcli.distributed.shared import covered, files_told, rows_before, said_of_all, seen_alike, tell_faults, united
from evalcli.engine import accumulate, fit_rows, place, worker_count
from evalcli.errors import EmptyError, EvalError, InputError
from evalcli.evaluation import check_scores
from evalcli.evidence import Evidence
from evalcli.layout import find_layout
from evalcli.metrics.threads import usable_cores
from evalcli.own.contributions import Contribution, OwnName, names_of
from evalcli.own.metrics import OwnMetrics
from evalcli.own.states import NONE, contributed, restored
from evalcli.partfile import pack, unpack
from evalcli.parts import Part, order, part_of
from evalcli.plaindata import fitted, plain
from evalcli.report import Run
from evalcli.sources.relabelled import Nothing, Relabelled
from evalcli.sources.share import Share, open_by_one, open_share
from evalcli.sources.table_where import no_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.counting import Pass
    from evalcli.distributed.ranks import Ranks
    from evalcli.engine import Execution, Progress
    from evalcli.launch import Launch
    from evalcli.own.metrics import OwnMetric
    from evalcli.own.states import OwnStates
    from evalcli.sources.base import InputFile, Scan, Selection, Source
    from evalcli.sources.digest import Pieces
    from evalcli.task import Choices, Task


class Job(NamedTuple):
    """What every rank was asked for, alike."""

    preds: str
    target: str | None
    selection: Selection
    choices: Choices
    execution: Execution
    metrics: tuple[str, ...] | None
    also: tuple[str, ...]
    own: tuple[OwnMetric, ...] = ()


class Counted(NamedTuple):
    """What rank 0 has in the end; ``alone`` says why it read everything, if it did."""

    part: Part
    run: Run
    alone: str


def count_together(ranks: Ranks, job: Job, progress: Progress | None = None) -> Counted | None:
    """Count all shares: what ``measure`` of the whole input would have counted, in rank 0.

    Raises:
        EvalError: what any of the ranks has found, in all of them.
        LostError: a rank is gone or late.

    """
    try:
        return _counted(ranks, job, progress)
    except EvalError as e:
        if ranks.knows(e):
            raise_first(ranks, job, e)
        raise


def _counted(ranks: Ranks, job: Job, progress: Progress | None) -> Counted | None:
    started, scan = perf_counter(), job.selection.scan
    execution = _local(job.execution, ranks.launch)
    with ExitStack() as closing:
        share = Share(None, ())

        def offer() -> bytes:
            nonlocal share
            share = _opened(ranks, job, share, progress)
            if share.source is not None:
                closing.callback(share.source.close)
            return _offered(share, job, scan)

        offers = [json.loads(one) for one in ranks.agree(offer)]
        if share.dealt and not _go_together(offers):
            closing.close()
            job.selection.scan = scan
            offers = [json.loads(one) for one in ranks.agree(offer)]
        if share.source is not None:
            share.source.settle([one["tally"] for one in offers], ranks.rank)
        is_apart, none = scan is not None and scan.apart, _without_rows(job)
        preds, target, slicers, scanned, weighted = united(offers, apart=is_apart, none=none)
        source: Nothing | Relabelled = Nothing(preds, target, slicers, scanned, weighted=weighted)
        if share.source is not None and share.source.preds.shape[0]:
            before = rows_before(offers, ranks.rank) if share.ordered else 0
            source = Relabelled(share.source, preds, target, slicers, scanned, before)
        source.weight, source.clustered, source.where, source.read_as = (
            *(job.selection.weight, job.selection.cluster, job.selection.where),
            seen_alike(offers),
        )
        if job.own and job.choices.confidence is not None and source.clustered is None:
            source.number_rows()
        layout = find_layout(preds, target, job.choices)
        check_scores(job.metrics, layout)
        placement, budget = place(execution), execution.ranking_budget
        size = fit_rows(execution, source, layout, placement, whole=bool(job.own))
        workers = worker_count(execution, source, size)
        plan = Plan(source, job.choices, layout, placement, job.metrics, job.also, budget, workers, partial=True)
        plan = replace(plan, own=OwnMetrics(job.own, job.choices, source) if job.own else None)
        task, gathered, evidence = _count(ranks, plan, size, progress)
        tell_faults(ranks.agree, evidence, gathered.evidence, source, in_order=share.ordered or share.ranged)
        _tell_checksums(ranks, share.source)

        def vouch() -> bytes:
            gathered.check(task)
            read = share.source.finish() if share.source is not None else ()
            if share.seen is not None:
                share.seen.check_unchanged()
            said = share.source.notes() if share.source is not None else ()
            return json.dumps([plain(read), plain(said), 0 if share.source is None else share.source.dropped]).encode()

        vouched = [json.loads(one) for one in ranks.agree(vouch)]
        own = _own_states(ranks, plan, [files_told(read) for read, _, _ in vouched])
        total = ranks.total(gathered, plan.begin(task, Evidence()))
        if total is None:
            return None
        inputs = covered(vouched, share)
        part = part_of(plan, Outcome(task, total), inputs, own)
        about = replace(
            part.about,
            preds=preds,
            target=target,
            rows=preds.shape[0],
            dropped=sum(dropped for _, _, dropped in vouched),
            notes=said_of_all(vouched, part),
        )
        seconds, many = perf_counter() - started, workers * ranks.size
        run = Run(seconds, placement.backend, placement.device, many, size, f"{ranks.size} ranks")
        return Counted(replace(part, about=about), run, share.alone)


def _opened(ranks: Ranks, job: Job, before: Share, progress: Progress | None) -> Share:
    """The share of a rank; if there was one ``before``, files were dealt that do not go together."""
    heard = getattr(progress, "share", None)
    job.selection.partial = True
    if before.dealt:
        return open_by_one(before, ranks.rank, job.preds, job.selection, heard)
    return open_share(job.preds, job.target, job.selection, (ranks.rank, ranks.size), heard, ranks.agree)


def _go_together(offers: Sequence[dict[str, Any]]) -> bool:
    """Whether files that were read apart are what one process would read: kinds of scores, ranges of numbers."""
    try:
        united(offers)
        seen_alike(offers)
    except InputError:
        return False
    return True


def _tell_checksums(ranks: Ranks, source: Source | None) -> None:
    """Let all know what each has checksummed of the same files, so that nobody reads the shares of others for it."""
    ledgers = None if source is None else source.ledgers()
    hashed: dict[str, Pieces] = {}

    def tell() -> bytes:
        if source is not None:
            hashed.update(source.hashed())
        summed = {f"crc {i}": ledger.pieces() for i, ledger in enumerate(ledgers or ())}
        summed |= {f"sha {i}": pieces.told() for i, pieces in enumerate(hashed.values())}
        return pack({"hashed": [*hashed]}, summed, __version__)

    for rank, data in enumerate(ranks.agree(tell)):
        about, told = unpack(data, f"rank {rank}")
        for i, name in enumerate(about["hashed"]):
            if name in hashed:
                hashed[name].take(told[f"sha {i}"])
        if ledgers is not None and len(told) == len(ledgers) + len(about["hashed"]):
            for i, ledger in enumerate(ledgers):
                ledger.take(told[f"crc {i}"])


def _local(execution: Execution, launch: Launch) -> Execution:
    """The cores and the devices of a machine are shared by the ranks on it."""
    if execution.workers is None:
        execution = replace(execution, workers=max(1, min(8, usable_cores() // launch.local_size)))
    if execution.device == "cuda":
        import torch

        count = max(torch.cuda.device_count(), 1)
        execution = replace(execution, device=f"cuda:{launch.local_rank % count}")
    return execution


def _without_rows(job: Job) -> EmptyError:
    """What one process would say where no rank has any row."""
    if job.selection.where is not None:
        return no_row(job.selection.where, job.preds)
    return EmptyError("no rows", fix="the files hold a header at most", path=job.preds)


def _offered(share: Share, job: Job, scan: Scan | None) -> bytes:
    """What a rank knows of the input: what must be alike in all, and the two sides of its own rows, if it has any.

    ``scan`` is the search that all were asked for.
    """
    asked = [__version__, plain(job.choices), job.metrics, job.also, job.execution.ranking_budget, share.whole]
    asked += [plain(names_of(job.own)), job.selection.by, job.selection.cluster, plain(scan)]
    source = share.source
    tally = {} if source is None else source.tally()
    read_as = () if source is None else source.read_as
    if source is None or not source.preds.shape[0]:
        return json.dumps({"asked": asked, "sides": None, "tally": tally, "read_as": read_as}).encode()
    sides = {"preds": plain(source.preds), "target": plain(source.target), "slicers": plain(source.slicers)}
    sides["scanned"] = plain(source.scanned)
    sides |= {"weighted": source.weighted, "ranged": share.ranged, "searched": share.searched}
    return json.dumps({"asked": asked, "sides": sides, "tally": tally, "read_as": read_as}).encode()


def _count(ranks: Ranks, plan: Plan, size: int, progress: Progress | None) -> tuple[Task, Pass, Evidence]:
    """Passes over all shares until the decision of the whole input is the one they were counted under; its evidence."""
    known = Evidence()
    while True:
        task = plan.decide(known)
        total: Any = None
        complete = False

        def count(task: Task = task, known: Evidence = known) -> bytes:
            nonlocal total, complete
            begin: Callable[[], Any] = plan.begin(task, known)
            begin = begin if plan.own is None else plan.own.around(begin)
            total, complete = accumulate(plan.source, begin, size, plan.workers, progress, plan.device)
            if plan.own is not None:
                plan.own.total, total = total.own.finished(), total.main
            about = {"complete": complete, "unclear": total.evidence.unclear}
            return pack(about, total.evidence.state_dict(), __version__)

        found = Evidence()
        whole = True
        for rank, data in enumerate(ranks.agree(count)):
            content = unpack(data, f"rank {rank}")
            theirs = Evidence()
            theirs.load_state_dict(content.arrays)
            theirs.unclear = int(content.about["unclear"])
            found.merge(theirs)
            whole = whole and bool(content.about["complete"])
        if whole and not found.unclear and plan.holds(task, found):
            return plan.decide(found), total, found
        known = found.with_(known)


def _own_states(ranks: Ranks, plan: Plan, read: Sequence[tuple[InputFile, ...]]) -> OwnStates:
    """What the caller's own metrics have gathered of all shares, in every rank; ``read`` are their files.

    Raises:
        UsageError: a metric whose state cannot be written.

    """
    if plan.own is None or plan.own.total is None:
        return NONE
    gathered, files = plan.own.total, tuple(sorted(read[ranks.rank], key=order))

    def offer() -> bytes:
        found = contributed(gathered, files)
        about = {"names": plain(found.names), "contributions": plain(found.contributions)}
        return pack(about, found.state_dict(), __version__)

    total = NONE
    for rank, data in enumerate(ranks.agree(offer)):
        content = unpack(data, f"rank {rank}")
        if read[rank]:  # else it had no share
            names = fitted(tuple[OwnName, ...], content.about["names"])
            parts = fitted(tuple[Contribution, ...], content.about["contributions"])
            found = restored(names, parts, content.arrays, plan.source.slicers)
            total = found.beside(total)
    return total
