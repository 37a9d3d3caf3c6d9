"""Statistics of results over some of the parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from psyrun.exceptions import UsageError
from psyrun.merging.timings import Timings
from psyrun.results.columns import Array, Columns, is_ragged, padded
from psyrun.results.grouping import Groups, group_by
from psyrun.results.parameters import column_of
from psyrun.results.statistics import STATISTICS, Grouping, Values, applies, compute
from psyrun.rows import RowSet

if TYPE_CHECKING:
    from psyrun.results.result import Result

How = str | float | Sequence[str | float]


def aggregate(result: "Result", over: str | Sequence[str], how: How) -> "Result":
    """See `Result.aggregate`."""
    statistics = _as_statistics(how)
    names = [over] if isinstance(over, str) else list(over)
    for name in names:
        if name not in result.params:
            none = "not known" if result.space is None else "left out"
            raise UsageError(
                f"There is no parameter {name!r} to aggregate over; those of {result.name!r} are "
                f"{', '.join(result.params) or none}."
            )
    assert result.space is not None  # else no parameter is known
    kept = [name for name in result.params if name not in names]
    groups = group_by(result.space, kept, result.scope)
    grouping = Grouping(groups.of_rows(result.rows))
    meanings = _meanings(result, statistics)
    if clash := sorted(meanings.keys() & set(kept)):
        raise UsageError(f"{clash[0]!r} is a parameter, and would be a statistic as well.")
    completed = RowSet(grouping.present)
    return replace(
        result,
        space=groups.space,
        params=kept,
        outputs=list(meanings),
        columns=Columns(_params(groups, kept, completed) | _computed(result, grouping, meanings)),
        completed=completed,
        **_states(result, groups, completed),
        failures={},
        read_timings=Timings,
        provenance=result.provenance | {"aggregated": {"over": names, "how": statistics}},
        units=_units(result, kept, meanings),
        statistics=meanings,
        overridden=frozenset(),
    )


def _as_statistics(how: How) -> list[str | float]:
    statistics: list[str | float] = [how] if isinstance(how, str | int | float) else list(how)
    for each in statistics:
        if each not in STATISTICS and not (isinstance(each, int | float) and 0 <= each <= 1):
            raise UsageError(
                f"{each!r} is no statistic; use {', '.join(STATISTICS)}, or a number from 0 to 1 "
                f"for a quantile."
            )
    return statistics


def _params(groups: Groups, names: list[str], completed: RowSet) -> dict[str, Any]:
    if groups.space is None:
        return {}
    return {name: partial(column_of, groups.space, name, completed) for name in names}


def _states(result: "Result", groups: Groups, completed: RowSet) -> dict[str, Any]:
    """Tell what is known of groups: one is completed if any of its rows is."""
    pending, failed = (
        RowSet(groups.of_rows(rows.to_array())) for rows in (result.pending, result.failed)
    )
    return {
        "failed": failed - pending - completed,
        "scope": completed | pending | failed,
        "total": 1 if groups.space is None else len(groups.space),
    }


def _meanings(
    result: "Result", statistics: Sequence[str | float]
) -> dict[str, tuple[str, str | float]]:
    """Return for each output that there will be what it is a statistic of, and which."""
    return {
        f"{name}_{_suffix(statistic)}": (name, statistic)
        for name in result.outputs
        for statistic in statistics
        if applies(statistic, _column(result, name))
    }


def _column(result: "Result", name: str) -> Array:
    column = result.columns[name]
    return padded(column) if is_ragged(column) else column


def _computed(
    result: "Result", grouping: Grouping, meanings: Mapping[str, tuple[str, str | float]]
) -> dict[str, Array]:
    values = {
        name: Values(_column(result, name), grouping)
        for name in dict.fromkeys(name for name, _ in meanings.values())
    }
    with np.errstate(all="ignore"):  # there may be infinities among the values
        return {
            output: compute(statistic, values[name])
            for output, (name, statistic) in meanings.items()
        }


def _suffix(statistic: str | float) -> str:
    return statistic if isinstance(statistic, str) else f"q{100 * statistic:g}"


def _units(
    result: "Result", params: Sequence[str], meanings: Mapping[str, tuple[str, str | float]]
) -> dict[str, str]:
    """Give statistics the unit of their output, but a count none."""
    sources = {name: name for name in params}
    sources |= {output: name for output, (name, how) in meanings.items() if how != "count"}
    return {name: result.units[of] for name, of in sources.items() if of in result.units}
