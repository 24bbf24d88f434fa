(async () => {
  if (!document.getElementById("map-data")) return;
  const data = await (await inflated("map-data")).json();
  const box = document.getElementById("map"), card = new Card(box);
  const [canvas, image] = ["canvas", ".card img"].map((selector) => box.querySelector(selector));
  const said = document.getElementById("map-said");
  const entries = [...document.querySelectorAll(".legend [data-class]")];
  const paths = data.shapes.map((d) => new Path2D(d));
  const n = data.x.length;
  const shown = data.classes.map(() => true);
  const order = [...Array(n).keys()].sort((a, b) => (data.label[a] !== null) - (data.label[b] !== null));
  const px = new Float64Array(n), py = new Float64Array(n);
  let current = -1;

  function place(width, height) {
    const wide = Math.max(...data.x), high = Math.max(...data.y), margin = 18;
    const scale = Math.min((width - 2 * margin) / Math.max(wide, 1), (height - 2 * margin) / Math.max(high, 1));
    for (let i = 0; i < n; i++) {
      px[i] = width / 2 + scale * (data.x[i] - wide / 2);
      py[i] = height / 2 - scale * (data.y[i] - high / 2);
    }
  }

  function draw() {
    const width = box.clientWidth, height = box.clientHeight, ratio = devicePixelRatio || 1;
    if (!width || !height) return;
    const colours = Array.from({ length: data.colours }, (_, i) => css(`--c${i}`));
    const [text, page] = [css("--text"), css("--page")];
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    place(width, height);
    const pen = canvas.getContext("2d");
    const radius = n > 2000 ? 2.6 : n > 500 ? 3.2 : 4;
    for (const i of order) {
      const k = data.class[i];
      if (!shown[k]) continue;
      const labelled = data.label[i] !== null;
      const r = labelled ? radius + 1.2 : radius;
      pen.setTransform(r * ratio, 0, 0, r * ratio, px[i] * ratio, py[i] * ratio);
      pen.globalAlpha = labelled ? 1 : 0.72;
      pen.fillStyle = colours[k % colours.length];
      pen.fill(paths[k % paths.length]);
      if (!labelled) continue;
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      for (const [stroke, line] of [[page, 4], [text, 1.75]]) {
        pen.strokeStyle = stroke;
        pen.lineWidth = line;
        pen.beginPath();
        pen.arc(px[i], py[i], r + 2.6, 0, 2 * Math.PI);
        pen.stroke();
      }
    }
    label(new Labels(pen, ratio, 13, 0.82));
    if (current >= 0) show(current);
  }

  // Each class is named at its median, the largest first, until names cover a twelfth of the map;
  // a name that would cover another is left to the legend.
  function label(labels) {
    const members = data.classes.map(() => []);
    for (let i = 0; i < n; i++) if (shown[data.class[i]]) members[data.class[i]].push(i);
    const median = (of, at) => of.map((i) => at[i]).sort((a, b) => a - b)[of.length >> 1];
    let room = (box.clientWidth * box.clientHeight) / 12;
    const largest = [...members.keys()].sort((a, b) => members[b].length - members[a].length);
    for (const k of largest) {
      const of = members[k];
      if (!of.length) continue;
      const name = data.short[k], half = labels.half(name);
      const x = Math.min(Math.max(median(of, px), half), box.clientWidth - half), y = median(of, py);
      if (!labels.free(x, y, half)) continue;
      if ((room -= 36 * half) < 0) return;
      labels.write(name, x, y, half);
    }
  }

  // As an image, an inline SVG can neither run a script nor reach the network; alone it needs its namespace.
  function thumbnail(i) {
    const drawn = data.thumbnail[i];
    if (!drawn.startsWith("<svg")) return drawn;
    const svg = drawn.includes("xmlns=") ? drawn : drawn.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"');
    return `data:image/svg+xml,${encodeURIComponent(svg)}`;
  }

  function show(i) {
    current = i;
    const k = data.class[i], label = data.label[i];
    const id = data.id[i].length > 44 ? `${data.id[i].slice(0, 14)}…${data.id[i].slice(-29)}` : data.id[i];
    const lines = [["id", id], ["predicted", data.classes[k]]];
    if (data.probability[i] !== null) lines.push(["probability", `${(100 * data.probability[i]).toFixed(1)}\u00a0%`]);
    const differs = label !== null && label !== data.classes[k];
    lines.push(["label", differs ? `${label} (differs)` : label ?? "none", differs ? "error" : ""]);
    card.fill(lines);
    const src = thumbnail(i);
    image.hidden = !src;
    if (src && image.getAttribute("src") !== src) image.src = src;
    card.place(px[i], py[i]);
    return inWords(lines);
  }

  function hide() {
    current = -1;
    card.hide();
  }

  function nearest(distance) {
    let best = -1, least = Infinity;
    for (let i = 0; i < n; i++) {
      if (!shown[data.class[i]]) continue;
      const d = distance(px[i], py[i]);
      if (d < least) [best, least] = [i, d];
    }
    return best;
  }

  function point(event) {
    const area = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - area.left, event.clientY - area.top];
    const reach = event.pointerType === "mouse" ? 14 : 26;
    const i = nearest((a, b) => { const d = Math.hypot(a - x, b - y); return d <= reach ? d : Infinity; });
    if (i < 0) hide(); else if (i !== current) show(i);
  }

  function key(event) {
    if (event.key === "Escape") return hide();
    if (!(event.key in ARROWS)) return;
    event.preventDefault();
    if (current < 0) return focus();
    const [x, y] = [px[current], py[current]];
    const next = nearest((a, b) => ahead(event.key, a - x, b - y));
    if (next >= 0) said.textContent = show(next);
  }

  function focus() {
    if (current >= 0 || !canvas.matches(":focus-visible")) return;
    const i = nearest((a, b) => Math.hypot(a - box.clientWidth / 2, b - box.clientHeight / 2));
    if (i >= 0) said.textContent = show(i);
  }

  function change(update) {
    for (const entry of entries) {
      const k = Number(entry.dataset.class);
      shown[k] = update(k);
      entry.setAttribute("aria-pressed", String(shown[k]));
    }
    if (current >= 0 && !shown[data.class[current]]) hide();
    draw();
  }

  image.addEventListener("load", () => image.classList.toggle("coarse", image.naturalWidth < 64));
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point);
  canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
  canvas.addEventListener("keydown", key);
  canvas.addEventListener("focus", focus);
  canvas.addEventListener("blur", hide);
  for (const entry of entries) {
    entry.addEventListener("click", () => change((k) => (k === Number(entry.dataset.class) ? !shown[k] : shown[k])));
  }
  for (const button of document.querySelectorAll(".legend [data-all]")) {
    button.addEventListener("click", () => change(() => button.dataset.all === "true"));
  }
  onOtherColours(draw);
  new ResizeObserver(draw).observe(box);
  box.querySelector(".absent").remove();
  draw();
})();
