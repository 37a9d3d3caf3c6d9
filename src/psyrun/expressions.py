"""Conditions that users type: Python expressions over the values of a row."""

import ast
import builtins
import math
from collections.abc import Mapping, Sequence
from typing import Any

from psyrun.exceptions import UsageError
from psyrun.failure import show_assignment

_FUNCTIONS = {
    **{name: getattr(builtins, name) for name in ("abs", "len", "max", "min", "round", "sum")},
    **{name: getattr(math, name) for name in ("isnan", "isclose", "log", "log10", "pi", "sqrt")},
}


class Expression:
    """An expression over the values of a row.

    Parameters
    ----------
    text : str
        Python, such as ``'n > 4000 and solver == "lu"'``.
    known : sequence of str
        Names that there are.
    what : str, optional
        What these are names of, for messages.

    Attributes
    ----------
    names : list of str
        Those of the known names that the expression uses, in their order.

    Raises
    ------
    UsageError
        If it is no expression, or names something else.

    Examples
    --------
    >>> Expression("n > 1", ["m", "n"]).holds({"n": 2})
    True
    """

    def __init__(self, text: str, known: Sequence[str], what: str = "parameter") -> None:
        self._text = text
        try:
            tree = ast.parse(text.strip(), "<expression>", "eval")
        except (SyntaxError, ValueError) as err:
            reason = err.msg if isinstance(err, SyntaxError) else err
            raise UsageError(f"{text!r} is no expression over {what}s: {reason}.") from None
        named = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        own = {node.id for node in named if not isinstance(node.ctx, ast.Load)}
        used = dict.fromkeys(node.id for node in named if node.id not in own)
        for name in used:
            if name not in known and name not in _FUNCTIONS:
                raise UsageError(
                    f"{text!r} names {name!r}, which is no {what}; the {what}s are "
                    f"{', '.join(known)}."
                )
        self.names = [name for name in known if name in used]
        self._code = compile(tree, "<expression>", "eval")

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Tell whether the expression is true for some values.

        Raises
        ------
        UsageError
            If it cannot be evaluated.
        """
        try:
            # The user's own words on the user's own machine.
            return bool(eval(self._code, {"__builtins__": {}, **_FUNCTIONS, **values}))  # noqa: S307
        except Exception as err:
            raise UsageError(
                f"{self._text!r} cannot be evaluated for {show_assignment(values)}: "
                f"{type(err).__name__}: {err}."
            ) from None
