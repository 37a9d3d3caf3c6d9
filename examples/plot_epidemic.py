"""Draw how often epidemics start and how far they go."""

import matplotlib.pyplot as plt
import numpy as np

from psyrun.store.h5 import H5Store

LARGE = 0.1  # an outbreak that reaches a tenth of the people is an epidemic

columns = H5Store().load("psy-work/epidemic/result.h5")
data = {name: np.asarray(column) for name, column in columns.items()}
reached = data["final_size"] / data["population"]
r0s = np.unique(data["r0"])


def share_reached(r0):
    """Solve z = 1 - exp(-r0 z) for its largest solution (Kermack and McKendrick, 1927)."""
    share = 1.0
    for _ in range(1000):
        share = 1.0 - np.exp(-r0 * share)
    return share


figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.6), layout="constrained")
for shift, population in enumerate(np.unique(data["population"]), start=-1):
    mine = data["population"] == population
    started = [np.mean(reached[mine & (data["r0"] == r0)] > LARGE) for r0 in r0s]
    left.plot(r0s, started, "o-", markersize=3, linewidth=0.8, label=f"{population} people")
    right.plot(
        data["r0"][mine] + 0.06 * shift, reached[mine], "o", markersize=2.5, alpha=0.3, mew=0
    )

fine = np.linspace(r0s.min(), r0s.max(), 200)
left.plot(fine, np.maximum(0.0, 1.0 - 1.0 / fine), "k--", label="$1 - 1/R_0$")
left.set(xlabel="$R_0$", ylabel="probability", title="An outbreak becomes an epidemic")
left.legend(frameon=False, loc="upper left", fontsize="small")
right.plot(fine, [share_reached(r0) for r0 in fine], "k--", label="$z = 1 - e^{-R_0 z}$")
right.set(xlabel="$R_0$", ylabel="share of the people", title="How many each outbreak reaches")
right.legend(frameon=False, loc="center right", fontsize="small")
figure.savefig("epidemic.png", dpi=100)
print(f"epidemic.png shows {len(reached)} rows.")
