"""Of the faults in files dealt to ranks, the one that one process would tell: it opens all before it reads any.

Only where something is wrong does anyone look into files of others, and then at their beginnings alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.errors import EvalError
from evalcli.sources import TENSOR_FORMATS, input_format, table_options

if TYPE_CHECKING:
    from evalcli.distributed.ranks import Ranks
    from evalcli.distributed.shares import Job


def raise_first(ranks: Ranks, job: Job, told: EvalError) -> None:
    """Raise in all ranks what one process finds first where several have found something; else return.

    ``told`` is what all of them were told; every rank calls it.

    Raises:
        EvalError: files that do not open as one table, or are damaged; the first of them.

    """
    from evalcli.sources.tables import resolve

    paths = [path for path in (job.preds, job.target) if path is not None]
    try:
        tables = [path for path in paths if input_format(path) not in TENSOR_FORMATS]
        files = [file for path in paths for file in resolve(path)]
    except EvalError:
        return
    if len(files) == len(paths):
        return

    def look() -> bytes:
        if ranks.rank == 0:
            from evalcli.sources.tables import open_tables

            open_tables(tables, table_options(job.selection), 1).close()
        return b""

    damaged = [error for error in ranks.failures if error.faulty is None and error.path in files]
    ranks.agree(look)
    if damaged and told.faulty is None:
        raise min(damaged, key=lambda error: files.index(error.path))
