"""Functions used in examples."""


def square(x: float) -> dict[str, float]:
    """Return the square of *x*.

    Parameters
    ----------
    x : float
        Number to square.

    Returns
    -------
    dict
        ``{'y': x * x}``

    Examples
    --------
    >>> square(3)
    {'y': 9}
    """
    return {"y": x * x}
