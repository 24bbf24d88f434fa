"""attar: from unlabelled data and a handful of labels to a small model you can ship, and how good it is.

>>> import attar
>>> learner = attar.Learner(budget="50KB", random_state=0)
"""

from typing import TYPE_CHECKING

from attar._lazy import attach

__version__ = "0.1.0"

if TYPE_CHECKING:
    from attar.deploy.session import load as load
    from attar.drawing import draw as draw
    from attar.evaluation import evaluate as evaluate
    from attar.exploration import explore as explore
    from attar.learner import Learner as Learner
else:  # a checker of types takes what it cannot follow for anything
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "Learner": "learner",
            "draw": "drawing",
            "evaluate": "evaluation",
            "explore": "exploration",
            "load": "deploy.session",
        },
    )
