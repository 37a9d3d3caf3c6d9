"""Progress bars in terminals and notebooks."""

import sys
import warnings
from typing import Any


def make_bar(**options: Any) -> Any:
    """Make a progress bar of rows, which shows nothing where there is neither of the two.

    Parameters
    ----------
    **options
        As for `tqdm.tqdm`.
    """
    with warnings.catch_warnings(action="ignore"):  # of what would make it nicer in notebooks
        from tqdm.auto import tqdm

    return tqdm(unit="row", disable=False if _in_notebook() else None, **options)


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
