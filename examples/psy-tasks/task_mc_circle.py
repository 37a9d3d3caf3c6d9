"""How well do 100 random points measure the area of a circle?

Points are drawn in the square from -1 to 1; the share of them that lies within *radius* of the
centre estimates the circle's share of the square, which is pi * radius**2 / 4.
"""

import numpy as np

from psyrun import Param
from psyrun.store.npz import NpzStore

pspace = Param(radius=np.linspace(0.0, 1.0, 100)) * Param(trial=np.arange(50))
store = NpzStore()


def execute(radius, trial):
    n = 100
    x = np.random.random((n, 2)) * 2.0 - 1.0
    return {"a_frac": np.mean(np.linalg.norm(x, axis=1) < radius), "x": x}
