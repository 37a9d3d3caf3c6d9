"""What makes two parameter values the same, and stable hashes of assignments.

Two values match if Python finds them equal, with these additions:

- NaN matches NaN (and `MISSING`, and NaT), so that a row holding NaN can be recognised as done;
- a list, a tuple and an array match if they have the same shape and matching elements, because the
  stores for arrays hand out lists and tuples as arrays;
- sets match sets and dictionaries match dictionaries by their matching content;
- other objects which Python would compare by identity, or which cannot be hashed, match if they
  pickle to the same bytes, because they come back from a file as different objects.
"""

import numbers
import pickle
import struct
from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

_MISSING_BITS = struct.pack("<Q", 0x7FF8_0000_0000_07A2)

MISSING: float = struct.unpack("<d", _MISSING_BITS)[0]
"""The value of a parameter that an assignment lacks: a NaN which `is_missing` recognises."""

NAN: Hashable = ("nan",)
"""The canonical form of NaN, NaT and `MISSING`."""

EXACT = 2**53
"""Integers below this one are floats too, to which no other integer is rounded."""

_SELF_CANONICAL = frozenset({str, int, bool, bytes, type(None)})


def is_missing(value: object) -> bool:
    """Tell whether *value* stands for a parameter that the assignment lacks.

    Parameters
    ----------
    value : object
        Any value; a Python float or `numpy.float64` may be the one.

    Returns
    -------
    bool
        True for `MISSING` only, False for any other NaN.

    Examples
    --------
    >>> from psyrun import Param
    >>> from psyrun.pspace import is_missing
    >>> row = (Param(a=[1]) + Param(b=[float("nan")]))[1]
    >>> row
    {'a': nan, 'b': nan}
    >>> is_missing(row["a"]), is_missing(row["b"])
    (True, False)
    """
    return isinstance(value, float) and value != value and struct.pack("<d", value) == _MISSING_BITS


def canonical(value: Any) -> Hashable:
    """Turn a value into a key which equals the key of another value iff the values match.

    Parameters
    ----------
    value : object
        Any parameter value.

    Returns
    -------
    Hashable
        The value itself where it can serve, else a tuple describing it.

    Examples
    --------
    >>> import numpy as np
    >>> canonical(np.int64(1)) == canonical(1.0) == canonical(True)
    True
    >>> canonical([[1, 2]]) == canonical(np.array([[1.0, 2.0]]))
    True
    >>> canonical([1, 2]) == canonical([2, 1])
    False
    """
    if type(value) in _SELF_CANONICAL:
        return value  # type: ignore[no-any-return]  # these types are hashable
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return _canonical_scalar(value)
    if isinstance(value, list | tuple | np.ndarray):
        return _canonical_array(value)
    if isinstance(value, Mapping):
        return ("dict", frozenset((canonical(k), canonical(v)) for k, v in value.items()))
    if isinstance(value, AbstractSet):
        return ("set", frozenset(map(canonical, value)))
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    return _canonical_object(value)


def _canonical_scalar(value: Any) -> Hashable:
    """Reduce a NumPy scalar to the Python object that it equals."""
    if value.dtype.kind not in "mM":
        item = value.item()
        return _canonical_object(item) if isinstance(item, np.generic) else canonical(item)
    if np.isnat(value):
        return NAN
    unit, count = np.datetime_data(value.dtype)
    if value.dtype.kind == "M" and unit in ("Y", "M"):
        value, unit, count = value.astype("M8[D]"), "D", 1
    ticks = int(value.astype(np.int64)) * count * _TICKS.get(unit, 1)
    return ("time", value.dtype.kind, unit if unit not in _TICKS else "", ticks)


_TICKS = {  # attoseconds
    unit: factor * 10**power
    for unit, factor, power in [
        *(("W", 604_800, 18), ("D", 86_400, 18), ("h", 3600, 18), ("m", 60, 18), ("s", 1, 18)),
        *(("ms", 1, 15), ("us", 1, 12), ("ns", 1, 9), ("ps", 1, 6), ("fs", 1, 3), ("as", 1, 0)),
    ]
}


