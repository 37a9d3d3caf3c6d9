"""Draw the estimates of the circle's area, and the area itself."""

import matplotlib.pyplot as plt
import numpy as np

import psyrun

result = psyrun.load("psy-work/mc_circle")
axes = psyrun.plot(result, "a_frac", spread="range")
radii = np.unique(result["radius"])
axes.plot(radii, np.pi / 4 * radii**2, "k--", label="$\\pi r^2 / 4$")
axes.set_ylabel("share of the square")
axes.legend(frameon=False)
plt.savefig("mc_circle.png", dpi=120)
print(f"mc_circle.png shows {len(result)} rows.")
