"""Evaluating functions on parameter spaces, in this process and those that it starts."""

from psyrun.mapper.maps import (
    get_result,
    map_pspace,
    map_pspace_hdd_backed,
    map_pspace_parallel,
)

__all__ = ["get_result", "map_pspace", "map_pspace_hdd_backed", "map_pspace_parallel"]
