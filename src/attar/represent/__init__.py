"""x → z: representations learnt from unlabelled samples, each a scikit-learn transformer.

>>> from attar.represent import PCA
>>> PCA(2).fit_transform([[1.0, 2.0, 0.0], [3.0, 4.0, 1.0], [5.0, 7.0, 1.0]]).shape
(3, 2)
"""

from attar._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "BYOL": "byol",
        "MoCo": "moco",
        "PCA": "pca",
        "TSTCC": "ts_tcc",
        "Autoencoder": "autoencoder",
        "CCASSG": "cca",
        "KMeansConvolutions": "kmeans_convolutions",
        "Masked": "masked",
        "Pretrained": "pretrained",
        "RandomConvolutions": "random_convolutions",
        "RandomFeatures": "random_features",
        "Raw": "raw",
        "SimCLR": "simclr",
        "TfIdf": "tfidf",
        "nt_xent": "ntxent",
    },
)
