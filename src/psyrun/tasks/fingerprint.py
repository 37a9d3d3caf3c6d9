"""A hash of what a function does, which is the same in every process.

The pickle of a function is not: it depends on the name of the notebook's cell, on which strings are
the same object, and on the order of sets.
"""

import copyreg
import dis
import hashlib
import sys
from collections.abc import Iterable, Iterator
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

_ATOMS = (type(None), bool, int, float, complex, str, bytes, bytearray, range, type(Ellipsis))
_NOT_OF_A_CLASS = frozenset(
    {"__dict__", "__weakref__", "__module__", "__firstlineno__", "__static_attributes__"}
    | {"__doc__", "__abstractmethods__", "_abc_impl", "__annotations__", "__annotate__"}
    | {"__annotate_func__", "__conditional_annotations__"}
    | {"__annotations_cache__"}
)
_SIZE = 16


class Fingerprint:
    """Hashes objects, with the functions and classes of no module that they refer to.

    Attributes
    ----------
    classes : list of type
        The classes of no module that have been met.
    """

    def __init__(self) -> None:
        self.classes: list[type] = []
        self._met: dict[int, int] = {}
        self._alive: list[object] = []  # so that no two have the same id

    def of(self, value: object) -> bytes:
        """Return the hash of an object."""
        if isinstance(value, _ATOMS) and type(value) in _ATOMS:
            return _hash(type(value).__name__, repr(value).encode())
        if id(value) in self._met:
            return _hash("again", str(self._met[id(value)]).encode())
        self._met[id(value)] = len(self._met)
        self._alive.append(value)
        return _hash(type(value).__qualname__, *self._parts(value))

    def _parts(self, value: Any) -> Iterator[bytes]:
        if isinstance(value, ModuleType):
            yield value.__name__.encode()
        elif is_importable(value):
            yield f"{value.__module__}:{value.__qualname__}".encode()
        elif isinstance(value, CodeType):
            yield from self._code(value)
        elif isinstance(value, FunctionType):
            yield from self._function(value)
        elif isinstance(value, type):
            yield from self._class(value)
        elif isinstance(value, CellType):
            yield from self._each([value.cell_contents] if _is_filled(value) else [])
        elif isinstance(value, MethodType):
            yield from self._each([value.__func__, value.__self__])
        elif isinstance(value, property):
            yield from self._each([value.fget, value.fset, value.fdel])
        elif isinstance(value, staticmethod | classmethod):
            yield self.of(value.__func__)
        elif type(value) in (set, frozenset):
            yield from sorted(Fingerprint.of(self._apart(), item) for item in value)
        elif type(value) in (list, tuple):
            yield from self._each(value)
        elif type(value) is dict:
            yield from self._each(value.items())
        else:
            yield from self._reduced(value)

    def _each(self, values: Iterable[object]) -> Iterator[bytes]:
        for value in values:
            # Pairs that are made only while looking at a dict must not count as met.
            yield _hash("pair", *map(self.of, value)) if type(value) is tuple else self.of(value)

    def _apart(self) -> "Fingerprint":
        """Return a hasher for items that have no order, which must not number what it meets."""
        other = Fingerprint()
        other.classes = self.classes
        return other

    def _code(self, code: CodeType) -> Iterator[bytes]:
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        yield repr(counts).encode()
        yield code.co_code
        yield code.co_exceptiontable
        for names in (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars):
            yield repr(names).encode()
        yield from self._each(code.co_consts)

    def _function(self, function: FunctionType) -> Iterator[bytes]:
        yield from self._code(function.__code__)
        yield from self._each([function.__defaults__, function.__kwdefaults__])
        yield from self._each(function.__closure__ or ())
        yield from self._each(function.__dict__.items())
        known = function.__globals__
        for name in sorted(_globals_of(function.__code__) & known.keys()):
            yield name.encode()
            yield self.of(known[name])

    def _class(self, kind: type) -> Iterator[bytes]:
        if kind not in self.classes:
            self.classes.append(kind)
        yield kind.__qualname__.encode()
        yield from self._each(kind.__bases__)
        for name, value in sorted(vars(kind).items()):
            if name not in _NOT_OF_A_CLASS and not _is_descriptor_of_slot(value):
                yield name.encode()
                yield self.of(value)

    def _reduced(self, value: Any) -> Iterator[bytes]:
        """Take an object apart as pickle does."""
        if hasattr(value, "__wrapped__"):
            yield self.of(value.__wrapped__)
        reduce = copyreg.dispatch_table.get(type(value))
        try:
            reduced = value.__reduce_ex__(4) if reduce is None else reduce(value)
        except Exception:  # cloudpickle knows more types than pickle
            yield _pickled(value)
            return
        if isinstance(reduced, str):
            yield reduced.encode()
            return
        for part in reduced:
            yield from self._each(part if isinstance(part, Iterator) else [part])


def _pickled(value: object) -> bytes:
    import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(value)
    except Exception:  # what the function needs has been pickled before, or nothing comes of it
        return b""
    return pickled


def is_importable(value: Any) -> bool:
    """Tell whether a value is a function or a class that another process can import by its name."""
    from cloudpickle import list_registry_pickle_by_value

    name, path = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not (isinstance(name, str) and isinstance(path, str)) or name == "__main__":
        return False
    found: Any = sys.modules.get(name)
    if found is None or any(
        name == each or name.startswith(f"{each}.") for each in list_registry_pickle_by_value()
    ):
        return False
    for part in path.split("."):
        found = getattr(found, part, None)
    return found is value


def _globals_of(code: CodeType) -> set[str]:
    """Return the names of the global variables that code, and code in it, may use."""
    names = {
        str(step.argval) for step in dis.get_instructions(code) if step.opname.endswith("_GLOBAL")
    }
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return names.union(*map(_globals_of, inner))


def _is_filled(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - raises if there is nothing
    except ValueError:
        return False
    return True


def _is_descriptor_of_slot(value: object) -> bool:
    return type(value).__name__ in ("member_descriptor", "getset_descriptor")


def _hash(kind: str, *parts: bytes) -> bytes:
    total = hashlib.blake2b(kind.encode(), digest_size=_SIZE)
    for part in parts:
        total.update(len(part).to_bytes(8, "little"))
        total.update(part)
    return total.digest()
