"""The worked examples of the documentation, as they stand there."""

import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from attar.represent import Autoencoder, SimCLR

DOCS = Path(__file__).parent.parent / "docs"
PAGES = (DOCS.parent / "README.md", DOCS.parent / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md")))


def blocks(page):
    """The examples of a page, in order."""
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def examples():
    names = {"__name__": "examples"}
    for block in blocks("architecture.md"):
        exec(block, names)
    return names


@pytest.mark.slow
@pytest.mark.parametrize(
    "block", [block for page in ("density.md", "reconstruction.md") for block in blocks(page)], ids=lambda _: "block"
)
def test_a_block_runs_as_it_stands(block):
    exec(block, {"__name__": "block"})


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    x = rng.integers(97, 123, size=(40, 30)).astype(np.float32)
    x[np.arange(30) >= rng.integers(10, 31, size=(40, 1))] = np.nan
    return x


@pytest.mark.parametrize("pretext", ["Centre", SimCLR, Autoencoder])
def test_every_pretext_works_on_the_kind_that_is_added(examples, texts, pretext):
    kind = examples["Letters"].learn(texts)
    pretext = examples.get(pretext, pretext)(dim=6, width=4, epochs=2, batch_size=16, kind=kind, random_state=0)
    z = pretext.fit_transform(texts)
    assert z.shape == (40, 6)
    with torch.inference_mode():
        np.testing.assert_allclose(pretext.module_(torch.from_numpy(texts)), z, atol=1e-5)


def test_so_do_the_students(examples, texts):
    kind = examples["Letters"].learn(texts)
    for student in kind.students(3):
        assert student.build().eval()(kind.preprocess()(torch.from_numpy(texts))).shape == (40, 3)


def test_the_pretext_that_is_added_works_on_images(examples):
    images = np.random.default_rng(0).random((40, 8, 8), dtype=np.float32)
    assert examples["Centre"]().fit_transform(images).shape == (40, 8)


def test_the_rooms_are_those_that_the_linter_holds(pytestconfig):
    import tomllib

    contracts = tomllib.loads((pytestconfig.rootpath / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    layers = [layer.removesuffix(" | _lazy") for layer in contracts[0]["layers"]]
    page = (DOCS / "architecture.md").read_text()
    rooms = re.search(r"## Rooms\n\n```\n(.*?)```", page, re.DOTALL)[1].splitlines()
    assert len(rooms) == len(layers)
    for room, layer in zip(rooms, layers):
        assert room.startswith(f"{layer} ")


@pytest.mark.parametrize(
    "package", ["attar", *(f"attar.{room}" for room in ("represent", "compress", "density", "risk"))]
)
def test_every_public_name_is_on_a_page(package):
    code = " ".join(re.findall(r"^```.*?^```|`[^`]+`", "\n".join(map(Path.read_text, PAGES)), re.DOTALL | re.MULTILINE))
    assert set(import_module(package).__all__) <= set(re.findall(r"\w+", code))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_leads_to_is_there(page):
    for target in re.findall(r"\]\(([\w./-]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target
    for target in re.findall(r"\bbenchmarks/\w+\.py\b", page.read_text()):
        assert (DOCS.parent / target).is_file(), target


def anchors(page):
    """What the headings of a page are called in links, as GitHub does."""
    headings = re.findall(
        r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE), re.M
    )
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_heading_that_a_page_leads_to_is_there(page):
    for target, anchor in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", page.read_text()):
        assert anchor in anchors(page.parent / target if target else page), f"{target}#{anchor}"


def test_benchmarks_look_for_their_data_in_one_place():
    scripts = (DOCS.parent / "benchmarks").glob("*.py")
    assert [script.name for script in scripts if 'environ.get("ATTAR_DATA"' in script.read_text()] == ["runs.py"]


def test_the_build_of_torch_that_the_readme_names_is_the_one_that_is_tested():
    (build,) = re.findall(r"build of torch (\d+\.\d+\.\d+)", (DOCS.parent / "README.md").read_text())
    assert f"torch=={build}" in (DOCS.parent / "constraints.txt").read_text().splitlines()
