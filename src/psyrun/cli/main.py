"""From the command line to a command, and from its errors to an exit code."""

import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

from psyrun.cli.exits import FINE, INTERRUPTED, WRONG_USE
from psyrun.cli.wording import complain, reason


def psy_main(argv: Sequence[str] | None = None) -> int:
    """Run a psy command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process by default.

    Returns
    -------
    int
        0 if all is fine, 1 if rows have failed or are missing after a finished run, 2 if the
        command was used wrongly or a task cannot be loaded, 130 if it was interrupted.
    """
    from psyrun.cli.parser import make_parser

    parser = make_parser()
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser, always_complete_options=False)
    try:
        args = parser.parse_args(argv)
    except SystemExit as err:  # argparse has printed what there is to say
        return err.code if isinstance(err.code, int) else WRONG_USE
    from psyrun.cli.commands import find_command
    from psyrun.exceptions import PsyrunError, TaskWarning

    _let_all_text_be_shown()
    with warnings.catch_warnings():
        warnings.simplefilter("always", TaskWarning)
        warnings.showwarning = _show_warning
        try:
            code = find_command(args.command)(args)
            sys.stdout.flush()
            return code
        except PsyrunError as err:
            complain(err)
            return WRONG_USE
        except BrokenPipeError:  # psy list | head
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FINE
        except OSError as err:
            complain(reason(err))
            return WRONG_USE
        except KeyboardInterrupt:
            return INTERRUPTED


def _let_all_text_be_shown() -> None:
    """Escape what the terminal's encoding lacks, such as file names that are no text."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # something else has been put in their place
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"psy: warning: {message}", file=sys.stderr)
