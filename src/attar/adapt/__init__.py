"""z → y: from a representation and a handful of labels to a classifier, and how good it is.

>>> from attar.adapt import LinearProbe
>>> LinearProbe().fit([[0.0], [1.0], [4.0], [5.0]], [0, 0, 1, 1]).predict([[0.5], [4.5]])
array([0, 1])
"""

from typing import TYPE_CHECKING

from attar._lazy import attach

if TYPE_CHECKING:
    from attar.adapt.accuracy import estimated_accuracy as estimated_accuracy
    from attar.adapt.bayes import NaiveBayes as NaiveBayes
    from attar.adapt.finetune import fine_tune as fine_tune
    from attar.adapt.finetune import train_from_scratch as train_from_scratch
    from attar.adapt.pivotal import well_spread as well_spread
    from attar.adapt.probe import LinearProbe as LinearProbe
    from attar.adapt.propagate import LabelPropagation as LabelPropagation
    from attar.adapt.selftrain import SelfTrainedProbe as SelfTrainedProbe
else:  # a checker of types takes what it cannot follow for anything
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "LabelPropagation": "propagate",
            "LinearProbe": "probe",
            "NaiveBayes": "bayes",
            "SelfTrainedProbe": "selftrain",
            "estimated_accuracy": "accuracy",
            "fine_tune": "finetune",
            "train_from_scratch": "finetune",
            "well_spread": "pivotal",
        },
    )
