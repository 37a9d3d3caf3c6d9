"""Numbering values so that rows can be compared as integers.

The values of a parameter get codes: equal codes for values that match, 0 for NaN and `MISSING`.
Only the values which a `Param` holds are looked at; products and sums of spaces are products and
sums of codes.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from psyrun.pspace.columns import Column, Single
from psyrun.values import EXACT, NAN, as_numbers, canonical, mix

Codes = npt.NDArray[np.int64]

_TABLE = 1 << 22  # length of a table that is always affordable
_HASHABLE = frozenset({str, bytes, int, bool, type(None)})


def factorise(columns: Sequence[Column]) -> tuple[list[Codes], int]:
    """Give numbers to the values of one parameter.

    Parameters
    ----------
    columns : sequence of Column
        Columns of values, from one or several spaces.

    Returns
    -------
    codes : list of ndarray of int64
        The codes of each column, of length one for a single value.
    size : int
        All codes are less than this.
    """
    sequences = [[c.value] if isinstance(c, Single) else c for c in columns]
    lengths = [len(s) for s in sequences]
    numbers = _joined_numbers(sequences)
    if numbers is None:
        codes, size = _object_codes(sequences, sum(lengths))
    elif numbers.dtype == np.int64:
        codes, size = integer_codes(numbers)
        codes, size = codes + 1, size + 1
    else:
        codes, size = _float_codes(numbers)
    return np.split(codes, np.cumsum(lengths)[:-1]), size


def _joined_numbers(sequences: Sequence[Any]) -> npt.NDArray[Any] | None:
    arrays = []
    for sequence in sequences:
        array = as_numbers(sequence)
        if array is None:
            return None
        arrays.append(array)
    kinds = {array.dtype for array in arrays if len(array)}
    if len(kinds) > 1 and any(
        array.dtype == np.int64 and np.any((array >= EXACT) | (array <= -EXACT)) for array in arrays
    ):
        return None  # float64 would round
    if not kinds:
        return np.empty(0, dtype=np.int64)
    return np.concatenate([array for array in arrays if len(array)])


def integer_codes(values: npt.NDArray[np.int64]) -> tuple[Codes, int]:
    """Give small numbers to integers: their offsets, or else their places in a hash table.

    Parameters
    ----------
    values : ndarray of int64, shape (n,)
        Integers.

    Returns
    -------
    codes : ndarray of int64, shape (n,)
        Equal for equal integers, else different.
    size : int
        All codes are less than this; O(n).
    """
    if not len(values):
        return values, 0
    low, high = int(values.min()), int(values.max())
    if high - low < 4 * len(values) + 1024:
        return values - low, high - low + 1
    return _hash_codes(values.view(np.uint64))


def _hash_codes(values: npt.NDArray[np.uint64]) -> tuple[Codes, int]:
    """Give numbers to 64-bit words by a hash table with linear probing, all words in step."""
    bits = max(10, (len(values) * 4 // 3).bit_length())
    index_type = np.dtype(np.int32 if len(values) < 2**31 else np.int64)
    slots = (mix(values) >> np.uint64(64 - bits)).astype(np.int64)
    codes = np.empty(len(values), dtype=np.int64)
    owner: npt.NDArray[np.signedinteger[Any]] = np.full(1 << bits, -1, dtype=index_type)
    pending = np.arange(len(values), dtype=index_type)
    while len(pending):
        free = owner[slots] < 0
        owner[slots[free]] = pending[free]
        home = values[owner[slots]] == values[pending]
        codes[pending[home]] = slots[home]
        pending = pending[~home]
        slots = (slots[~home] + 1) & ((1 << bits) - 1)
    return codes, 1 << bits


def _float_codes(values: npt.NDArray[np.float64]) -> tuple[Codes, int]:
    codes, size = integer_codes((values + 0.0).view(np.int64))  # + 0.0 turns -0.0 into 0.0
    codes += 1
    codes[np.isnan(values)] = 0
    return codes, size + 1


def _object_codes(sequences: Sequence[Any], n: int) -> tuple[Codes, int]:
    counter = count()
    table: defaultdict[Hashable, int] = defaultdict(counter.__next__)
    table[NAN]  # the first, hence 0
    codes = np.empty(n, dtype=np.int64)
    start = 0
    for sequence in sequences:
        stop = start + len(sequence)
        keys = map(table.__getitem__, _keys(sequence))
        codes[start:stop] = np.fromiter(keys, dtype=np.int64, count=stop - start)
        start = stop
    return codes, len(table)


def _keys(sequence: Any) -> Sequence[Hashable]:
    if isinstance(sequence, np.ndarray) and sequence.dtype.kind in "US" and sequence.ndim == 1:
        return sequence.tolist()  # type: ignore[no-any-return]  # a list of str or bytes
    if isinstance(sequence, list) and set(map(type, sequence)) <= _HASHABLE:
        return sequence
    return list(map(canonical, sequence))


def combine(
    columns: Iterable[tuple[list[Codes], int]], lengths: Sequence[int]
) -> tuple[list[Codes], int]:
    """Combine the codes of several parameters to one code for each row.

    Parameters
    ----------
    columns : iterable of (list of ndarray of int64, int)
        For each parameter its codes in each of several spaces, and their size.
    lengths : sequence of int
        Numbers of rows of the spaces.

    Returns
    -------
    codes : list of ndarray of int64
        For each space the codes of its rows.
    size : int
        All codes are less than this, which is small enough to make a table of that length.
    """
    codes = [np.zeros(n, dtype=np.int64) for n in lengths]
    size = 1
    for parts, n_values in columns:
        if size * n_values >= 2**62:
            codes, size = _compact(codes)
        for code, part in zip(codes, parts, strict=True):
            code *= n_values
            code += part
        size *= n_values
    return _compact(codes) if size > max(_TABLE, 8 * sum(lengths)) else (codes, size)


def _compact(codes: list[Codes]) -> tuple[list[Codes], int]:
    joined, size = integer_codes(np.concatenate(codes))
    return np.split(joined, np.cumsum([len(code) for code in codes])[:-1]), size
