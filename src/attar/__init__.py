"""attar: from unlabelled data and a handful of labels to a small model you can ship, and how good it is.

>>> import attar
>>> learner = attar.Learner(budget="50KB", random_state=0)
"""

from attar._lazy import attach

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Learner": "learner",
        "evaluate": "evaluation",
        "explore": "exploration",
        "load": "deploy.session",
    },
)
