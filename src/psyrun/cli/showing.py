"""Tables of results: psy show and psy export."""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psyrun.cli.cells import as_text, in_csv, in_json
from psyrun.cli.choosing import load_chosen, split_names
from psyrun.cli.exits import FINE
from psyrun.cli.wording import hint
from psyrun.exceptions import StoreError, UnfitColumnError, UsageError

if TYPE_CHECKING:
    from psyrun.results import Result

_ROWS = 20
"""Rows that are shown if none are asked for."""
_GAP = "  "


def export(args: argparse.Namespace) -> int:
    """Write the result of a task to a file for other programs."""
    from psyrun.results.display import counts
    from psyrun.results.export import export as write

    if not Path(args.file).absolute().parent.is_dir():
        raise UsageError(f"There is no directory for {args.file!r}.")
    result = _loaded(args, partial=args.partial)
    try:
        write(result, args.file)
    except UnfitColumnError as err:
        raise StoreError(
            f"{err.problem}; write other columns with --columns, or choose another format."
        ) from None
    print(f"wrote {args.file}: {counts(result)}")
    return FINE


def show(args: argparse.Namespace) -> int:
    """Show the table of a task, with all that has been computed."""
    result = _loaded(args, partial=True)
    positions = _sorted(result, args.sort) if args.sort is not None else range(len(result))
    n = args.n if args.n is not None else 0 if args.format else _ROWS
    positions = positions[: n or None]
    if args.format == "json":
        rows = (json.dumps(in_json(result, i)) for i in positions)
        print("[", ",\n ".join(rows), "]", sep="")
    elif args.format == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["row", *result.columns])
        writer.writerows(in_csv(result, i) for i in positions)
    else:
        _print_table(result, positions)
    return FINE


def _loaded(args: argparse.Namespace, *, partial: bool) -> "Result":
    result = load_chosen(args, partial=partial)
    return result if args.columns is None else result.select(split_names(result, args.columns))


def _sorted(result: "Result", text: str) -> list[int]:
    """Return the positions of the completed rows in the order of some columns."""
    import numpy as np

    order = np.arange(len(result))
    for key in reversed(split_names(result, text)):
        falling = key.startswith("-") and key not in result
        ranks, missing = _ranks(result, key[falling:])
        ranks = np.where(missing, ranks.max(initial=0) + 1, -ranks if falling else ranks)
        order = order[np.argsort(ranks[order], kind="stable")]
    positions: list[int] = order.tolist()
    return positions


def _ranks(result: "Result", name: str) -> tuple[Any, Any]:
    """Return the place of each value among the values of a column, and which are missing."""
    import numpy as np

    column = result[name]
    if column.ndim > 1 or any(isinstance(value, np.ndarray | list | tuple) for value in column):
        raise UsageError(f"Rows cannot be sorted by {name!r}, which holds arrays.")
    missing = np.array([value is None or value != value for value in column], dtype=bool)
    if column.dtype == object:
        values = [value if isinstance(value, str) else str(value) for value in column]
        column = np.array(values, dtype=object)
    return np.unique(column, return_inverse=True)[1], missing


def _print_table(result: "Result", positions: Sequence[int]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    columns = [_column("row", [str(result.rows[i]) for i in positions], right=True)]
    for name, values in result.columns.items():
        unit = result.units.get(name)
        heading = name if unit is None else f"{name} [{unit}]"
        cells = [as_text(values[i]) for i in positions]
        columns.append(_column(heading, cells, right=values.dtype.kind in "biufc"))
    fitting = len(columns)
    if console.is_terminal:
        fitting = _fitting([len(column[0]) for column in columns], console.width)
    for number, line_cells in enumerate(zip(*columns[:fitting], strict=True)):
        line = _GAP.join(line_cells).rstrip()
        console.print(Text(line, "bold" if number == 0 else ""))
    for note in _notes(result, len(positions), list(result.columns)[fitting - 1 :]):
        endless = not console.is_terminal
        console.print(Text(note, "dim"), soft_wrap=endless, no_wrap=True, overflow="ellipsis")


def _column(heading: str, cells: list[str], right: bool) -> list[str]:
    from rich.cells import cell_len

    cells = [as_text(heading), *cells]
    width = max(map(cell_len, cells))
    blanks = [" " * (width - cell_len(cell)) for cell in cells]
    return [b + c if right else c + b for b, c in zip(blanks, cells, strict=True)]


def _fitting(widths: list[int], available: int) -> int:
    """Return how many columns fit beside each other, at least two."""
    used = -len(_GAP)
    for number, width in enumerate(widths):
        used += len(_GAP) + width
        if used > available:
            return max(number, 2)
    return len(widths)


def _notes(result: "Result", shown: int, hidden: list[str]) -> list[str]:
    from psyrun.results.display import counts

    notes = []
    if hidden:
        what = "1 more column" if len(hidden) == 1 else f"{len(hidden)} more columns"
        notes.append(f"{what} (--columns): {', '.join(hidden)}")
    if shown < len(result):
        notes.append(f"{shown} of {len(result)} rows shown (-n 0: all)")
    line = f"{result.name}: {counts(result)}"
    notes.append(f"{line}: {hint('failures', result.name)}" if result.failed else line)
    return notes