def _canonical_array(value: Any) -> Hashable:
    """Describe a sequence by its shape and its elements.

    Numbers that float64 represents exactly, the usual case, are described by their bytes.
    """
    if isinstance(value, np.ndarray) and value.dtype == object:
        value = value.tolist()
    try:
        array = np.asarray(value)
        if array.dtype.kind in "biuf" and array.dtype.itemsize <= 8:
            size = np.abs(array.astype(np.float64))
            if not np.any((size >= EXACT) & (size < np.inf)):
                array = array.astype(np.float64) + 0.0  # turns -0.0 into 0.0
                array[np.isnan(array)] = np.nan
                return ("array", array.shape, array.astype("<f8").tobytes())
        if not isinstance(value, np.ndarray):
            array = np.array(value, dtype=object)
    except (ValueError, OverflowError):  # ragged
        return ("array", (len(value),), tuple(map(canonical, value)))
    leaves = array.ravel().tolist() if array.dtype.kind not in "mM" else list(array.ravel())
    return ("array", array.shape, tuple(map(canonical, leaves)))


def _canonical_object(value: Any) -> Hashable:
    try:
        if value != value:
            return NAN
    except Exception:  # noqa: S110  # a value that cannot be compared is no NaN
        pass
    by_value = getattr(type(value), "__hash__", None)
    if by_value not in (None, object.__hash__):
        try:
            hash(value)
        except TypeError:  # a frozen container of something unhashable
            return _pickled(value)
        return value  # type: ignore[no-any-return]  # just hashed
    return _pickled(value)


def _pickled(value: Any) -> Hashable:
    try:
        return ("pickle", pickle.dumps(value, protocol=4))
    except Exception:  # pickling runs foreign code, which may raise anything
        return ("object", id(value)) if type(value).__hash__ is None else value


# --- Hashes ------------------------------------------------------------------------------------

_FRACTION = np.uint64(0x9E37_79B9_7F4A_7C15)
_MASK = 2**64 - 1


def assignment_hashes(columns: Mapping[str, Sequence[Any]], n: int) -> npt.NDArray[np.uint64]:
    """Hash each row of a table of assignments.

    A hash depends on nothing but the assignment: assignments that match have the same hash in
    every process, on every platform, in whichever space and in whichever order of names. A
    parameter that is NaN or `MISSING` contributes nothing. (Objects that are neither numbers,
    text nor containers hash by how they pickle.)

    Parameters
    ----------
    columns : mapping
        For each parameter the *n* values of the rows.
    n : int
        Number of rows.

    Returns
    -------
    ndarray of uint64, shape (n,)
        The hashes.

    Examples
    --------
    >>> import numpy as np
    >>> assignment_hashes({"a": [1]}, 1) == assignment_hashes({"a": [1.0], "b": [MISSING]}, 1)
    array([ True])
    """
    total = np.zeros(n, dtype=np.uint64)
    for name, column in columns.items():
        total += _column_hashes(name, column, n)
    return mix(total)


def _column_hashes(name: str, column: Sequence[Any], n: int) -> npt.NDArray[np.uint64]:
    salt = np.uint64(_digest(name.encode()))
    numbers_ = as_numbers(column)
    if numbers_ is None:
        table: dict[Hashable, tuple[int, bool]] = {}
        words = np.empty(n, dtype=np.uint64)
        absent = np.zeros(n, dtype=bool)
        for i, value in enumerate(column):
            key = canonical(value)
            if key not in table:
                table[key] = (_word(key), key is NAN)
            words[i], absent[i] = table[key]
    elif numbers_.dtype == np.int64:
        return mix(numbers_.view(np.uint64) + salt)
    else:
        absent = np.isnan(numbers_)
        whole = (numbers_ >= -(2.0**63)) & (numbers_ < 2.0**63) & (np.trunc(numbers_) == numbers_)
        words = numbers_.view(np.uint64) ^ _FRACTION
        words[whole] = numbers_[whole].astype(np.int64).view(np.uint64)
    hashes = mix(words + salt)
    hashes[absent] = 0
    return hashes


