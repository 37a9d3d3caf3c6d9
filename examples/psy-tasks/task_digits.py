"""Which C and which gamma suit a support vector machine that reads handwritten digits?

Each row is one pair of hyper-parameters, judged by five-fold cross-validation on the 1797 images
that scikit-learn ships.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.svm import SVC

from psyrun import Param

pspace = Param(C=np.logspace(-2, 3, 11)) * Param(gamma=np.logspace(-6, -1, 11))

images, labels = load_digits(return_X_y=True)
folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=0)


def execute(C, gamma):  # noqa: N803 (C is what everybody calls it)
    accuracy = cross_val_score(SVC(C=C, gamma=gamma), images, labels, cv=folds)
    return {"accuracy": accuracy.mean(), "spread": accuracy.std()}
