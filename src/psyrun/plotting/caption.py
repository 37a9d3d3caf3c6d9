"""What is written under a picture: what has been averaged, left out, or has failed."""

from collections.abc import Sequence

from psyrun.plotting.description import Choice, Form
from psyrun.plotting.groups import Spread

_STATISTICS = {
    Spread.SEM: "mean and standard error",
    Spread.STD: "mean and standard deviation",
    Spread.QUARTILES: "median and quartiles",
    Spread.RANGE: "median and range",
    Spread.EACH: "a line for each",
}


def tell_statistics(choice: Choice, spread: Spread, *, several: bool, bands: bool = True) -> str:
    """Say what is not told apart, and what has been done with it.

    Parameters
    ----------
    choice : Choice
        What is drawn.
    spread : Spread
        Which statistics.
    several : bool
        Whether there are several rows at a place.
    bands : bool, optional
        Whether more can be shown than the line in the midst, and single points.

    Returns
    -------
    str
        Empty if there is nothing to say.

    Examples
    --------
    >>> lines = Choice(Form.LINES, "radius", "area", "area", over=(("trial", 50),))
    >>> tell_statistics(lines, Spread.SEM, several=True)
    'mean and standard error over trial (50)'
    """
    over = join([f"{name} ({n})" for name, n in choice.over])
    if choice.error:
        return f"with {choice.error} above and below" if bands else ""
    if choice.form is Form.HISTOGRAM:
        return f"distribution over {over}" if over else ""
    if choice.form is Form.SCATTER:
        return f"a point for each row, whatever its {over}" if over else "a point for each row"
    if not several:
        return ""
    over = over or "rows with equal parameters"
    middle = "median" if spread in (Spread.QUARTILES, Spread.RANGE) else "mean"
    if choice.form is Form.HEATMAP or (
        choice.form is Form.LINES and not bands and spread is not Spread.EACH
    ):
        return f"{middle} over {over}"
    if spread is Spread.EACH:
        return f"{_STATISTICS[spread]} {over}"
    points = "; a point for each row" if choice.form is Form.STRIPS and bands else ""
    return f"{_STATISTICS[spread]} over {over}{points}"


def tell_state(total: int, failed: int, pending: int) -> list[str]:
    """Say how many rows are not in the picture because they have no result.

    Examples
    --------
    >>> tell_state(200, 3, 0)
    ['3 of 200 rows failed']
    """
    told = [(failed, "failed"), (pending, "pending")]
    return [f"{n} of {total} rows {what}" for n, what in told if n]


def tell_left_out(n: int, names: Sequence[str], why: str) -> list[str]:
    """Say how many completed rows are left out, and why."""
    if not n:
        return []
    rows = "1 row" if n == 1 else f"{n} rows"
    return [f"{rows} left out: {why} {join(list(names), 'or')}"]


def join(names: Sequence[str], word: str = "and") -> str:
    """Write names one after the other.

    Examples
    --------
    >>> join(["a", "b", "c"])
    'a, b and c'
    """
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {word} {names[-1]}"
