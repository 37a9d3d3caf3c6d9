"""Pages of HTML that need nothing else: styles, scripts and data are in them."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from psyrun.extras import require

SCRIPTS = ("values.js", "filters.js", "table.js", "plots.js", "views.js", "page.js")
"""The scripts that reports and the dashboard share, in the order of their execution."""

PLOTTING = "plotly.js"
"""What goes for the name of the plotting library among scripts."""


@cache
def read_asset(name: str) -> str:
    """Return a file that is part of pages.

    Raises
    ------
    MissingExtraError
        If the plotting library is not installed.
    """
    if name == PLOTTING:
        script: str = require("plotly.offline", "report", "A report").get_plotlyjs()
        return script
    return files("psyrun.report").joinpath("assets", name).read_text(encoding="utf-8")


def make_page(title: str, contents: Mapping[str, Any]) -> str:
    """Make a page that shows some content.

    Parameters
    ----------
    title : str
        Its title.
    contents : dict
        Data for the page's scripts, ready for JSON.

    Returns
    -------
    str
        HTML. A policy in it forbids the browser to load anything, and to execute anything but the
        scripts that psyrun has put there.
    """
    scripts = [read_asset(name) for name in (PLOTTING, *SCRIPTS, "report.js")]
    sources = " ".join(map(_hash, scripts))
    policy = (
        f"default-src 'none'; script-src {sources}; style-src 'unsafe-inline'; img-src data: blob:"
    )
    return fill_page(
        title,
        policy,
        f"<style>\n{read_asset('page.css')}</style>",
        f'<script type="application/json" id="content">{_for_script(contents)}</script>\n'
        + "\n".join(f"<script>{script}</script>" for script in scripts),
    )


def fill_page(title: str, policy: str, styles: str, scripts: str) -> str:
    """Put the parts of a page together; *title* is text, the others are HTML."""
    parts = {
        "@policy@": policy,
        "@title@": html.escape(title),
        "@styles@": styles,
        "@scripts@": scripts,
    }
    return _replace_once(read_asset("page.html"), parts)


def _replace_once(text: str, parts: Mapping[str, str]) -> str:
    """Replace marks, but not what looks like one in the parts that are put in."""
    return re.sub("|".join(parts), lambda found: parts[found.group()], text)


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _for_script(content: Any) -> str:
    """Write JSON that no HTML parser takes for the end of a script, or for a comment."""
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")
