"""Why: how train and test risk move with capacity, and where a model stands on that curve.

>>> import numpy as np
>>> from attar.risk import least_squares_path
>>> X, y = np.eye(3), np.ones(3)
>>> least_squares_path(X, y, X, y).test_risk.round(2).tolist()
[0.67, 0.33, 0.0]
"""

from typing import TYPE_CHECKING

from attar._lazy import attach

if TYPE_CHECKING:
    from attar.risk.curve import Curve as Curve
    from attar.risk.decomposition import Decomposition as Decomposition
    from attar.risk.decomposition import decompose as decompose
    from attar.risk.decomposition import decomposition_curve as decomposition_curve
    from attar.risk.descent import gradient_descent_path as gradient_descent_path
    from attar.risk.epochs import epoch_curve as epoch_curve
    from attar.risk.forest import forest_curve as forest_curve
    from attar.risk.grid import ForestGrid as ForestGrid
    from attar.risk.grid import forest_grid as forest_grid
    from attar.risk.least_squares import least_squares_path as least_squares_path
    from attar.risk.network import network_curve as network_curve
    from attar.risk.random_features import feature_curve as feature_curve
    from attar.risk.ranks import effective_ranks as effective_ranks
    from attar.risk.ridge import ridge_path as ridge_path
    from attar.risk.ridge import tuned_path as tuned_path
    from attar.risk.theory import ridge_risk as ridge_risk
    from attar.risk.theory import ridgeless_risk as ridgeless_risk
    from attar.risk.theory import weak_features_risk as weak_features_risk
else:  # a checker of types takes what it cannot follow for anything
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
