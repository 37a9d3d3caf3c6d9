"""Tests that third parties can run on their own stores; needs pytest and hypothesis."""

from psyrun.testing.stores import StoreContract

__all__ = ["StoreContract"]
