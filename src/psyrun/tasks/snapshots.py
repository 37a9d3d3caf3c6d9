"""Tasks as they were when a plan was made."""

import importlib.machinery
import sys
import types
from pathlib import Path

from psyrun.plan import Brief
from psyrun.tasks.config import CONF_FILE, load_conf
from psyrun.tasks.definition import TaskDef
from psyrun.workdir import PlanDir


def load_snapshot(brief: Brief, files: PlanDir) -> TaskDef:
    """Load the task as it was when the plan was made."""
    if brief.is_of_function:
        from psyrun.tasks.function import FunctionTask  # most plans do without it

        return FunctionTask.load(brief, files)
    task_file = Path(brief.task_file)
    conf = load_conf(task_file.parent, files.sources / CONF_FILE)
    return TaskDef(task_file, conf, source=files.sources / brief.snapshot)


def import_snapshot_on_demand(brief: Brief, files: PlanDir) -> None:
    """Let pickles refer to what the task file defines, without executing it unless one does."""
    if brief.is_of_function:
        from psyrun.tasks.function import let_import  # most plans do without it

        let_import(brief, files)
        return
    sys.path.insert(0, brief.task_dir)
    sys.meta_path.insert(0, _SnapshotFinder(brief, files))


class _SnapshotFinder:
    def __init__(self, brief: Brief, files: PlanDir) -> None:
        self._brief, self._files = brief, files
        self._name = Path(brief.task_file).stem

    def find_spec(
        self, fullname: str, path: object, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.machinery.ModuleSpec(
            fullname,
            self,  # type: ignore[arg-type]  # it has what a loader needs; importlib.abc is slow
        )

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        load_snapshot(self._brief, self._files)
        return sys.modules[self._name]

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing: making the module has executed it."""
