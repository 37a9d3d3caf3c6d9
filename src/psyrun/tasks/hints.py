"""Naming things for people who have mistyped something."""

from collections.abc import Iterable
from pathlib import Path


def shown_path(path: Path) -> str:
    """Return a path as the user would type it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def close_to(name: str, known: Iterable[str], n: int, cutoff: float) -> list[str]:
    """Return the names that a mistyped one may have meant, at most *n*."""
    similar = [other for other in known if set(other[:1] + other[-1:]) & set(name[:1] + name[-1:])]
    if not similar:
        return []
    import difflib  # takes a while to load

    return difflib.get_close_matches(name, similar, n=n, cutoff=cutoff)
