"""Small: the same model in fewer bytes.

>>> from attar.compress import Budget
>>> Budget(bytes=50_000).allows(40_000, latency_ms=1.0)
True
"""

from attar._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Budget": "budget",
        "compress": "search",
        "distill": "distillation",
        "factorize": "factorization",
        "load": "saved",
        "prune": "pruning",
        "quantize": "quantization",
        "save": "saved",
        "squeeze": "squeezing",
    },
)
