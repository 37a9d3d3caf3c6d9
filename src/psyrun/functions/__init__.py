"""Tasks that are made of a function, without a file: what they depend on, how they are kept."""

from psyrun.functions.task import FunctionTask, let_import

__all__ = ["FunctionTask", "let_import"]
