"""Tasks: what can be set in task files, loading them, and tasks that are made of a function."""

from psyrun.tasks.config import CONF_FILE, Config, load_conf
from psyrun.tasks.definition import TaskDef, merged_arguments
from psyrun.tasks.loader import PackageLoader
from psyrun.tasks.snapshots import import_snapshot_on_demand, load_snapshot

__all__ = [
    "CONF_FILE",
    "Config",
    "PackageLoader",
    "TaskDef",
    "import_snapshot_on_demand",
    "load_conf",
    "load_snapshot",
    "merged_arguments",
]
