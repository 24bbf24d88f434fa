"""The page in a real browser: no console error, no sideways scrolling, and a map that answers."""

import html
import json
import re
import shutil
import subprocess

import pytest

from attar.report.page import render
from tests.report.test_page import NASTY, with_strings

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--allow-file-access-from-files",
    "--enable-logging=stderr",
    "--v=0",
    "--dump-dom",
    "--window-size=1400,1000",
]

# Frames stand for windows: a headless window cannot be as narrow as a telephone.
HARNESS = """<!doctype html><title>waiting</title>%s<script>
const results = {};
async function look(frame) {
  const [page, view] = [frame.contentDocument, frame.contentWindow];
  const canvas = page.querySelector("canvas"), card = page.querySelector(".card");
  const area = canvas.getBoundingClientRect();
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  for (let i = 0; i < 40 && page.querySelector(".absent"); i++) await wait(50);
  const result = { width: page.documentElement.scrollWidth, room: frame.clientWidth };
  result.beside = [...page.querySelectorAll(".classes")].filter((list) => list.scrollWidth > list.clientWidth).length;
  for (let x = 10; x < area.width && card.hidden; x += 8) for (let y = 10; y < area.height && card.hidden; y += 8) {
    const at = { clientX: area.left + x, clientY: area.top + y, pointerType: "touch" };
    canvas.dispatchEvent(new view.PointerEvent("pointerdown", at));
  }
  await wait(50);
  result.card = card.innerText;
  result.thumbnail = page.querySelector(".card img").naturalWidth;
  const key = (name) => canvas.dispatchEvent(new view.KeyboardEvent("keydown", { key: name, cancelable: true }));
  key("ArrowRight"); key("ArrowLeft"); key("ArrowUp");
  result.said = page.getElementById("map-said").textContent;
  key("Escape");
  result.escaped = card.hidden;
  const before = canvas.toDataURL(), entry = page.querySelector("[data-class]");
  entry.click();
  result.hidden = canvas.toDataURL() !== before && entry.getAttribute("aria-pressed") === "false";
  page.querySelector('[data-all="false"]').click();
  const blank = Object.assign(page.createElement("canvas"), { width: canvas.width, height: canvas.height });
  result.empty = canvas.toDataURL() === blank.toDataURL();
  return result;
}
addEventListener("load", async () => {
  for (const frame of document.querySelectorAll("iframe")) results[frame.id] = await look(frame);
  document.title = JSON.stringify(results);
});
</script>"""


def seen(harness, folder, milliseconds=8000):
    """What the script of a page found out, which it leaves as JSON in the title; nothing may be on the console."""
    (folder / "harness.html").write_text(harness, encoding="utf-8")
    flags = [*FLAGS, f"--virtual-time-budget={milliseconds}", f"--user-data-dir={folder / 'user'}"]
    command = [BROWSER, *flags, (folder / "harness.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    return json.loads(html.unescape(re.search(r"<title>(.*?)</title>", done.stdout, flags=re.S)[1]))


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs chromium on PATH")
def test_pages_work_at_every_width(digits, wide, tmp_path):
    pages = {
        "digits": digits,
        "wide": wide,
        "nasty": with_strings(digits, NASTY),
        "long": with_strings(digits, "W" * 300),
    }
    for name, facts in pages.items():
        (tmp_path / f"{name}.html").write_text(render(facts), encoding="utf-8")
    frames = "".join(
        f'<iframe id="{name}-{width}" src="{name}.html" style="width:{width}px;height:900px;border:0"></iframe>'
        for name in pages
        for width in (1280, 870, 860, 400)
    )
    results = seen(HARNESS % frames, tmp_path)
    assert len(results) == 16
    for name, result in results.items():
        assert result["width"] <= result["room"], name
        assert result["beside"] == 0, name  # a long list goes on below and not beside itself, where nobody looks
        assert "predicted" in result["card"], name
        assert "probability" in result["said"], name
        assert result["escaped"], name
        assert result["hidden"], name
        assert result["empty"], name
    assert results["digits-400"]["thumbnail"] == 8
    assert results["wide-1280"]["thumbnail"] == 120
