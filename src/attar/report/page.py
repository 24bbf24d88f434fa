"""The report as one self-contained page: no network, no library, one file to send."""

from __future__ import annotations

from attar.report.compression import compression
from attar.report.confusion import confusion
from attar.report.curve import curve
from attar.report.facts import Facts, otherwise, unlike
from attar.report.latent import latent
from attar.report.leaderboard import leaderboard
from attar.report.sections import about_data, card, sectioned
from attar.report.style import Axis
from attar.report.words import count, interval, milliseconds, percent, plural, prose, size, text, width

# Groups that are shown by name.
_MOST_GROUPS = 60


def render(facts: Facts) -> str:
    """Render the facts of a run as one HTML page that needs nothing else.

    Every string of the facts is escaped, and a content security policy allows this page's own script alone.
    """
    sections = [
        ("leaderboard", "Leaderboard", leaderboard(facts)),
        ("confusion", "Confusion matrix", confusion(facts)),
        *([("groups", f"{facts.measure.capitalize()} by group", _groups(facts))] if facts.groups else []),
        ("curve", "Would more labels help?", curve(facts)),
        ("risk", "Too small or too large?", _risk(facts)),
        ("latent", "Latent map", latent(facts)),
        ("compression", "Before and after compression", compression(facts)),
        ("data", "Data", _data(facts)),
    ]
    return sectioned(
        facts,
        sections,
        links={"curve": "Learning curve", "risk": "Risk curves", "compression": "Compression"},
        what=" · ".join((text(facts.source), text(facts.kind), plural(facts.n, "sample"))),
        figures=_figures(facts),
        lead=f'<section aria-labelledby="why"><h2 id="why" class="small">Why this candidate: '
        f"<bdi>{text(facts.chosen.name)}</bdi></h2>"
        f"<p>{prose(facts.why)}</p></section>\n",
        made="model",
        wrote=f" and wrote <code>{text(facts.model_path)}</code>",
        scripts=("copy", "map", "latent"),
        styles=("page", "risks"),
    )


def _risk(facts: Facts) -> str:
    if not facts.risk:
        return '<p class="muted">Not measured in this run.</p>'
    # Curves are arrays, and a page without any needs none.
    from attar.report.swept import standing

    shown = standing(facts.risk)
    if facts.balanced and facts.risk["sweeps"]:
        shown += '<p class="key">On these curves each sample counts the same, not each class.</p>'
    return shown


def _figures(facts: Facts) -> str:
    budget = f"budget {text(facts.budget)}" if facts.budget else "no budget was set"
    other = otherwise(facts.compression[-1], facts.test_accuracy)
    # What the file says otherwise may all be wrong.
    lowest = max(0.0, facts.accuracy - other)
    value = f"{interval((lowest, facts.accuracy))}\u00a0%" if other else percent(facts.accuracy)
    of = (
        f", for the candidate; the file gives {percent(other)} of {unlike(facts.balanced)} another class"
        if other
        else ""
    )
    cards = [
        card(
            f"{facts.measure.capitalize()}, estimated",
            value,
            f"90\u00a0% interval {interval(facts.interval)}, from labelled samples alone{of}",
            _gauge(facts.accuracy, facts.interval),
        )
    ]
    if facts.test_accuracy is not None and facts.test_interval is not None:
        cards.append(
            card(
                f"{facts.measure.capitalize()}, test split",
                percent(facts.test_accuracy),
                f"90\u00a0% interval {interval(facts.test_interval)}, {plural(facts.n_test, 'sample')}, looked at once",
                _gauge(facts.test_accuracy, facts.test_interval),
            )
        )
    cards += [
        card("Size", size(facts.model_bytes), budget),
        card("Latency", milliseconds(facts.model_latency_ms), "per sample, one thread"),
        card(
            "Labels used",
            count(facts.n_labelled),
            f"of {plural(facts.n, 'sample')} ({percent(facts.n_labelled / facts.n)}), "
            f"{plural(len(facts.classes), 'class')}",
        ),
    ]
    return "".join(cards)


def _gauge(value: float, within: tuple[float, float]) -> str:
    axis, (low, high) = Axis(0.0, 1.0, ()), within
    return (
        '<svg class="gauge" aria-hidden="true" width="100%" height="14">'
        '<line class="grid" x1="0" x2="100%" y1="7" y2="7"/>'
        f'<line class="whisker" x1="{axis.at(low)}%" x2="{axis.at(high)}%" y1="7" y2="7"/>'
        f'<line class="tick" x1="{axis.at(value)}%" x2="{axis.at(value)}%" y1="1" y2="13"/></svg>'
    )


def _data(facts: Facts) -> str:
    shape = " × ".join(map(count, facts.shape))
    pairs = {
        "Source": facts.source,
        "Kind": facts.kind,
        "Samples": count(facts.n),
        "Shape of one sample": shape or "scalar",
        "Labelled": count(facts.n_labelled),
        "Held out for the test": count(facts.n_test) if facts.n_test else "none: accuracy is estimated, not tested",
    }
    return f"{about_data(pairs, facts.notes)}<h3>Labels per class</h3>{_per_class(facts)}"


def _per_class(facts: Facts) -> str:
    most = max(facts.labels_per_class, default=0) or 1
    return _bars([(name, n / most, count(n)) for name, n in zip(facts.classes, facts.labels_per_class)])


def _groups(facts: Facts) -> str:
    groups, shown = facts.groups, facts.groups[:_MOST_GROUPS]
    hardest, middle, easiest = (percent(groups[i].accuracy) for i in (0, len(groups) // 2, -1))
    others = f" Those of the {count(len(shown))} hardest:" if len(shown) < len(groups) else ""
    among = " The mean is over the classes that a group has." if facts.balanced else ""
    lead = (
        f"<p>{facts.measure.capitalize()} is {hardest} on the hardest of {plural(len(groups), 'group')}, {middle} in "
        f"the middle and {easiest} on the easiest ({text(facts.confusion_of)}). A new group may be as hard as any."
        f"{among}{others}</p>"
    )
    return lead + _bars([(one.name, one.accuracy, f"{percent(one.accuracy)} on {count(one.n)}") for one in shown])


def _bars(lines: list[tuple[str, float, str]]) -> str:
    """A bar for each name: its share of the whole width, and what is written beside it."""
    items = "".join(
        f'<li><bdi title="{text(name)}">{text(name)}</bdi><span class="bar"><i style="width:{100 * share:.1f}%" '
        f'aria-hidden="true"></i></span><span class="number">{said}</span></li>'
        for name, share, said in lines
    )
    longest = min(max((width(name) for name, _, _ in lines), default=0.0) * 1.15, 10.0)
    beside = max((width(said) for _, _, said in lines), default=0.0) * 1.15
    return f'<ul class="classes" style="--name:{longest:.1f}em;--said:{beside:.1f}em">{items}</ul>'
