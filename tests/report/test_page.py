import base64
import hashlib
import html
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from attar.report.facts import Facts, Group
from attar.report.page import render
from attar.report.words import interval, percent, prose

NASTY = (
    "</title></style></script><script>alert(1)</script><img src=x onerror=alert(1)>\"' onload='alert(2)' ${x} $y <!--"
)
VOID = {"meta", "link", "img", "br", "hr", "input"}


class _Structure(HTMLParser):
    """The tags and names of attributes of a page, and whether all that opens is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, *(name for name, _ in attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name in ("href", "src", "xlink:href", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, *(name for name, _ in attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def structure(page: str) -> _Structure:
    parser = _Structure()
    parser.feed(page)
    parser.close()
    assert not parser.open
    return parser


def with_strings(facts: Facts, string: str) -> Facts:
    """The same facts with a string in every place that takes one."""
    numbered = [f"{string}{k}" for k in range(len(facts.classes))]
    renamed = dict(zip(facts.classes, numbered))

    def changed(value, key=""):
        if isinstance(value, dict):
            if key in ("settings", "versions"):
                return {f"{string}{i}": changed(v) for i, v in enumerate(value.values())}
            return {k: changed(v, k) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [changed(v, key) for v in value]
        if isinstance(value, str):
            if value.startswith('{"axis"'):  # a risk curve
                return value
            return renamed[value] if key in ("classes", "predicted", "label") else string
        return value

    return Facts.model_validate(changed(facts.model_copy(update={"latent": facts.latent[:30]}).model_dump()))


def test_the_structure_of_the_page_does_not_depend_on_any_string(digits):
    harmless = re.sub(r"[^a-z]", "a", NASTY.lower())
    nasty, plain = (structure(render(with_strings(digits, s))) for s in (NASTY, harmless))
    assert nasty.tags == plain.tags
    assert nasty.links == plain.links


@pytest.mark.parametrize("string", ["", " ", "\x00\x1b[0m", "漢" * 500, "a" * 5000, "\u202eevil", "${run}", "\\u003c"])
def test_odd_strings_are_shown(digits, string):
    structure(render(with_strings(digits, string)))


def test_the_command_is_shown_as_it_has_to_be_typed(digits):
    command = "attar fit 'my  data\nhere' --labels \"<b>.csv\""
    page = render(digits.model_copy(update={"command": command}))
    shown = re.search(r'<code id="command">(.*?)</code>', page, flags=re.S)[1]
    assert html.unescape(re.sub(r"</?span[^>]*>", "", shown)) == command
    assert '<span class="option">--labels</span>' in shown


def test_the_page_is_well_formed_and_needs_no_network(digits, wide):
    for facts in (digits, wide):
        page = render(facts)
        found = structure(page)
        assert len(set(found.ids)) == len(found.ids)
        assert all(link.startswith("#") or link == "data:," for link in found.links)
        assert {link[1:] for link in found.links if link.startswith("#")} <= set(found.ids)
        assert "url(" not in page
        assert "@import" not in page
        assert "nan" not in re.sub(r"<script.*?</script>", "", page, flags=re.S).replace("finance", "")


def test_the_policy_allows_the_script_of_the_page_alone(digits):
    page = render(digits)
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.S)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "default-src 'none'" in page


def test_a_file_that_answers_otherwise_than_what_was_judged_says_so(digits, wide):
    said = f"for the candidate; the file gives {percent(0.03)} of the samples another class"
    assert said in render(wide)
    assert f"{interval((wide.accuracy - 0.03, wide.accuracy))}\u00a0%" in render(wide)
    assert "another class" not in render(digits)
    small = wide.compression[-1].model_copy(update={"agreement": 0.99})
    assert "another class" not in render(wide.model_copy(update={"compression": (wide.compression[0], small)}))


def test_a_run_that_had_to_keep_a_time_is_repeated_on_a_machine_as_fast_alone(digits):
    assert "This command gives the same model again; the run took" in render(digits)
    timed = digits.model_copy(update={"settings": digits.settings | {"seconds": 60.0}})
    assert "gives the same model again, where the machine is as fast: how much is trained follows" in render(timed)


def test_the_key_figures_are_all_there(digits):
    page = render(digits)
    for figure in (
        "95.1\u00a0%",
        "91.7–97.8",
        "94.2\u00a0%",
        "46.8\u00a0KB",
        "0.041\u00a0ms",
        "budget 50KB",
        "attar fit digits",
    ):
        assert figure in page


def test_where_the_chosen_model_stands_is_there_if_it_was_measured(digits, wide):
    page = render(digits)
    assert prose(digits.risk["regime"]) in page
    assert page.count("<svg") - render(digits.model_copy(update={"risk": {}})).count("<svg") == 4
    assert "Not measured in this run" in render(wide)
    old = digits.model_dump(mode="json")
    del old["risk"]
    assert "Not measured in this run" in render(Facts.model_validate(old))


def test_where_each_class_counts_the_same_nothing_is_called_accuracy_that_is_balanced(digits):
    page = render(digits.model_copy(update={"balanced": True}))
    for said in (
        "labels the balanced accuracy changed",
        ">balanced accuracy, %</text>",
        'data-label="balanced accuracy"',
        f"Balanced accuracy is {percent(digits.groups[0].accuracy)} on the hardest of 13\u00a0groups",
        "The mean is over the classes that a group has.",
        "that is answered rightly, in the mean over the classes.",
        "On these curves each sample counts the same, not each class.",
    ):
        assert said in page
        assert said not in render(digits)


def test_the_hardest_groups_come_first_and_there_is_no_section_without(digits, wide):
    page = render(digits)
    assert "hardest of 13\u00a0groups" in page
    assert page.index("writer 0") < page.index("writer 12")
    assert "69.0\u00a0% on 43" in page
    assert "by group" not in render(wide)
    many = tuple(Group(name=f"n{i}", n=1, accuracy=i / 99) for i in range(100))
    page = render(digits.model_copy(update={"groups": many}))
    assert "Those of the 60 hardest:" in page
    assert page.count('<li><bdi title="n') == 60


def test_without_a_test_split_the_page_says_that_accuracy_is_estimated(wide):
    page = render(wide)
    assert "Accuracy, test split" not in page
    assert "accuracy is estimated, not tested" in page


def test_the_page_is_small_and_the_same_each_time(digits, wide):
    pages = [render(digits), render(wide)]
    assert all(len(page.encode()) < 500_000 for page in pages)
    assert pages == [render(digits), render(wide)]


def test_rendering_loads_no_learning_library():
    heavy = "{'torch', 'sklearn', 'numpy', 'scipy', 'plotly', 'onnxruntime'}"
    code = f"import sys, attar.report.page; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
