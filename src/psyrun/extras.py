"""Libraries that only some features need."""

import importlib
import importlib.util
from typing import Any

from psyrun.exceptions import MissingExtraError


def require(module: str, extra: str, purpose: str) -> Any:
    """Import a library that comes with an extra.

    Parameters
    ----------
    module : str
        Name to import.
    extra : str
        The extra of psyrun that installs it.
    purpose : str
        What needs it; the subject of the message.

    Returns
    -------
    module

    Raises
    ------
    MissingExtraError
        If it is not installed.

    Examples
    --------
    >>> require("nosuchlibrary", "h5", "H5Store")
    Traceback (most recent call last):
        ...
    psyrun.exceptions.MissingExtraError: H5Store needs nosuchlibrary, which is not installed; \
install it with: pip install 'psyrun[h5]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as err:
        if err.name is None or err.name.split(".")[0] != module.split(".")[0]:
            raise  # the library is there, but not something that it needs
        raise missing(module, extra, purpose) from None


def ensure(module: str, extra: str, purpose: str) -> None:
    """Check that a library is installed, without the time that loading it takes.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    if importlib.util.find_spec(module.split(".")[0]) is None:
        raise missing(module, extra, purpose)


def missing(module: str, extra: str, purpose: str) -> MissingExtraError:
    """Return the error to raise where a library is not installed."""
    library = module.split(".")[0]
    return MissingExtraError(
        f"{purpose} needs {library}, which is not installed; install it with: "
        f"pip install 'psyrun[{extra}]'"
    )
