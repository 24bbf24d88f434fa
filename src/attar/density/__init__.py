"""p(x): densities to evaluate and to sample from, on samples or on their representations.

>>> from attar.density import Gaussian
>>> Gaussian().fit([[0.0, 1.0], [2.0, 1.5], [1.0, 0.0]]).sample(5, random_state=0).shape
(5, 2)
"""

from attar._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AnomalyDetector": "anomaly",
        "Flow": "flow",
        "Gaussian": "gaussian",
        "Kernel": "kernel",
        "LossyCoder": "lossy",
        "Mixture": "mixture",
        "ProbabilisticPCA": "ppca",
        "Restorer": "restorer",
        "frechet_distance": "compare",
        "interpolate": "latent",
        "sample": "latent",
        "two_sample_accuracy": "compare",
    },
)
