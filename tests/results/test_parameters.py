"""The columns of parameters: from the space, exactly, and without looking at each row."""

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from psyrun import Param
from psyrun.results.columns import as_column
from psyrun.results.parameters import column_of, values_of
from psyrun.rows import RowSet

NUMBERS = [0, 1, -7, 2**53 + 1, 2**63, 2**64, 0.5, 2.0, 1e300, float("nan"), float("inf"), 2j]
OTHERS = [None, "text", b"b", (1, 2), [3], {"k": 1}, np.arange(2), datetime.date(2020, 1, 1)]
SCALARS = [True, np.int64(3), np.uint8(4), np.float32(0.1), np.datetime64("2020-01-01")]
VALUES = st.sampled_from([*NUMBERS, *OTHERS, *SCALARS])
ARRAYS = st.sampled_from(
    [
        *(range(3), range(9, -9, -6), range(2**62, 2**64, 2**63)),
        *(np.arange(3), np.array([0.5, np.nan, 2]), np.array([True, False, True])),
        *(np.arange(3, dtype=">i8"), np.array([2**63, 1, 2], dtype=np.uint64), np.eye(3)),
        *(np.array(["a", "b", "c"]), np.array([1, None, "x"])),
    ]
)
COLUMNS = st.lists(VALUES, max_size=4) | ARRAYS | st.builds(list, ARRAYS)


@st.composite
def spaces(draw):
    """Make a space of parameters a and b, and choose some of its rows."""
    space = Param(a=draw(COLUMNS))
    for _ in range(draw(st.integers(0, 2))):
        other = Param(a=draw(COLUMNS | VALUES)) if draw(st.booleans()) else Param(b=[1, 2])
        space = space + other
        if draw(st.booleans()) and len(space):
            space = space[draw(st.lists(st.integers(0, len(space) - 1)))]
    if "b" not in space.keys() and draw(st.booleans()):  # noqa: SIM118 - a space is no dictionary
        space = Param(b=range(2)) * space * Param(c=[1, 2, 3])
    rows = RowSet(draw(st.lists(st.integers(0, len(space) - 1)))) if len(space) else None
    return space, rows


def bits(column):
    if column.dtype == object:
        return [(type(value), repr(value)) for value in column]
    return column.tobytes()


@given(spaces())
def test_a_column_is_what_its_values_make(drawn):
    space, rows = drawn
    for some in (None, rows):
        made, wanted = column_of(space, "a", some), as_column(values_of(space, "a", some))
        assert (made.dtype, made.shape) == (wanted.dtype, wanted.shape)
        assert bits(made) == bits(wanted)


def test_the_space_stays_as_it_is_whatever_is_done_to_a_column():
    space = Param(a=np.arange(3)) * Param(b=[1])
    column_of(space, "a")[:] = 7
    assert space.build()["a"] == [0, 1, 2]


@pytest.mark.parametrize("values", [range(2**60), range(2**60, 0, -1)])
def test_a_few_values_of_a_long_range(values):
    assert column_of(Param(a=values), "a", RowSet([1, 3])).tolist() == [values[1], values[3]]