def as_numbers(column: Any) -> npt.NDArray[np.int64] | npt.NDArray[np.float64] | None:
    """Turn a column of numbers into an array, unless that would change a value.

    Parameters
    ----------
    column : sequence
        Values of any type.

    Returns
    -------
    ndarray of int64 or float64, shape (len(column),), or None
        None if a value is not a number, or not exactly represented in the array's type.
    """
    if isinstance(column, range):
        fits = not column or max(abs(column[0]), abs(column[-1])) < 2**63
        return np.arange(column.start, column.stop, column.step, dtype=np.int64) if fits else None
    if isinstance(column, np.ndarray):
        return _array_as_numbers(column)
    types = set(map(type, column))
    if types <= {int, bool}:
        try:
            return np.array(column, dtype=np.int64)
        except OverflowError:
            return None
    if types == {float}:
        return np.array(column, dtype=np.float64)
    if not all(issubclass(t, bool | int | float | np.number | np.bool_) for t in types):
        return None
    try:
        array = np.array(column)
    except OverflowError:
        return None
    if array.dtype.kind == "f" and np.any((np.abs(array) >= EXACT) & (np.abs(array) < np.inf)):
        return None  # an integer among the values might have been rounded
    return _array_as_numbers(array)


def _array_as_numbers(
    array: npt.NDArray[Any],
) -> npt.NDArray[np.int64] | npt.NDArray[np.float64] | None:
    if array.ndim != 1:
        return None
    if array.dtype.kind in "bi" or (array.dtype.kind == "u" and array.dtype.itemsize < 8):
        return array.astype(np.int64)
    if array.dtype.kind == "u":
        return array.astype(np.int64) if not np.any(array >= 2**63) else None
    if array.dtype.kind == "f" and array.dtype.itemsize <= 8:
        return array.astype(np.float64)
    return None


def mix(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Scramble 64-bit words, one to one.

    This is the output function of SplitMix64 (Steele, Lea and Flood, 2014).

    Parameters
    ----------
    words : ndarray of uint64
        Any words.

    Returns
    -------
    ndarray of uint64
        Words of the same shape; similar ones have become very different.
    """
    words = words + _FRACTION  # a copy
    words ^= words >> np.uint64(30)
    words *= np.uint64(0xBF58_476D_1CE4_E5B9)
    words ^= words >> np.uint64(27)
    words *= np.uint64(0x94D0_49BB_1331_11EB)
    words ^= words >> np.uint64(31)
    return words


def _word(key: Hashable) -> int:
    """Reduce a canonical value to 64 bits."""
    if isinstance(key, numbers.Number):
        key = _simplest(key)
        if isinstance(key, int) and -(2**63) <= key < 2**63:
            return key & _MASK
        if isinstance(key, float):
            return int.from_bytes(struct.pack("<d", key), "little") ^ int(_FRACTION)
    return _digest(_encode(key))


def _simplest(number: Any) -> Any:
    """Represent numbers that are equal by the same object: an int in 64 bits, a float, or else."""
    if isinstance(number, complex) and not number.imag:
        number = number.real
    for kind in (int, float):
        try:
            if kind(number) == number and (kind is float or -(2**63) <= number < 2**63):
                return kind(number)
        except (TypeError, ValueError, OverflowError):
            pass  # a complex number, or one out of the range of floats
    return number


def _encode(key: Any) -> bytes:
    """Write a canonical value as bytes, the same ones in every process."""
    if isinstance(key, str):
        return b"s" + key.encode("utf-8", "surrogatepass")
    if isinstance(key, bytes):
        return b"b" + key
    if isinstance(key, numbers.Number):
        return b"n" + repr(_simplest(key)).encode()
    if isinstance(key, tuple):
        parts = [_encode(part) for part in key]
    elif isinstance(key, frozenset):
        parts = sorted(_encode(part) for part in key)
    else:
        try:
            return b"p" + pickle.dumps(key, protocol=4)
        except Exception:  # as above; the type is the best that remains
            return b"o" + f"{type(key).__module__}.{type(key).__qualname__}".encode()
    return b"(" + b"".join(struct.pack("<Q", len(part)) + part for part in parts)


def _digest(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little")
