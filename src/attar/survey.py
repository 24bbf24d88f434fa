"""What there is to see in samples without labels, stage by stage: directions, neighbours, map, clusters, p(x)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice, zip_longest
from pathlib import Path

import numpy as np

from attar import kinds
from attar.data.copies import copies
from attar.data.dataset import Dataset, Floats, Ints
from attar.data.quality import Finding, findings, intrinsic_dimension, near_copies
from attar.data.split import some
from attar.density import AnomalyDetector, Mixture, interpolate, sample
from attar.kinds.base import Kind
from attar.latents import DIM, Components, autoencoder, flat
from attar.report.explored import Spectrum
from attar.represent import PCA, Autoencoder
from attar.represent.umap import nearest, umap
from attar.run import Result, Run
from attar.training.progress import Progress

# Principal components that neighbours are looked for among, and how many neighbours.
_COMPONENTS, _NEIGHBOURS = 50, 15
# Fewer different samples have no neighbourhoods, and are not judged by each other.
_FEW, _JUDGED = 8, 10
# Up to so many values or samples, all principal components are found, else so many; and compared with chance.
_ALL, _LARGEST, _CHANCE = 1024, 128, 512
# Random directions that what lies beyond these is measured in.
_PROBES = 16
# Steps of the map over all samples together, and epochs at most and at least.
_MAPPED, _EPOCHS = 10_000_000, (100, 200)
# Samples that a density, a detector and a clustering are fitted on; numbers of clusters that are tried.
_DENSITY, _DETECTOR, _CLUSTERED, _CLUSTERS = 10_000, 4_000, 2_000, (3, 4, 5, 6, 8, 10, 12)
# Samples that are scored at once.
_AT_ONCE = 8192
# Part set aside to see how well samples are rebuilt, and at most so many.
_ASIDE, _MOST_ASIDE = 0.1, 2_000
# Samples that are rebuilt, drawn, and gone between, in so many steps.
REBUILT, DRAWN, PAIRS, STEPS = 12, 24, 3, 9


@dataclass(frozen=True)
class Latent:
    """What a representation that leads back makes of samples."""

    name: str  # as a person reads it
    error: float  # share of the variance of samples set aside that it does not rebuild
    rebuilt: Floats  # the samples `Survey.shown`, rebuilt `(r, *shape)`
    drawn: Floats  # samples from p(x) `(s, *shape)`
    straight: Floats  # samples between `Survey.ends`, on a straight path `(steps, pairs, *shape)`
    along: Floats  # likewise, along the density


@dataclass(frozen=True)
class Survey:
    """What was found out about samples."""

    kind: Kind  # with what it learnt
    spectrum: Spectrum  # of the principal components
    findings: list[Finding]  # on quality
    plane: Floats  # two principal components `(n, 2)`
    places: Floats  # the map of neighbours `(n, 2)`
    log_density: Floats  # log p(z) of each sample `(n,)`
    normality: Floats  # of each sample `(n,)`, larger for more usual ones
    p_value: Floats  # likewise
    cluster: Ints  # of each sample `(n,)`
    from_middle: Floats  # how far each sample is from that of its cluster `(n,)`
    latents: list[Latent]  # that lead back to samples; none where none does
    shown: Ints  # indices of samples that were rebuilt
    ends: Ints  # indices `(2, pairs)` of those that were gone between


def survey(dataset: Dataset, epochs: int, seed: int, run: Run, progress: Progress) -> Survey:
    """Find out what there is to see, each part in a stage of the run.

    Arguments:
        dataset: two samples or more, all of them looked at alike.
        epochs: of the autoencoder; 0: none.
        seed: of everything random.
        run, progress: to keep stages in, and to report to.
    """
    x, kind = dataset.x, kinds.of(dataset.kind).learn(dataset.x, dataset.columns)
    first = copies(x)
    # Copies have their place where the first of them is.
    unique, position = np.unique(first, return_inverse=True)
    v = flat(kind, x, seed)
    components = run.stage("components", lambda _: _components(v, seed))
    z = Components(kind, components.arrays["mean"], components.arrays["basis"]).of_flat(v)
    near = run.stage("neighbours", lambda _: _neighbours(z[unique], progress)).arrays
    distance, index = near["distance"], near["index"]
    places = run.stage("map", lambda _: _map(z[unique], distance, index, seed, progress)).arrays["places"]
    facts = components.facts
    spectrum = Spectrum(
        tuple(facts["shares"]), facts["effective"], intrinsic_dimension(distance), facts["above_chance"], v.shape[1]
    )
    found = findings(dataset, first, [(int(unique[i]), int(unique[j])) for i, j in near_copies(distance, index)])
    for finding in found:
        progress.say(f"{finding.name.lower():<32}{finding.said}")
    density = run.stage("density", lambda _: _density(z[:, :DIM], seed)).arrays["log_density"]
    odd = run.stage("oddness", lambda _: _oddness(z, unique, position, seed, progress)).arrays
    clusters = run.stage("clusters", lambda _: _clusters(z, seed)).arrays
    shown, ends = _chosen(clusters["cluster"], unique, seed)
    parts = _Parts(kind, x, v, unique, position, shown, ends, seed)
    latents = _latents(parts, epochs, run, progress)
    return Survey(
        kind,
        spectrum,
        found,
        plane=_plane(z),
        places=places[position],
        log_density=density,
        **odd,
        **clusters,
        latents=latents,
        shown=shown,
        ends=ends,
    )


def _components(v: Floats, seed: int) -> Result:
    """Principal components of flat normalised samples, and how much each explains."""
    most = min(v.shape)
    pca = PCA(most if most <= _ALL else _LARGEST, random_state=seed).fit(v)
    variances = pca.explained_variance_
    rest = pca.noise_variance_ * (most - len(variances))
    squares = float(np.square(variances).sum()) + (_squares_of_rest(v, pca, seed) if rest > 0 else 0.0)
    above = PCA("parallel", random_state=seed).fit(v).dim_ if most <= _CHANCE and squares > 0 else None
    return Result(
        {
            "mean": pca.mean_.astype(np.float32),
            "basis": pca.components_[:_COMPONENTS].astype(np.float32),
        },
        {
            "shares": pca.explained_variance_ratio_.tolist(),
            "effective": float((variances.sum() + rest) ** 2 / squares) if squares > 0 else 0.0,
            "above_chance": above,
        },
    )


def _squares_of_rest(v: Floats, pca: PCA, seed: int) -> float:
    """The sum of the squared variances beyond the known components: with C the covariance, E‖C g‖² over random g."""
    g = np.random.default_rng(seed).standard_normal((v.shape[1], _PROBES))
    g = (g - pca.components_.T @ (pca.components_ @ g)).astype(np.float32)
    along = v @ g - pca.mean_ @ g
    scattered = v.T @ along.astype(np.float32) - np.outer(pca.mean_, along.sum(axis=0))
    return float(np.square(scattered / (len(v) - 1)).sum() / _PROBES)


def _neighbours(z: Floats, progress: Progress) -> Result:
    distance, index = nearest(z, min(_NEIGHBOURS, len(z) - 1), progress)
    return Result({"distance": distance, "index": index})


def _plane(z: Floats) -> Floats:
    """The first two components `(n, 2)`; 0 for one that there is not."""
    return np.pad(z[:, :2], ((0, 0), (0, max(0, 2 - z.shape[1]))))


def _map(z: Floats, distance: Floats, index: Ints, seed: int, progress: Progress) -> Result:
    start = _plane(z)
    if len(z) < _FEW:
        return Result({"places": start})
    epochs = int(np.clip(_MAPPED // len(z), *_EPOCHS))
    return Result({"places": umap(distance, index, start, epochs, np.random.default_rng(seed), progress)})


def _density(z: Floats, seed: int) -> Result:
    fitted = Mixture(random_state=seed).fit(z[some(len(z), _DENSITY, seed)])
    scores = [fitted.score_samples(z[i : i + _AT_ONCE]) for i in range(0, len(z), _AT_ONCE)]
    return Result({"log_density": np.concatenate(scores).astype(np.float32)})


def _oddness(z: Floats, unique: Ints, position: Ints, seed: int, progress: Progress) -> Result:
    """How usual each sample is to a detector that has learnt from the other half; copies share a half."""
    normality, p_value = np.zeros(len(z), np.float32), np.ones(len(z), np.float32)
    if len(unique) < _JUDGED:
        return Result({"normality": normality, "p_value": p_value})
    halves = np.array_split(np.random.default_rng(seed).permutation(len(unique)), 2)
    with progress.task("oddest samples", len(z)) as task:
        for half, other in (halves, halves[::-1]):
            detector = AnomalyDetector(random_state=seed).fit(z[unique[half[:_DETECTOR]]])
            judged = np.flatnonzero(np.isin(position, other))
            for part in np.split(judged, range(_AT_ONCE, len(judged), _AT_ONCE)):
                scores = detector.score_samples(z[part])
                normality[part], p_value[part] = scores, detector.p_of_scores(scores)
                task.advance(len(part))
    return Result({"normality": normality, "p_value": p_value})


def _clusters(z: Floats, seed: int) -> Result:
    """k-means clusters, as many as have the best silhouette on some of the samples."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import silhouette_score

    drawn = z[some(len(z), _CLUSTERED, seed)]
    different = len(np.unique(drawn, axis=0))
    best, middles = -np.inf, drawn.mean(axis=0, keepdims=True)
    for k in _CLUSTERS:
        if k >= different:
            break
        with warnings.catch_warnings():
            # Of samples that differ by rounding alone it finds fewer than asked for.
            warnings.simplefilter("ignore", ConvergenceWarning)
            means = KMeans(k, n_init=3, random_state=seed).fit(drawn)
        if not means.labels_.any():  # so little that its square is zero is between them
            break
        score = float(silhouette_score(drawn, means.labels_))
        if score > best:
            best, middles = score, means.cluster_centers_
    square = ((z**2).sum(axis=1)[:, None] - 2 * z @ middles.T) + (middles**2).sum(axis=1)
    cluster = square.argmin(axis=1)
    # The largest first.
    rank = np.argsort(np.argsort(-np.bincount(cluster, minlength=len(middles)), kind="stable"), kind="stable")
    far = np.linalg.norm(z - middles[cluster], axis=1).astype(np.float32)
    return Result({"cluster": rank[cluster], "from_middle": far})


