"""Amounts of memory, as task files and schedulers write them."""

import math
import re

_UNITS = {"": 1024**2, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def parse_memory(value: object) -> int | None:
    """Read an amount of memory.

    Parameters
    ----------
    value : object
        Such as ``'500M'``, ``'1.5GB'``, ``'2 GiB'``; a bare number is in MB, as for Slurm. Units
        are powers of 1024.

    Returns
    -------
    int or None
        Bytes; None if it cannot be read or is not above 0.

    Examples
    --------
    >>> parse_memory('1G'), parse_memory('1.5GB') // 1024**2, parse_memory(500) // 1024**2
    (1073741824, 1536, 500)
    >>> parse_memory('much') is None
    True
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    matched = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([KMGT]?)(?:I?B)?", str(value).strip().upper())
    if matched is None or (amount := float(matched[1])) <= 0:
        return None
    return math.ceil(amount * _UNITS[matched[2]])


def format_memory(n_bytes: float) -> str:
    """Write an amount of memory as a whole number of GB or MB, rounded up.

    Examples
    --------
    >>> format_memory(2 * 1024**3), format_memory(1.5 * 1024**3), format_memory(1)
    ('2G', '1536M', '1M')
    """
    mb = math.ceil(n_bytes / _UNITS["M"])
    return f"{mb // 1024}G" if mb % 1024 == 0 else f"{mb}M"
