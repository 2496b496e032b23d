"""Whether this process is one of many that a launcher started, by the variables of its environment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORTS = 20_000
"""Slurm names no port: one above 20,000 that follows from the job is taken."""


class Launch(NamedTuple):
    """Which process of how many; on this machine, which of how many; and where the first one listens."""

    rank: int
    size: int
    local_rank: int = 0
    local_size: int = 1
    address: str = "127.0.0.1"
    port: int = 29_500


def launched(environ: Mapping[str, str]) -> Launch | None:
    """The launch that ``torchrun`` or ``srun`` tells of; ``None`` where this process is alone.

    Slurm's variables count only inside a step of several tasks: a batch script has them too, and is alone.

    >>> launched({"RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29400"})
    Launch(rank=1, size=4, local_rank=0, local_size=1, address='10.0.0.1', port=29400)
    >>> launched({"RANK": "0", "WORLD_SIZE": "1"}), launched({"SLURM_NTASKS": "4"})
    (None, None)
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    address, port = environ.get("MASTER_ADDR", Launch._field_defaults["address"]), _number(environ, "MASTER_PORT")
    if "RANK" not in environ and "SLURM_PROCID" in environ:
        names = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE")
        address = environ.get("MASTER_ADDR") or first_host(environ.get("SLURM_STEP_NODELIST", ""))
        port = port or _PORTS + (_number(environ, "SLURM_JOB_ID") or 0) % _PORTS
    rank, size, local_rank, local_size = (_number(environ, name) for name in names)
    if rank is None or size is None or size < 2 or rank >= size:
        return None
    port = port or Launch._field_defaults["port"]
    return Launch(rank, size, local_rank or 0, max(local_size or 1, 1), address, port)


def is_told_by_another(environ: Mapping[str, str]) -> bool:
    """Whether what this process says before it has met the others is said by the first of them.

    >>> is_told_by_another({"RANK": "1", "WORLD_SIZE": "4"}), is_told_by_another({"RANK": "0", "WORLD_SIZE": "4"})
    (True, False)
    """
    launch = launched(environ)
    return launch is not None and launch.rank > 0


def first_host(nodes: str) -> str:
    """The first machine of a list as Slurm writes it.

    >>> first_host("gpu[03-05,9]"), first_host("a1,b[2-3]"), first_host("")
    ('gpu03', 'a1', '127.0.0.1')
    """
    found = re.match(r"([^,\[]+)(?:\[([0-9]+))?", nodes)
    return "".join(part or "" for part in found.groups()) if found else "127.0.0.1"


def _number(environ: Mapping[str, str], name: str) -> int | None:
    """The whole number that a variable starts with: Slurm writes ``4(x2)``."""
    found = re.match(r"[0-9]{1,9}", environ.get(name, ""))
    return int(found[0]) if found else None
