"""What has been computed of a task, as one object."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from psyrun.failure import Failure
from psyrun.merging.timings import Timings
from psyrun.pspace import ParameterSpace
from psyrun.results import aggregate, display, frames, labelled
from psyrun.results.choosing import chosen
from psyrun.results.columns import Array, Columns
from psyrun.results.state import State
from psyrun.rows import Rows, RowSet

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow
    import xarray


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
        What the function returned, without *overridden*.
    overridden : frozenset of str
        Parameters that the function returned, too: their columns hold what it returned.
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
    read_timings : callable
        Returns `timings`.
    provenance : dict
        Where the result comes from: the content of ``result.json``.
    units : dict of str to str
        Units of parameters and outputs, as the task gives them.
    statistics : dict of str to (str, str or float)
        For the outputs of an aggregated result what each is a statistic of, and which one.
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
    read_timings: Callable[[], Timings] = Timings
    provenance: dict[str, Any] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    overridden: frozenset[str] = frozenset()
    statistics: dict[str, tuple[str, str | float]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return display.describe(self)

    def _repr_html_(self) -> str:
        return display.html(self)

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

    @cached_property
    def pending(self) -> RowSet:
        """Rows that are neither completed nor failed."""
        return self.scope - self.completed - self.failed

    @cached_property
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

    @cached_property
    def timings(self) -> Timings:
        """When, where and for how long the completed rows were evaluated.

        They are read when they are asked for.

        Raises
        ------
        UsageError
            If the result has been merged anew, or deleted, since it was loaded.
        """
        return self.read_timings()

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
        columns: dict[str, Callable[[], Array]]
        columns = {name: partial(_part, self.columns, name, completed) for name in self.columns}
        return replace(
            self,
            columns=Columns(columns),
            completed=kept,
            failed=self.failed & scope,
            scope=scope,
            failures={row: why for row, why in self.failures.items() if row in scope},
            read_timings=partial(_timings_of, self, kept),
        )

    def select(self, names: Sequence[str]) -> "Result":
        """Keep some columns only.

        Parameters
        ----------
        names : sequence of str
            Parameters and outputs, in the order that they are to have.

        Returns
        -------
        Result
            The same rows.

        Raises
        ------
        UnknownColumnError
            If there is no such column.
        """
        for name in names:
            if name not in self.columns:
                self.columns[name]  # says which ones there are
        columns: dict[str, Callable[[], Array]]
        columns = {name: partial(self.columns.__getitem__, name) for name in names}
        return replace(
            self,
            columns=Columns(columns),
            params=[name for name in self.params if name in columns],
            outputs=[name for name in self.outputs if name in columns],
            overridden=self.overridden & columns.keys(),
            statistics={name: of for name, of in self.statistics.items() if name in columns},
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
        frame: pandas.DataFrame = frames.to_pandas(self, states)
        return frame

    def to_polars(self, states: bool = False) -> "polars.DataFrame":
        """Make a polars data frame of the completed rows.

        Columns of arrays hold an array in each row, or a list where these differ in shape; complex
        numbers become structures of *real* and *imag*; what polars does not know becomes text.

        Parameters
        ----------
        states : bool, optional
            Whether to add the rows that are not completed, and a column *state*.

        Raises
        ------
        MissingExtraError
            If polars is not installed.
        """
        frame: polars.DataFrame = frames.to_polars(self, states)
        return frame

    def to_arrow(self, states: bool = False) -> "pyarrow.Table":
        """Make an Arrow table of the completed rows.

        Columns of arrays hold a list in each row; complex numbers become structures of *real* and
        *imag*; what Arrow does not know becomes text. The metadata hold the provenance (of the
        table, as JSON) and the units (of each field).

        Parameters
        ----------
        states : bool, optional
            Whether to add the rows that are not completed, and a column *state*.

        Raises
        ------
        MissingExtraError
            If pyarrow is not installed.
        """
        return frames.to_arrow(self, states)

    def to_xarray(
        self,
        grid: bool | None = None,
        dims: Mapping[str, str | Sequence[str]] | None = None,
    ) -> "xarray.Dataset":
        """Make an xarray data set, with dimensions as the space is composed.

        What ``*`` multiplied are separate dimensions, and so are those of outputs that are arrays;
        these are padded with NaN where they differ in shape. The parameters that one `Param`
        zipped share a dimension, which bears their names joined by underscores. A space that is no
        product (a sum, a difference, a sample) has a single dimension *row*, unless it has only
        one parameter.

        The variable *state* tells for each place whether its row is completed; see `State`.
        Attributes hold the provenance and the units. A parameter whose values are arrays or
        objects has the numbers of its values as coordinate, and the values, or what they are
        called, in *<name>_value*.

        Parameters
        ----------
        grid : bool, optional
            True: a space that is no product becomes a grid with gaps as well. What was selected
            from a product takes its places in that, else each parameter becomes a dimension. Rows
            that would meet are told apart by a dimension *repetition*. False: *row* is the only
            dimension whatever the space.
        dims : dict of str to str or sequence of str, optional
            Names for the dimensions of outputs that are arrays, such as ``{'curve': 'time'}``.
            Outputs may share them.

        Raises
        ------
        MissingExtraError
            If xarray is not installed.
        UsageError
            If the grid would have too many places, or *dims* does not fit.
        """
        dataset: xarray.Dataset = labelled.to_xarray(self, grid, dims)
        return dataset

    def aggregate(
        self,
        over: str | Sequence[str],
        how: str | float | Sequence[str | float] = ("mean", "sem", "count"),
    ) -> "Result":
        """Compute statistics of the outputs over some parameters, such as replicates.

        The completed rows that agree in all other parameters of the result are a group, in the
        order of the space. NaN does not count. Arrays are aggregated element by element, padded
        with NaN where they differ in shape.

        Parameters
        ----------
        over : str or sequence of str
            Parameters to aggregate over.
        how : str, float, or sequence of these, optional
            Any of mean, std (with n - 1), sem (std over the square root of the count), min, max,
            median, count (of values that are not NaN or None), sum; a number from 0 to 1 is a
            quantile. Where one means nothing (the mean of texts) the output is left out.

        Returns
        -------
        Result
            A row for each group; its outputs are called ``y_mean``, ``y_sem``, ``y_count``,
            ``y_q25`` for the quantile 0.25. Groups without a completed row are failed, or pending
            if any of their rows is.

        Raises
        ------
        UsageError
            If there is no such parameter or statistic.
        """
        return aggregate.aggregate(self, over, how)


def _timings_of(result: Result, rows: RowSet) -> Timings:
    at = result.timings.at(rows.to_array())
    return at.renumbered(rows.to_array()[at.row])


def _part(columns: Mapping[str, Array], name: str, mask: npt.NDArray[np.bool_]) -> Array:
    return columns[name][mask]
