"""Colours that everybody can tell apart, and in which more looks like more."""

from typing import Any

import numpy as np

from psyrun.plotting.columns import Column, Kind
from psyrun.plotting.scales import is_log, straddles_zero

CATEGORIES = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#000000",
    "#F0E442",
)
"""By Okabe and Ito (2008), the faintest last."""

_MAGNITUDES = "viridis"
_DIVERGING = "PuOr_r"
_DARKEST, _BRIGHTEST = 0.0, 0.9
"""The end of viridis can hardly be seen on white."""


def scale_of(values: Any, *, up_to: float = 1.0) -> tuple[Any, Any]:
    """Choose how numbers become colours.

    Parameters
    ----------
    values : ndarray
        The numbers.
    up_to : float, optional
        Share of the colours that is used.

    Returns
    -------
    norm : matplotlib.colors.Normalize
        Turns numbers into shares.
    map : matplotlib.colors.Colormap
        Turns shares into colours.
    """
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize

    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
    if straddles_zero(finite):
        most = max(-low, high)
        return Normalize(-most, most), colormaps[_DIVERGING]
    shown = colormaps[_MAGNITUDES]
    if up_to < 1.0:
        part = shown(np.linspace(_DARKEST, up_to, 256))
        shown = LinearSegmentedColormap.from_list(f"{_MAGNITUDES} in part", part)
    levels = np.unique(finite)
    norm = LogNorm if is_log(finite) or is_log(levels, levels) else Normalize
    return norm(low, high), shown


def color_scale(column: Column) -> tuple[Any, Any]:
    """Choose how the numbers of a column become colours of lines and points."""
    return scale_of(column.levels, up_to=_BRIGHTEST)


def color_of(column: Column | None, level: int) -> Any:
    """Return the colour of a level; without a column the first of all colours."""
    if column is None:
        return CATEGORIES[0]
    if column.kind is not Kind.NUMBER:
        return CATEGORIES[level % len(CATEGORIES)]
    norm, colors = color_scale(column)
    return colors(norm(float(column.levels[level])))
