"""Tasks that are made of a function, without a file: what they depend on, how they are kept."""

from psyrun.functions.task import FunctionTask, load_classes

__all__ = ["FunctionTask", "load_classes"]
