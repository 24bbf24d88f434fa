"""Small: the same model in fewer bytes.

>>> from attar.compress import Budget
>>> Budget(bytes=50_000).allows(40_000, latency_ms=1.0)
True
"""

from typing import TYPE_CHECKING

from attar._lazy import attach

if TYPE_CHECKING:
    from attar.compress.budget import Budget as Budget
    from attar.compress.distillation import distill as distill
    from attar.compress.dynamic import quantize_dynamic as quantize_dynamic
    from attar.compress.factorization import factorize as factorize
    from attar.compress.integers import quantize_static as quantize_static
    from attar.compress.nbits import quantize_linear as quantize_linear
    from attar.compress.pruning import prune as prune
    from attar.compress.quantization import quantize as quantize
    from attar.compress.saved import load as load
    from attar.compress.saved import save as save
    from attar.compress.search import compress as compress
    from attar.compress.squeezing import squeeze as squeeze
else:  # a checker of types takes what it cannot follow for anything
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
            "quantize_dynamic": "dynamic",
            "quantize_linear": "nbits",
            "quantize_static": "integers",
            "save": "saved",
            "squeeze": "squeezing",
        },
    )
