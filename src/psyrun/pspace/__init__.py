"""Parameter spaces: ordered, indexable collections of assignments.

A space is built from `Param` objects by ``*`` (Cartesian product), ``+`` (concatenation) and ``-``
(difference). It stores how it is composed, not its rows: products and sums take as much memory as
the `Param` objects in them, a selection of rows (a slice, a sample, a difference) at most eight
bytes a row more.
"""

from psyrun.exceptions import AmbiguousOperationError
from psyrun.pspace.spaces import (
    Param,
    ParameterSpace,
    Product,
    Selection,
    Sum,
    dict_concat,
    missing,
)
from psyrun.values import MISSING, is_missing

__all__ = [
    "MISSING",
    "AmbiguousOperationError",
    "Param",
    "ParameterSpace",
    "Product",
    "Selection",
    "Sum",
    "dict_concat",
    "is_missing",
    "missing",
]
