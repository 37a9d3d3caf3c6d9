"""Draw the accuracy over C and gamma."""

import matplotlib.pyplot as plt
import numpy as np

from psyrun.store import PickleStore

data = PickleStore().load("psy-work/digits/result.pkl")
C, row = np.unique(data["C"], return_inverse=True)
gamma, column = np.unique(data["gamma"], return_inverse=True)
accuracy = np.full((len(C), len(gamma)), np.nan)
accuracy[row, column] = data["accuracy"]
best = np.unravel_index(np.nanargmax(accuracy), accuracy.shape)

figure, axes = plt.subplots(figsize=(5.5, 4.2), layout="constrained")
image = axes.pcolormesh(gamma, C, 100 * accuracy, shading="nearest", vmin=10, vmax=100)
axes.plot(gamma[best[1]], C[best[0]], "r*", markersize=12)
axes.set(xscale="log", yscale="log", xlabel="gamma", ylabel="C")
axes.set_title(f"Digits read correctly; best: {100 * accuracy[best]:.1f} %")
figure.colorbar(image, label="accuracy / %")
figure.savefig("digits.png", dpi=120)
print(f"digits.png shows {len(data['accuracy'])} rows.")
