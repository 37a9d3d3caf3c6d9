"""Executing task files."""

import importlib.util
import linecache
import sys
import traceback
import types
from pathlib import Path

from psyrun.exceptions import TaskLoadError
from psyrun.files import read_shared
from psyrun.tasks.hints import shown_path


def execute_file(path: Path, source: Path, module_name: str) -> tuple[types.ModuleType, bytes]:
    """Execute *source* as if it were *path*, as a module that pickles can refer to.

    Also return what was executed.
    """
    directory = str(path.parent.absolute())
    if directory not in sys.path:
        sys.path.insert(0, directory)
    module = types.ModuleType(module_name)
    module.__file__ = str(path)
    previous = sys.modules.get(module_name)
    sys.modules[module_name] = module
    try:
        content = read_shared(source)
        text = importlib.util.decode_source(content)
        # Tracebacks show the lines that were executed, also when the file has changed since.
        linecache.cache[str(path)] = (len(text), None, text.splitlines(keepends=True), str(path))
        exec(compile(content, str(path), "exec"), module.__dict__)  # noqa: S102 - it is the task
    except BaseException as err:
        if previous is not None:
            sys.modules[module_name] = previous
        else:
            del sys.modules[module_name]
        if isinstance(err, KeyboardInterrupt):
            raise
        raise TaskLoadError(_what_went_wrong(path, source, err)) from err
    return module, content


def _what_went_wrong(path: Path, source: Path, err: BaseException) -> str:
    line: int | None = None
    if isinstance(err, FileNotFoundError) and err.filename == str(source):
        return f"There is no file {shown_path(source)}."
    if isinstance(err, SyntaxError) and err.filename == str(path):
        return f"{shown_path(path)}, line {err.lineno}: {type(err).__name__}: {err.msg}"
    for frame in traceback.extract_tb(err.__traceback__):
        if frame.filename == str(path):
            line = frame.lineno
    place = f"{shown_path(path)}, line {line}" if line else shown_path(path)
    return f"{place}: {type(err).__name__}: {err}"
