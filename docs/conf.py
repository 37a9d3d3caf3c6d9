"""Settings of the documentation."""

from psyrun import __version__

project = "psyrun"
author = "The psyrun developers"
copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
default_role = "py:obj"
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"\w+"),  # a bare name in a docstring may as well be a parameter
    ("py:.*", r"(abc|joblib|numpy|pandas|pickle)\..*"),  # documented elsewhere
]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc shows the types, in words
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"psyrun {release}"
html_static_path = ["_static"]
