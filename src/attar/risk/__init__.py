"""Why: how train and test risk move with capacity, and where a model stands on that curve.

>>> import numpy as np
>>> from attar.risk import least_squares_path
>>> X, y = np.eye(3), np.ones(3)
>>> least_squares_path(X, y, X, y).test_risk.round(2).tolist()
[0.67, 0.33, 0.0]
"""

from attar._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Curve": "curve",
        "Decomposition": "decomposition",
        "ForestGrid": "grid",
        "decompose": "decomposition",
        "decomposition_curve": "decomposition",
        "effective_ranks": "ranks",
        "epoch_curve": "epochs",
        "feature_curve": "random_features",
        "forest_curve": "forest",
        "forest_grid": "grid",
        "gradient_descent_path": "descent",
        "least_squares_path": "least_squares",
        "network_curve": "network",
        "ridge_path": "ridge",
        "ridge_risk": "theory",
        "ridgeless_risk": "theory",
        "tuned_path": "ridge",
        "weak_features_risk": "theory",
    },
)
