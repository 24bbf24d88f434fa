"""Measure and draw the pages.

python -m gallery                        # everything, as `make figures` does
python -m gallery networks forests       # these alone are measured anew, and all are drawn
python -m gallery --redraw               # nothing is measured: from the JSON files beside the pages

With OMP_NUM_THREADS=1, since the matrices are small and threads get into each other's way.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from gallery import classical, forests, minimum_norm, networks, random_features, remedies
from gallery.frame import index, render
from gallery.measured import Measured

PAGES: dict[str, ModuleType] = {
    "classical": classical,
    "minimum-norm": minimum_norm,
    "random-features": random_features,
    "forests": forests,
    "networks": networks,
    "remedies": remedies,
}


def drawn(measured: Mapping[str, Measured]) -> Iterator[tuple[str, str]]:
    """Name and content of each file."""
    pages = [module.page(measured[name]) for name, module in PAGES.items()]
    yield "index.html", index(pages)
    for page in pages:
        yield f"{page.name}.html", render(page, pages, measured[page.name].seconds)


def main() -> None:
    """Measure what is asked for, and write all pages."""
    parser = argparse.ArgumentParser(prog="python -m gallery", description="Figures on risk, as pages.")
    parser.add_argument("pages", nargs="*", choices=[*PAGES, []], help="what to measure anew; everything if left out")
    parser.add_argument("--redraw", action="store_true", help="measure nothing")
    parser.add_argument("--out", type=Path, default=Path("docs/gallery"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for name in () if asked.redraw else asked.pages or PAGES:
        print(f"{name} …", end=" ", flush=True)
        start = time.process_time()
        found = PAGES[name].measure()
        found = replace(found, seconds=time.process_time() - start)
        found.save(asked.out / f"{name}.json")
        print(f"{found.seconds:.0f} CPU seconds", flush=True)
    for name, content in drawn({name: Measured.load(asked.out / f"{name}.json") for name in PAGES}):
        (asked.out / name).write_text(content, encoding="utf-8")
    print(asked.out / "index.html")


if __name__ == "__main__":
    main()
