"""The dashboard: a page that shows the tasks of a directory and keeps up with them."""

from psyrun.dashboard.serving import serve

__all__ = ["serve"]
