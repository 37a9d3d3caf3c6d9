"""Draw the estimates of the circle's area."""

import matplotlib.pyplot as plt
import numpy as np

from psyrun.store.npz import NpzStore

data = NpzStore().load("psy-work/mc_circle/result.npz")
radius, estimate = np.asarray(data["radius"]), np.asarray(data["a_frac"])
radii = np.unique(radius)
low, middle, high = np.array([np.percentile(estimate[radius == r], [10, 50, 90]) for r in radii]).T

figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
axes.fill_between(radii, low, high, alpha=0.3, label="80 % of the trials")
axes.plot(radii, middle, label="median of the trials")
axes.plot(radii, np.pi / 4 * radii**2, "k--", label="$\\pi r^2 / 4$")
axes.set(
    xlabel="radius $r$", ylabel="share of the square", title="100 random points measure a circle"
)
axes.legend(frameon=False)
figure.savefig("mc_circle.png", dpi=120)
print(f"mc_circle.png shows {len(estimate)} rows.")
