"""When does one infected person start an epidemic, and how many does it reach?

The run time of a row depends on chance: most outbreaks with a small R0 end after a few events,
while an epidemic among 20000 people takes tens of thousands. So jobs fetch rows on demand.
"""

import numpy as np
from gillespie import sir

from psyrun import LoadBalancingBackend, Param
from psyrun.store.h5 import H5Store

pspace = (
    Param(r0=np.linspace(0.5, 4.0, 15))
    * Param(population=[200, 2000, 20000])
    * Param(replicate=range(100))
)
backend = LoadBalancingBackend
store = H5Store()
seed = 1927  # every row gets random numbers of its own, whichever job evaluates it
file_dep = ["gillespie.py"]


def execute(r0, population, replicate, rng):
    return sir(r0, population, rng)
