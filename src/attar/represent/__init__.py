"""x → z: representations learnt from unlabelled samples, each a scikit-learn transformer.

>>> from attar.represent import PCA
>>> PCA(2).fit_transform([[1.0, 2.0, 0.0], [3.0, 4.0, 1.0], [5.0, 7.0, 1.0]]).shape
(3, 2)
"""

from typing import TYPE_CHECKING

from attar._lazy import attach

if TYPE_CHECKING:
    from attar.represent.autoencoder import Autoencoder as Autoencoder
    from attar.represent.byol import BYOL as BYOL
    from attar.represent.cca import CCASSG as CCASSG
    from attar.represent.kmeans_convolutions import KMeansConvolutions as KMeansConvolutions
    from attar.represent.masked import Masked as Masked
    from attar.represent.moco import MoCo as MoCo
    from attar.represent.ntxent import nt_xent as nt_xent
    from attar.represent.pca import PCA as PCA
    from attar.represent.pretrained import Pretrained as Pretrained
    from attar.represent.random_convolutions import RandomConvolutions as RandomConvolutions
    from attar.represent.random_features import RandomFeatures as RandomFeatures
    from attar.represent.raw import Raw as Raw
    from attar.represent.simclr import SimCLR as SimCLR
    from attar.represent.tfidf import TfIdf as TfIdf
    from attar.represent.ts_tcc import TSTCC as TSTCC
else:  # a checker of types takes what it cannot follow for anything
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
