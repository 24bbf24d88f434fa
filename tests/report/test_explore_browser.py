"""The page of an exploration in a real browser: no console error, no sideways scrolling, and a map that answers."""

import re
from dataclasses import replace

import numpy as np
import pytest

from attar.report.explored import Colour
from attar.report.exploring import render_explored
from tests.report.test_browser import BROWSER, seen
from tests.report.test_exploring import petals

HARNESS = """<!doctype html><title>waiting</title>%s<script>
const results = {};
async function look(frame) {
  frame.scrollIntoView();  // what is out of sight is not drawn
  const [page, view] = [frame.contentDocument, frame.contentWindow];
  const box = page.getElementById("places"), canvas = box.querySelector("canvas"), card = box.querySelector(".card");
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  for (let i = 0; i < 60 && box.querySelector(".absent"); i++) await wait(50);
  const result = { width: page.documentElement.scrollWidth, room: frame.clientWidth };
  const area = canvas.getBoundingClientRect();
  for (let x = 10; x < area.width && card.hidden; x += 8) for (let y = 10; y < area.height && card.hidden; y += 8) {
    const at = { clientX: area.left + x, clientY: area.top + y, pointerType: "mouse" };
    canvas.dispatchEvent(new view.PointerEvent("pointermove", at));
  }
  await wait(300);
  result.card = card.innerText;
  const picture = card.querySelector("canvas");
  const blank = Object.assign(page.createElement("canvas"), { width: picture.width, height: picture.height });
  const drawn = () => picture.toDataURL() !== blank.toDataURL();
  // Time is virtual and the decoding of a sheet of pictures is not: real time passes while a large one is encoded.
  const large = Object.assign(page.createElement("canvas"), { width: 2000, height: 2000 });
  for (let i = 0; i < 60 && !picture.hidden && !drawn(); i++) {
    large.toDataURL();
    await Promise.race([new Promise((done) => view.requestAnimationFrame(done)), wait(100)]);
  }
  result.picture = picture.hidden ? "none" : drawn() ? "drawn" : "empty";
  const key = (name) => canvas.dispatchEvent(new view.KeyboardEvent("keydown", { key: name, cancelable: true }));
  key("ArrowRight"); key("ArrowLeft");
  result.said = page.getElementById("places-said").textContent;
  key("Escape");
  result.escaped = card.hidden;
  const differs = async (change) => {
    const before = canvas.toDataURL();
    change();
    // Time is virtual and frames are not: one is waited for where they come.
    for (let i = 0; i < 40 && canvas.toDataURL() === before; i++) {
      await Promise.race([new Promise((done) => view.requestAnimationFrame(done)), wait(100)]);
    }
    await wait(900);
    return canvas.toDataURL() !== before;
  };
  const select = page.getElementById("colour");
  result.recoloured = await differs(() => { select.value = "1"; select.dispatchEvent(new view.Event("change")); });
  result.scale = page.querySelector("#places-legend .scale") !== null;
  select.value = "0"; select.dispatchEvent(new view.Event("change"));
  const entry = page.querySelector("#places-legend [data-class]");
  result.hidden = await differs(() => entry.click()) && entry.getAttribute("aria-pressed") === "false";
  const thrown = [];
  view.addEventListener("error", (event) => thrown.push(event.message));
  const others = [...page.querySelectorAll('#places-legend [aria-pressed="true"]')];
  for (const other of others) other.click();
  key("ArrowRight");
  for (const other of others) other.click();
  result.thrown = thrown;
  result.zoomed = await differs(() => page.querySelector('[data-zoom="2"]').click());
  result.moved = await differs(() => page.querySelectorAll("[data-layout]")[1].click());
  page.querySelector("button.sample").click();
  await wait(300);
  result.found = card.innerText;
  return result;
}
addEventListener("load", async () => {
  for (const frame of document.querySelectorAll("iframe")) results[frame.id] = await look(frame);
  document.title = JSON.stringify(results);
});
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs chromium on PATH")
def test_explorations_work_at_every_width(tmp_path):
    for name, explored in {"images": petals(), "texts": petals(200, pictures=False)}.items():
        numbers = Colour("number", 90_211 + np.arange(explored.n, dtype=np.float32))
        explored = replace(explored, colours=(*explored.colours, numbers))
        (tmp_path / f"{name}.html").write_text(render_explored(explored), encoding="utf-8")
    frames = "".join(
        f'<iframe id="{name}-{width}" src="{name}.html" style="width:{width}px;height:900px;border:0"></iframe>'
        for name in ("images", "texts")
        for width in (1280, 860, 400)
    )
    results = seen(HARNESS % frames, tmp_path, milliseconds=60_000)
    assert len(results) == 6
    for name, result in results.items():
        assert result["width"] <= result["room"], name
        assert "train/" in result["card"], name
        shown, number = re.search(r"train/(\d+)\.png.*number\s+(\d+)", result["card"], re.DOTALL).groups()
        assert int(number) == 90_211 + int(shown), name
        assert result["thrown"] == [], name
        assert result["picture"] == ("drawn" if name.startswith("images") else "none"), name
        assert "cluster" in result["said"], name
        assert "train/00000.png" in result["found"], name
        for what in ("escaped", "recoloured", "scale", "hidden", "zoomed", "moved"):
            assert result[what], (name, what)
