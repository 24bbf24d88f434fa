"""p(x): densities to evaluate and to sample from, on samples or on their representations.

>>> from attar.density import Gaussian
>>> Gaussian().fit([[0.0, 1.0], [2.0, 1.5], [1.0, 0.0]]).sample(5, random_state=0).shape
(5, 2)
"""

from typing import TYPE_CHECKING

from attar._lazy import attach

if TYPE_CHECKING:
    from attar.density.anomaly import AnomalyDetector as AnomalyDetector
    from attar.density.compare import frechet_distance as frechet_distance
    from attar.density.compare import two_sample_accuracy as two_sample_accuracy
    from attar.density.flow import Flow as Flow
    from attar.density.gaussian import Gaussian as Gaussian
    from attar.density.kernel import Kernel as Kernel
    from attar.density.latent import interpolate as interpolate
    from attar.density.latent import sample as sample
    from attar.density.lossy import LossyCoder as LossyCoder
    from attar.density.mixture import Mixture as Mixture
    from attar.density.ppca import ProbabilisticPCA as ProbabilisticPCA
    from attar.density.restorer import Restorer as Restorer
else:  # a checker of types takes what it cannot follow for anything
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
