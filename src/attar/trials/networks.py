"""Networks that are trained on the labels, from scratch or from a pretrained encoder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from attar.adapt.finetune import fine_tune, train_from_scratch
from attar.adapt.probe import LinearProbe
from attar.adapt.validate import Indices
from attar.data.dataset import Doubles
from attar.deploy.onnx import export
from attar.run import Result
from attar.trials.base import Fitted, Job, apply, finished

SCRATCH = "from scratch"
"""Name of the candidate that is trained on the labels alone."""


def networks(job: Job, name: str, pretrained: nn.Sequential | None, folder: Path) -> Result:
    """A network trained on the labels alone, or a pretrained encoder trained on."""
    start = time.perf_counter()
    name = name if pretrained is None else f"{name}, fine-tuned"
    x, codes, plan = job.x[job.labelled], job.codes, job.plan
    asked: dict[str, Any] = {"steps": plan.tune_steps, "seed": job.seed, "device": plan.device}
    preprocess = job.kind.preprocess().eval()
    encoder = None if pretrained is None else pretrained[1]
    z = None if pretrained is None else apply(pretrained, x, job.at_once)

    def networks_on(parts: list[Indices]) -> Iterator[nn.Sequential]:
        with job.progress.task(name, len(parts)) as task:
            for part in parts:
                if encoder is None or z is None:
                    trained = train_from_scratch(job.kind, len(job.meta.classes), x[part], codes[part], **asked)
                else:
                    head = LinearProbe(random_state=job.seed).fit(z[part], codes[part]).to_module()
                    trained = fine_tune(encoder, head, job.kind, x[part], codes[part], **asked)
                task.advance()
                yield nn.Sequential(preprocess, trained, nn.Softmax(dim=1)).eval()

    def answer(parts: list[Indices]) -> list[Doubles]:
        return [apply(network, x, job.at_once).astype(np.float64) for network in networks_on(parts)]

    (final,) = networks_on([np.arange(len(x))])
    fitted = Fitted(
        name,
        answer,
        apply(final, job.x, job.at_once).astype(np.float64),
        lambda path: export(final, job.example, path, job.meta),
        network=True,
    )
    trained = final[1]
    assert isinstance(trained, nn.Sequential)
    z_shown = apply(nn.Sequential(preprocess, trained[0]), job.x[job.shown], job.at_once)
    return finished(job, [fitted], folder, z_shown, name, start, baseline=encoder is None)
