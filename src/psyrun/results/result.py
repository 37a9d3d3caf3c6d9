"""What has been computed of a task, as one object."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from psyrun.failure import Failure
from psyrun.merging.timings import Timings
from psyrun.pspace import ParameterSpace
from psyrun.results import frames
from psyrun.results.choosing import chosen
from psyrun.results.columns import Array, Columns
from psyrun.results.state import State
from psyrun.rows import Rows, RowSet

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """What has been computed of a task; `psyrun.load` makes it.

    ``result[name]`` is a column: the values of a parameter or of an output in the completed rows.

    Attributes
    ----------
    name : str
        The task, or the name of the file without its extension.
    space : ParameterSpace or None
        The parameter space; None for a file of which psyrun knows nothing more.
    params : list of str
        Parameters, in the order of the space.
    outputs : list of str
        What the function returned. A parameter that it returned as well stays a parameter, with
        the values that were returned.
    columns : mapping of str to numpy.ndarray, shape (n, ...)
        All columns, parameters first.
    total : int
        Number of rows of the space.
    completed, failed : RowSet
        Rows of the space; none is in both.
    scope : RowSet
        Rows of the space that this result tells of: all, unless some were left out by `where`.
    failures : dict of int to Failure
        For each failed row the newest cause.
    timings : Timings
        When, where and how long the completed rows were evaluated.
    provenance : dict
        Where the result comes from: the content of ``result.json``.
    units : dict of str to str
        Units of parameters and outputs, as the task gives them.
    """

    name: str
    space: ParameterSpace | None
    params: list[str]
    outputs: list[str]
    columns: Mapping[str, Array]
    completed: RowSet
    failed: RowSet = field(default_factory=RowSet)
    scope: RowSet = field(default_factory=RowSet)
    total: int = 0
    failures: dict[int, Failure] = field(default_factory=dict)
    timings: Timings = field(default_factory=Timings)
    provenance: dict[str, Any] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of completed rows."""
        return len(self.completed)

    def __getitem__(self, name: str) -> Array:
        return self.columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    @cached_property
    def rows(self) -> Rows:
        """The completed rows in order, int64 of shape (n,): what the columns tell of."""
        return self.completed.to_array()

    @property
    def pending(self) -> RowSet:
        """Rows that are neither completed nor failed."""
        return self.scope - self.completed - self.failed

    @property
    def state(self) -> npt.NDArray[np.uint8]:
        """The `State` of each row of the space, uint8 of shape (total,)."""
        state = np.full(self.total, State.MISSING, dtype=np.uint8)
        for rows, value in (
            (self.scope, State.PENDING),
            (self.completed, State.COMPLETED),
            (self.failed, State.FAILED),
        ):
            for start, stop in rows.intervals():
                state[start:stop] = value
        return state

    def assignment(self, row: int) -> dict[str, Any]:
        """Return the parameter values of a row of the space, whatever its state.

        Parameters
        ----------
        row : int
            The row.

        Raises
        ------
        IndexError
            If there is no such row.
        """
        if self.space is not None:
            return self.space[row]
        if not -self.total <= row < self.total:
            raise IndexError(f"There is no row {row} in a result of {self.total} rows.")
        return {name: self[name][row] for name in self.params}

    def where(self, condition: str | Callable[..., Any]) -> "Result":
        """Keep the rows that satisfy a condition.

        Rows that are not completed are kept if the condition says so by parameters alone; if it
        needs outputs they are left out.

        Parameters
        ----------
        condition : str or callable
            An expression over parameters and outputs, such as ``'n > 100 and solver == "lu"'``, or
            a function that is given those which it names as keyword arguments.

        Returns
        -------
        Result
            The same, with fewer rows; they keep their numbers.

        Raises
        ------
        UsageError
            If the condition names something else, or cannot be evaluated.
        """
        completed, others = chosen(self, condition)
        kept = RowSet(self.rows[completed])
        scope = kept | others
        columns = {name: partial(_part, self.columns, name, completed) for name in self.columns}
        at = self.timings.at(kept.to_array())
        return replace(
            self,
            columns=Columns(columns),
            completed=kept,
            failed=self.failed & scope,
            scope=scope,
            failures={row: why for row, why in self.failures.items() if row in scope},
            timings=at.renumbered(kept.to_array()[at.row]),
        )

    def to_dict(self) -> dict[str, Array]:
        """Return all columns of the completed rows, arrays of shape (n, ...)."""
        return {name: self.columns[name] for name in self.columns}

    def to_pandas(self, states: bool = False) -> "pandas.DataFrame":
        """Make a pandas data frame of the completed rows, indexed by their numbers.

        Columns of arrays hold an array in each row.

        Parameters
        ----------
        states : bool, optional
            Whether to add the rows that are not completed, and a column *state*.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        return frames.to_pandas(self, states)


def _part(columns: Mapping[str, Array], name: str, mask: npt.NDArray[np.bool_]) -> Array:
    return columns[name][mask]
