"""Result files: one class for each format, all with the same methods."""

from psyrun.store.base import AutodetectStore, Store
from psyrun.store.pickle import PickleStore

DefaultStore = PickleStore

__all__ = ["AutodetectStore", "DefaultStore", "PickleStore", "Store"]
