"use strict";
(() => {
  const copy = document.getElementById("copy");
  copy.addEventListener("click", async () => {
    const command = document.getElementById("command");
    let done = true;
    try {
      await navigator.clipboard.writeText(command.textContent);
    } catch {
      // A page opened from a file may have no clipboard: the selection is then left for the person to copy.
      getSelection().selectAllChildren(command);
      done = document.execCommand("copy");
    }
    copy.textContent = done ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { copy.textContent = "Copy"; }, 2000);
  });
})();

(async () => {
  const source = document.getElementById("map-data");
  if (!source) return;
  const packed = Uint8Array.from(atob(source.textContent), (c) => c.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const data = await new Response(unpacked).json();
  const box = document.getElementById("map");
  const [canvas, here, card] = ["canvas", ".here", ".card"].map((s) => box.querySelector(s));
  const [image, list] = [card.querySelector("img"), card.querySelector("dl")];
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
    const css = getComputedStyle(document.documentElement);
    const colour = (name) => css.getPropertyValue(name).trim();
    const colours = Array.from({ length: data.colours }, (_, i) => colour(`--c${i}`));
    const [text, page] = [colour("--text"), colour("--page")];
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
    pen.globalAlpha = 1;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    name(pen, text, page);
    if (current >= 0) show(current);
  }

  // Each class is named at its median, the largest first, until names cover a twelfth of the map;
  // a name that would cover another is left to the legend.
  function name(pen, text, page) {
    const members = data.classes.map(() => []);
    for (let i = 0; i < n; i++) if (shown[data.class[i]]) members[data.class[i]].push(i);
    const median = (of, at) => of.map((i) => at[i]).sort((a, b) => a - b)[of.length >> 1];
    const taken = [];
    let room = (box.clientWidth * box.clientHeight) / 12;
    pen.font = `600 13px ${getComputedStyle(document.body).fontFamily}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const largest = [...members.keys()].sort((a, b) => members[b].length - members[a].length);
    for (const k of largest) {
      const of = members[k];
      if (!of.length) continue;
      const half = pen.measureText(data.short[k]).width / 2 + 5;
      const x = Math.min(Math.max(median(of, px), half), box.clientWidth - half), y = median(of, py);
      if (taken.some((t) => Math.abs(t.x - x) < t.half + half && Math.abs(t.y - y) < 20)) continue;
      if ((room -= 36 * half) < 0) return;
      taken.push({ x, y, half });
      pen.globalAlpha = 0.82;
      pen.fillStyle = page;
      pen.beginPath();
      pen.roundRect(x - half, y - 9, 2 * half, 18, 4);
      pen.fill();
      pen.globalAlpha = 1;
      pen.fillStyle = text;
      pen.fillText(data.short[k], x, y);
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
    lines.push(["label", label === null ? "none" : label === data.classes[k] ? label : `${label} (differs)`]);
    list.replaceChildren(...lines.flatMap(([term, value]) => ["dt", "dd"].map((tag) => {
      const node = document.createElement(tag);
      node.textContent = tag === "dt" ? term : value;
      if (tag === "dd" && term === "label" && label !== null && label !== data.classes[k]) node.className = "error";
      return node;
    })));
    const src = thumbnail(i);
    image.hidden = !src;
    if (src && image.getAttribute("src") !== src) image.src = src;
    here.hidden = card.hidden = false;
    here.style.left = `${px[i]}px`;
    here.style.top = `${py[i]}px`;
    const x = px[i] + 16 + card.offsetWidth > box.clientWidth ? px[i] - 16 - card.offsetWidth : px[i] + 16;
    const y = py[i] + 16 + card.offsetHeight > box.clientHeight ? py[i] - 16 - card.offsetHeight : py[i] + 16;
    card.style.left = `${Math.max(4, Math.min(x, box.clientWidth - card.offsetWidth - 4))}px`;
    card.style.top = `${Math.max(4, y)}px`;
    return lines.map((line) => line.join(" ")).join(", ");
  }

  function hide() {
    current = -1;
    here.hidden = card.hidden = true;
  }

  function nearest(distance) {
    let best = -1, least = Infinity;
    for (let i = 0; i < n; i++) {
      if (!shown[data.class[i]]) continue;
      const d = distance(px[i], py[i], i);
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

  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  function key(event) {
    if (event.key === "Escape") return hide();
    if (!(event.key in steps)) return;
    event.preventDefault();
    if (current < 0) return focus();
    const [dx, dy] = steps[event.key], [x, y, from] = [px[current], py[current], current];
    const next = nearest((a, b, i) => {
      const along = (a - x) * dx + (b - y) * dy, across = Math.abs((a - x) * dy + (b - y) * dx);
      return i !== from && along > 0 ? along + 2 * across : Infinity;
    });
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
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", draw);
  new ResizeObserver(draw).observe(box);
  box.querySelector(".absent").remove();
  draw();
})();
