"""psy plot."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from psyrun.cli.choosing import load_chosen, split_names
from psyrun.cli.exits import FINE
from psyrun.exceptions import UsageError

if TYPE_CHECKING:
    from psyrun.plotting.picture import Picture


def plot(args: argparse.Namespace) -> int:
    """Draw an output of a task against its parameters."""
    from psyrun.plotting.drawing import ask, describe, save

    result = load_chosen(args, partial=args.partial)
    *axes, y = args.columns
    if len(axes) > 1:
        raise UsageError(
            f"psy plot takes X and Y, or Y alone, not {len(args.columns)} columns; two parameters "
            f"for the axes of a heat map are written as {axes[0]},{axes[1]}."
        )
    asked = ask(
        split_names(result, y),
        split_names(result, axes[0]) if axes else None,
        args.color,
        split_names(result, args.facet) if args.facet is not None else None,
        args.style,
        args.error,
        args.form,
    )
    picture, caption = describe(result, asked, args.spread, args.log, bands=args.output is not None)
    if args.where is not None:
        caption += f"; only {args.where}"
    if args.output is not None:
        save(picture, caption, Path(args.output))
        print(f"wrote {args.output}\n{caption}")
    else:
        _show(picture, caption)
    return FINE


def _show(picture: "Picture", caption: str) -> None:
    from rich.console import Console

    from psyrun.plotting.terminal import draw_text

    console = Console(highlight=False, soft_wrap=True)
    colors = console.is_terminal and console.color_system is not None and not console.no_color
    plain = not (console.encoding or "").lower().startswith("utf")
    console.print(draw_text(picture, caption, console.width, colors=colors, ascii_only=plain))
