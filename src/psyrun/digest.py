"""Hashes by content, which tell whether what a result depends on has changed."""

import hashlib
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np

from psyrun.files import content_hash
from psyrun.plan import Digest
from psyrun.pspace import Param, ParameterSpace, Product, Selection, Sum
from psyrun.pspace.columns import Single
from psyrun.values import assignment_hashes

_SIZE = 16
_BLOCK = 1 << 16


def digest(task: bytes, directory: Path, file_dep: list[str], space: ParameterSpace) -> Digest:
    """Hash what a result depends on.

    Parameters
    ----------
    task : bytes
        Content of the task file.
    directory : Path
        Where the task file is.
    file_dep : list of str
        Further files, relative to that directory.
    space : ParameterSpace
        The parameter space.

    Raises
    ------
    FileNotFoundError
        If one of the files is not there.
    """
    return Digest(
        task=hashlib.blake2b(task, digest_size=_SIZE).hexdigest(),
        file_dep={name: content_hash(directory / name) for name in file_dep},
        space=space_digest(space),
    )


def space_digest(space: ParameterSpace) -> str:
    """Hash a space by its composition, which takes time proportional to its leaves only.

    Spaces with the same hash have the same assignments in the same order. The reverse need not
    hold: a product has another hash than the list of its rows.

    Examples
    --------
    >>> from psyrun.pspace import Param
    >>> space_digest(Param(a=[1, 2])) == space_digest(Param(a=[1.0, 2.0]))
    True
    >>> space_digest(Param(a=[1, 2])) == space_digest(Param(a=[2, 1]))
    False
    """
    return _hash(_describe(space)).hex()


def _hash(*parts: bytes) -> bytes:
    total = hashlib.blake2b(digest_size=_SIZE)
    for part in parts:
        total.update(len(part).to_bytes(8, "little"))
        total.update(part)
    return total.digest()


@singledispatch
def _describe(space: ParameterSpace) -> bytes:
    """Hash a space that is composed in a way not known here, row by row."""
    columns = space.build()
    return _hash(b"rows", *(_column(name, columns[name]) for name in columns))


@_describe.register
def _(space: Param) -> bytes:
    columns = (_column(name, column) for name, column in space.columns.items())
    return _hash(b"Param", str(len(space)).encode(), *columns)


@_describe.register
def _(space: Product) -> bytes:
    return _hash(b"Product", *(_describe(factor) for factor in space.factors))


@_describe.register
def _(space: Sum) -> bytes:
    return _hash(b"Sum", *(_describe(term) for term in space.terms))


@_describe.register
def _(space: Selection) -> bytes:
    return _hash(b"Selection", _describe(space.base), _rows(space.rows))


def _rows(rows: Any) -> bytes:
    if isinstance(rows, range):
        return repr(rows).encode()
    content = np.ascontiguousarray(rows, dtype="<i8").data
    return hashlib.blake2b(content, digest_size=_SIZE).digest()


def _column(name: str, column: Any) -> bytes:
    if isinstance(column, range):
        return _hash(name.encode(), repr(column).encode())
    values = [column.value] if isinstance(column, Single) else column
    hashes = (
        assignment_hashes({name: values[i : i + _BLOCK]}, len(values[i : i + _BLOCK]))
        for i in range(0, len(values), _BLOCK)
    )
    total = hashlib.blake2b(digest_size=_SIZE)
    for block in hashes:
        total.update(block.astype("<u8").data)
    return _hash(name.encode(), total.digest())
