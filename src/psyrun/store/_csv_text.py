"""Values as text in a CSV file, and back.

Text is always in quotes, so that what is not is a number, a truth value, a time, or missing. Files
of others have text without quotes as well, which is what nothing else fits.
"""

import csv
import datetime
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import IO, Any

import numpy as np

from psyrun.exceptions import StoreError
from psyrun.store._layout import Unstorable

_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,18})?)?)?"
)
_NUMBER_STARTS = frozenset("0123456789+-.")
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]")
_WORDS: dict[str, Any] = {"": None}
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True)
_WORDS |= dict.fromkeys(("false", "False", "FALSE"), False)
_WORDS |= {form: float(form) for form in ("nan", "NaN", "NAN", "inf", "Inf", "INF")}
_CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^,"]*))(,|\Z)')
_PLAIN_NAME = re.compile(r"[^\W\d][\w. -]*")
_UNITS = {"Y": "D", "M": "D", "W": "D", "h": "s", "m": "s"}


def to_cell(value: Any) -> str:
    """Write a value.

    Raises
    ------
    Unstorable
        If it is no scalar that a cell can hold.
    """
    if (
        getattr(value, "ndim", None) == 0
        and hasattr(value, "item")
        and value.dtype.kind not in "mM"
    ):
        value = value.item()
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, np.datetime64 | datetime.date):
        return _time(value)
    raise Unstorable(_description(value))


def to_header(name: str) -> str:
    """Write the name of a column."""
    return name if _PLAIN_NAME.fullmatch(name) and name == name.strip() else _quoted(name)


def _quoted(text: str) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Unstorable("text with lone surrogates") from None
    return f'"{text.replace(chr(34), chr(34) * 2)}"'


def _time(value: Any) -> str:
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        raise Unstorable("a datetime with a time zone")
    time = np.datetime64(value.to_numpy() if hasattr(value, "to_numpy") else value)
    if np.isnat(time):
        return ""
    unit, count = np.datetime_data(time.dtype)
    plain = _UNITS.get(unit, unit)
    text = str(time.astype(f"M8[{plain}]") if (plain, 1) != (unit, count) else time)
    if not _TIME.fullmatch(text):
        raise Unstorable("a datetime outside of the years 0 to 9999")
    return text


def _description(value: Any) -> str:
    if isinstance(value, complex | np.complexfloating):
        return "complex numbers"
    if isinstance(value, list | tuple | np.ndarray) or hasattr(value, "__array__"):
        return f"arrays (a value of type {type(value).__qualname__})"
    return f"a value of type {type(value).__qualname__}"


def from_cell(text: str) -> Any:
    """Read a value that is not in quotes."""
    if text[:1] not in _NUMBER_STARTS:
        return _WORDS.get(text, text)
    if text.isdecimal() and text.isascii() and (text[0] != "0" or text == "0"):
        return int(text)
    # Python takes more for numbers than others do, and what begins with zeros is a name.
    if text.isascii() and "_" not in text and not text[-1].isspace():
        with suppress(ValueError):
            if not _LEADING_ZERO.match(text):
                return int(text) if text.lstrip("+-").isdecimal() else float(text)
        if _TIME.fullmatch(text):
            with suppress(ValueError):
                return np.datetime64(text)
    return text


class Records:
    """The records of an open CSV file: a line each, or several if there are line ends in quotes.

    Parameters
    ----------
    file : binary file
        The file, at its beginning.
    filename : str
        Its name, for messages.

    Attributes
    ----------
    end : int
        Where the records that count and have been taken end, in bytes.
    """

    def __init__(self, file: IO[bytes], filename: str) -> None:
        self._file, self._filename = file, filename
        self._line = 0
        self.end = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._file:
            if line[:1] == b"\0":  # an append that died; see CsvStore
                return
            record, size = line, len(line)
            first = self._line = self._line + 1
            while record.count(b'"') % 2 and (more := self._file.readline()):
                self._line += 1
                record, size = record + more, size + len(more)
            if not record.endswith(b"\n") or record.count(b'"') % 2:
                raise StoreError(
                    f"{self._filename!r} ends within line {first}: it is damaged or of another "
                    f"format; if nothing is missing, end it with a line end."
                )
            self.end += size
            yield self._decoded(record, first)

    def _decoded(self, record: bytes, line: int) -> str:
        try:
            text = record.decode("utf-8-sig" if line == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise StoreError(
                f"{self._filename!r} is not in UTF-8 in line {line}: it is damaged or of another "
                f"format."
            ) from error
        return text.removesuffix("\n").removesuffix("\r")

    def values(self, record: str) -> list[Any]:
        """Read the values in a record."""
        if '"' not in record:
            return list(map(from_cell, record.split(",")))
        try:
            texts = next(csv.reader([record], strict=True))
        except csv.Error:  # which is told better there
            return self._exactly(record)
        values = list(map(from_cell, texts))
        # What is no text may have been in quotes, and then it is text.
        for text, value in zip(texts, values, strict=True):
            if type(value) is not str and f'"{text}"' in record:
                return self._exactly(record)
        return values

    def _exactly(self, record: str) -> list[Any]:
        return [from_cell(plain) if text is None else text for text, plain in self.cells(record)]

    def cells(self, record: str) -> Iterable[tuple[str | None, str]]:
        """Split a record into cells: the text in quotes or None, and the text not in quotes."""
        if '"' not in record:
            return [(None, cell) for cell in record.split(",")]
        cells, position = [], 0
        while True:
            found = _CELL.match(record, position)
            if found is None:
                raise StoreError(
                    f"{self._filename!r} has quotes at a wrong place in line {self._line}: it is "
                    f"damaged or of another format."
                )
            quoted, plain, comma = found.groups()
            cells.append((None if quoted is None else quoted.replace('""', '"'), plain or ""))
            if not comma:
                return cells
            position = found.end()
