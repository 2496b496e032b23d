"""Files from objects: one way for reports and comparisons."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def save_as(path: str | os.PathLike[str], render: Callable[[str], str]) -> None:
    """Write what ``render`` makes of the format that the suffix picks, whole or not at all.

    Raises:
        UsageError: no format is known for the suffix.
        OutputError: the file cannot be written; what stood there before still stands.

    """
    from evalcli.cli.output import check_outputs, write_outputs

    write_outputs([(target, render(target.format)) for target in check_outputs([os.fspath(path)])])
