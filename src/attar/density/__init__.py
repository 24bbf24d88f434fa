"""p(x): densities to evaluate and to sample from, on samples or on their representations."""

from attar._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AnomalyDetector": "anomaly",
        "Flow": "flow",
        "Gaussian": "gaussian",
        "Kernel": "kernel",
        "Mixture": "mixture",
        "ProbabilisticPCA": "ppca",
        "frechet_distance": "compare",
        "interpolate": "latent",
        "sample": "latent",
        "two_sample_accuracy": "compare",
    },
)