def _chosen(cluster: Ints, unique: Ints, seed: int) -> tuple[Ints, Ints]:
    """Samples to rebuild, and pairs of different clusters to go between."""
    order = np.random.default_rng(seed + 1).permutation(unique)
    members = [order[cluster[order] == g] for g in np.unique(cluster[order])]
    # One of each cluster in turn, so that all of them are seen.
    in_turn = (i for turn in zip_longest(*members) for i in turn if i is not None)
    shown = np.array(list(islice(in_turn, REBUILT)))
    pairs = min(PAIRS, len(shown) // 2)
    return shown, np.stack([shown[0 : 2 * pairs : 2], shown[1 : 2 * pairs : 2]])


@dataclass(frozen=True)
class _Parts:
    """Samples by what they are to a representation that leads back to them."""

    kind: Kind
    x: Floats  # raw `(n, *shape)`
    v: Floats  # normalised and flat `(n, d)`
    unique: Ints  # indices of those that differ
    position: Ints  # the place of each sample among these
    shown: Ints  # as of `Survey`
    ends: Ints  # likewise
    seed: int

    @cached_property
    def aside(self) -> Ints:
        """Places among those that differ of what is set aside."""
        n = len(self.unique)
        return some(n, min(round(_ASIDE * n), _MOST_ASIDE), self.seed + 2)

    @cached_property
    def learnt(self) -> Ints:
        """Indices of the samples that are learnt from; none is a copy of what is set aside."""
        return np.flatnonzero(~np.isin(self.position, self.aside))

    @property
    def judged(self) -> Ints:
        """Indices of the samples that tell how well they are rebuilt."""
        return self.unique[self.aside] if len(self.aside) else self.learnt


def _latents(parts: _Parts, epochs: int, run: Run, progress: Progress) -> list[Latent]:
    """What principal components, and where there is time an autoencoder, rebuild, draw, and go through."""
    kind, learnt, seed = parts.kind, parts.learnt, parts.seed
    if not kind.quantities:
        return []
    dim = min(DIM, len(learnt) - 1, max(1, parts.v.shape[1] // 2))
    models: dict[str, Components | Autoencoder] = {
        f"PCA, {dim} components": Components.learn(kind, parts.v[learnt], dim)
    }
    if epochs:
        model = autoencoder(kind, parts.x[learnt], dim, epochs, seed, run, progress)
        models[f"autoencoder, {dim} values"] = model
    latents = []
    for name, trained in models.items():
        stage = "seen-by-" + name.split(",")[0].lower()
        seen = run.stage(stage, partial(_seen, trained, parts))
        latents.append(Latent(name, seen.facts["error"], **seen.arrays))
    return latents


def _seen(model: Components | Autoencoder, parts: _Parts, _: Path) -> Result:
    kind, x, v, learnt, judged, ends = parts.kind, parts.x, parts.v, parts.learnt, parts.judged, parts.ends
    z = model.transform(x[learnt[some(len(learnt), _DENSITY, parts.seed)]])
    density = Mixture(random_state=parts.seed).fit(z)
    lost = np.square(v[judged] - flat(kind, model.inverse_transform(model.transform(x[judged])))).sum()
    spread = np.square(v[judged] - v[learnt].mean(axis=0)).sum()
    straight = along = np.zeros((STEPS, 0, *kind.shape), dtype=np.float32)
    if ends.shape[1]:
        alpha = np.linspace(0, 1, STEPS)
        straight, along = (interpolate(model, x[ends[0]], x[ends[1]], alpha, way) for way in (None, density))
    return Result(
        {
            "rebuilt": model.inverse_transform(model.transform(x[parts.shown])),
            "drawn": sample(model, density, DRAWN, parts.seed).astype(np.float32),
            "straight": np.asarray(straight, dtype=np.float32),
            "along": np.asarray(along, dtype=np.float32),
        },
        {"error": float(lost / spread) if spread > 0 else 0.0},
    )
