(async () => {
  const bytes = await (await inflated("places-data")).arrayBuffer();
  const length = new DataView(bytes).getUint32(0, true);
  const data = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  const n = data.n;
  let offset = 4 + length;
  const column = (type, size) => {
    const values = new type(bytes, offset, size);
    offset += values.byteLength;
    return values;
  };
  const index = column(Int32Array, n);
  const layouts = data.layouts.map(() => column(Uint16Array, 2 * n));
  const values = data.colours.map((colour) => column(colour.classes.length ? Int32Array : Float32Array, n));
  const position = new Map();
  index.forEach((i, at) => position.set(i, at));
  const text = document.getElementById("places-sheets").textContent;
  const sheets = text ? text.split("\n") : [];
  const decoded = new Map();

  const box = document.getElementById("places"), card = new Card(box);
  const [canvas, picture] = ["canvas", ".card canvas"].map((selector) => box.querySelector(selector));
  const legend = document.getElementById("places-legend"), said = document.getElementById("places-said");
  const scale = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  const FAR = 65535, CELLS = 256;
  const px = Float32Array.from(layouts[0].subarray(0, n)), py = Float32Array.from(layouts[0].subarray(n));
  const order = shuffled(), tint = new Uint8Array(3 * n), seen = new Uint8Array(n).fill(1);
  const starts = new Uint32Array(CELLS * CELLS + 1), members = new Uint32Array(n);
  let chosen = 0, hidden = new Set(), current = -1, pending = 0, moving = 0, middle = null;
  let zoom = 1, middleX = 0, middleY = 0, width = 0, height = 0, ratio = 1, unit = 1;

  // What is drawn last covers the rest: by chance, so that no class is always on top.
  function shuffled() {
    const all = Uint32Array.from({ length: n }, (_, i) => i);
    let state = 1;
    for (let i = n - 1; i > 0; i--) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const j = state % (i + 1);
      [all[i], all[j]] = [all[j], all[i]];
    }
    return all;
  }

  function rgb(colour) {
    const pen = document.createElement("canvas").getContext("2d");
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  }

  // Beyond the colours of the palette, hues that are far from the last one's.
  function colourOf(k) {
    return k < data.palette ? css(`--c${k}`) : `hsl(${(k * 137.5) % 360} 55% ${40 + (k * 23) % 30}%)`;
  }

  function along(share) {
    const place = Math.min(Math.max(share, 0), 1) * (scale.length - 1), i = Math.min(Math.floor(place), scale.length - 2);
    return scale[i].map((c, j) => c + (place - i) * (scale[i + 1][j] - c));
  }

  function paint() {
    middle = null;
    const colour = data.colours[chosen], column = values[chosen];
    const absent = rgb(css("--rule"));
    const palette = colour.classes.map((_, k) => rgb(colourOf(k)));
    const span = colour.high - colour.low || 1;
    const steps = Array.from({ length: 256 }, (_, i) => along(i / 255));
    for (let i = 0; i < n; i++) {
      const value = column[i];
      let [r, g, b] = absent;
      if (colour.classes.length) {
        if (value >= 0) [r, g, b] = palette[value];
        seen[i] = hidden.has(value) ? 0 : 1;
      } else {
        if (!Number.isNaN(value)) [r, g, b] = steps[Math.round(255 * Math.min(Math.max((value - colour.low) / span, 0), 1))];
        seen[i] = 1;
      }
      tint.set([r, g, b], 3 * i);
    }
  }

  function grid() {
    middle = null;
    starts.fill(0);
    const cell = (i) => (Math.min(py[i] / FAR, 0.9999) * CELLS | 0) * CELLS + (Math.min(px[i] / FAR, 0.9999) * CELLS | 0);
    for (let i = 0; i < n; i++) starts[cell(i) + 1]++;
    for (let c = 0; c < CELLS * CELLS; c++) starts[c + 1] += starts[c];
    const next = starts.slice();
    for (let i = 0; i < n; i++) members[next[cell(i)]++] = i;
  }

  function fit() {
    let right = 0, top = 0;
    for (let i = 0; i < n; i++) {
      right = Math.max(right, px[i]);
      top = Math.max(top, py[i]);
    }
    [zoom, middleX, middleY] = [1, right / 2, top / 2];
    unit = Math.min((width - 36) / Math.max(right, 1), (height - 36) / Math.max(top, 1));
    // One scale for all layouts would leave room unused: each is fitted by itself.
    canvas.classList.remove("closer");
  }

  const toX = (x) => width / 2 + (x - middleX) * unit * zoom;
  const toY = (y) => height / 2 - (y - middleY) * unit * zoom;
  const radius = () => (n > 30000 ? 0.9 : n > 6000 ? 1.6 : n > 1500 ? 2.4 : 3.4) * Math.min(zoom ** 0.4, 4);

  function later() {
    if (!pending) pending = requestAnimationFrame(() => { pending = 0; draw(); });
  }

  function draw() {
    if (!width || !height) return;
    const pen = canvas.getContext("2d");
    const [w, h] = [canvas.width, canvas.height];
    const image = pen.createImageData(w, h), pixels = image.data;
    const [back, r] = [rgb(css("--page")), radius() * ratio];
    const words = new Uint32Array(pixels.buffer);
    words.fill(new Uint32Array(new Uint8Array([...back, 255]).buffer)[0]);
    const reach = Math.ceil(r), disc = [];
    for (let y = -reach; y <= reach; y++) for (let x = -reach; x <= reach; x++) {
      const cover = Math.min(Math.max(r + 0.5 - Math.hypot(x, y), 0), 1);
      if (cover > 0) disc.push([x, y, 0.85 * cover]);
    }
    for (const i of order) {
      if (!seen[i]) continue;
      const x = Math.round(toX(px[i]) * ratio), y = Math.round(toY(py[i]) * ratio);
      if (x < reach || y < reach || x >= w - reach || y >= h - reach) continue;
      const [red, green, blue] = [tint[3 * i], tint[3 * i + 1], tint[3 * i + 2]];
      for (let k = 0; k < disc.length; k++) {
        const d = disc[k], at = 4 * ((y + d[1]) * w + x + d[0]), cover = d[2];
        pixels[at] += (red - pixels[at]) * cover;
        pixels[at + 1] += (green - pixels[at + 1]) * cover;
        pixels[at + 2] += (blue - pixels[at + 2]) * cover;
      }
    }
    pen.putImageData(image, 0, 0);
    label(pen);
    if (current >= 0) show(current);
  }

  // The member nearest to the middle of each class, since between two parts of one there may be nothing; the largest
  // class first. Kept, as it takes longer than drawing all samples.
  function middles() {
    const groups = data.colours[chosen].classes.map(() => []);
    for (let i = 0; i < n; i++) if (seen[i] && values[chosen][i] >= 0) groups[values[chosen][i]].push(i);
    const median = (of, at) => Float32Array.from(of, (i) => at[i]).sort()[of.length >> 1];
    return [...groups.keys()].filter((k) => groups[k].length).sort((a, b) => groups[b].length - groups[a].length).map((k) => {
      const [mx, my] = [median(groups[k], px), median(groups[k], py)], far = (i) => Math.hypot(px[i] - mx, py[i] - my);
      return [k, groups[k].reduce((best, i) => (far(i) < far(best) ? i : best))];
    });
  }

  // A name that would cover another is left to the legend.
  function label(pen) {
    const classes = data.colours[chosen].classes;
    if (!classes.length || classes.length > 40 || moving) return;
    middle ??= middles();
    const labels = new Labels(pen, ratio, 12, 0.78);
    for (const [k, at] of middle) {
      const half = labels.half(classes[k]), x = toX(px[at]), y = toY(py[at]);
      if (x < half || x > width - half || y < 12 || y > height - 12) continue;
      if (labels.free(x, y, half)) labels.write(classes[k], x, y, half);
    }
  }

  function written(value) {
    if (Number.isNaN(value)) return "missing";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
    return String(size < 1e3 ? +value.toPrecision(4) : Math.round(value));
  }

  async function sheet(k) {
    if (!decoded.has(k)) {
      // A few are kept: a decoded sheet takes megabytes.
      if (decoded.size > 7) decoded.delete(decoded.keys().next().value);
      const image = new Image();
      image.src = sheets[k];
      decoded.set(k, image.decode().then(() => image));
    }
    return decoded.get(k);
  }

  async function depict(i) {
    picture.hidden = !sheets.length;
    if (!sheets.length) return;
    const [w, h] = data.cell, each = data.side * data.side, times = Math.max(1, Math.floor(96 / Math.max(w, h)));
    const image = await sheet(Math.floor(i / each));
    if (current !== i) return;
    const x = i % each % data.side, y = Math.floor(i % each / data.side);
    const pen = picture.getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.clearRect(0, 0, 96, 96);
    const [across, down] = w > 96 / times ? [96, 96 * h / w] : [w * times, h * times];
    pen.drawImage(image, x * w, y * h, w, h, (96 - across) / 2, (96 - down) / 2, across, down);
  }

  function show(i) {
    const fresh = current !== i;
    current = i;
    const lines = [["id", data.ids[i]]];
    if (data.words.length) lines.push(["text", data.words[i]]);
    const few = data.colours.map((_, k) => k).filter((k) => k < 9 || k === chosen);
    for (const k of few) {
      const colour = data.colours[k], value = values[k][i];
      lines.push([colour.name, colour.classes.length ? (value < 0 ? "none" : colour.classes[value]) : written(value)]);
    }
    if (fresh) {
      card.fill(lines);
      depict(i);
    }
    card.place(toX(px[i]), toY(py[i]));
    return inWords(lines);
  }

  function hide() {
    current = -1;
    card.hide();
  }

  function near(x, y, reach) {
    const [cx, cy] = [middleX + (x - width / 2) / unit / zoom, middleY - (y - height / 2) / unit / zoom];
    const far = reach / unit / zoom, at = (v) => Math.min(Math.max(Math.floor(v / FAR * CELLS), 0), CELLS - 1);
    let best = -1, least = far * far;
    for (let row = at(cy - far); row <= at(cy + far); row++) for (let c = at(cx - far); c <= at(cx + far); c++) {
      for (let m = starts[row * CELLS + c]; m < starts[row * CELLS + c + 1]; m++) {
        const i = members[m], d = (px[i] - cx) ** 2 + (py[i] - cy) ** 2;
        if (seen[i] && d < least) [best, least] = [i, d];
      }
    }
    return best;
  }

  function place(event) {
    const area = canvas.getBoundingClientRect();
    return [event.clientX - area.left, event.clientY - area.top];
  }

  function point(event) {
    const i = near(...place(event), event.pointerType === "mouse" ? 14 : 26);
    if (i < 0) hide(); else if (i !== current) show(i);
  }

  function closer(times, x, y) {
    const next = Math.min(Math.max(zoom * times, 1), 400);
    if (next === 1) { fit(); later(); return; }
    const [cx, cy] = [middleX + (x - width / 2) / unit / zoom, middleY - (y - height / 2) / unit / zoom];
    zoom = next;
    [middleX, middleY] = [cx - (x - width / 2) / unit / zoom, cy + (y - height / 2) / unit / zoom];
    canvas.classList.add("closer");
    later();
  }

  const held = new Map();
  let dragged = false;
  canvas.addEventListener("pointerdown", (event) => {
    held.set(event.pointerId, place(event));
    dragged = false;
    if (event.pointerType !== "mouse") point(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId), now = place(event);
    if (!before) { if (!event.buttons) point(event); return; }
    if (held.size === 2) {
      const [other] = [...held].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const apart = (at) => Math.hypot(at[0] - other[0], at[1] - other[1]) || 1;
      closer(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    } else if ((event.pointerType === "mouse" || zoom > 1) && (dragged || Math.hypot(now[0] - before[0], now[1] - before[1]) > 3)) {
      if (!dragged) canvas.setPointerCapture(event.pointerId);
      dragged = true;
      canvas.classList.add("held");
      middleX -= (now[0] - before[0]) / unit / zoom;
      middleY += (now[1] - before[1]) / unit / zoom;
      later();
    } else return;
    held.set(event.pointerId, now);
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) canvas.addEventListener(name, (event) => {
    held.delete(event.pointerId);
    canvas.classList.remove("held");
  });
  canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse" && !dragged) hide(); });
  canvas.addEventListener("dblclick", (event) => closer(2, ...place(event)));
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && document.activeElement !== canvas) return;
    event.preventDefault();
    closer(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), ...place(event));
  }, { passive: false });

  canvas.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return hide();
    if (event.key === "+" || event.key === "-") return closer(event.key === "+" ? 1.5 : 1 / 1.5, width / 2, height / 2);
    if (!(event.key in ARROWS)) return;
    event.preventDefault();
    if (current < 0) {
      const i = near(width / 2, height / 2, width + height);
      if (i >= 0) said.textContent = show(i);
      return;
    }
    let best = -1, least = Infinity;
    for (let i = 0; i < n; i++) {
      const far = seen[i] ? ahead(event.key, px[i] - px[current], py[current] - py[i]) : Infinity;
      if (far < least) [best, least] = [i, far];
    }
    if (best >= 0) said.textContent = show(best);
  });
  canvas.addEventListener("blur", () => hide());

  for (const button of box.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => {
    const times = Number(button.dataset.zoom);
    if (times) closer(times, width / 2, height / 2); else { fit(); later(); }
  });

  // From one layout to another, samples move: it is seen which is which.
  function move(to) {
    const [fromX, fromY] = [px.slice(), py.slice()], begun = performance.now();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    hide();
    const [toX, toY] = [layouts[to].subarray(0, n), layouts[to].subarray(n)];
    cancelAnimationFrame(moving);
    function frame(now) {
      const t = still ? 1 : Math.min((now - begun) / 600, 1), share = t * t * (3 - 2 * t);
      for (let i = 0; i < n; i++) {
        px[i] = fromX[i] + share * (toX[i] - fromX[i]);
        py[i] = fromY[i] + share * (toY[i] - fromY[i]);
      }
      moving = t < 1 ? requestAnimationFrame(frame) : 0;
      fit();
      if (!moving) grid();
      draw();
    }
    moving = requestAnimationFrame(frame);
  }
  const choices = [...document.querySelectorAll("[data-layout]")];
  for (const button of choices) button.addEventListener("click", () => {
    for (const other of choices) other.setAttribute("aria-pressed", String(other === button));
    move(Number(button.dataset.layout));
  });

  function explain() {
    const colour = data.colours[chosen], about = element("p", { textContent: `${colour.name}: ${colour.said}.` });
    if (!colour.classes.length) {
      const stops = scale.map((c) => `rgb(${c.join(" ")})`).join(", ");
      const bar = element("div", { className: "scale" });
      bar.style.background = `linear-gradient(to right, ${stops})`;
      const ends = [colour.low, colour.high].map((value) => element("small", { textContent: written(value) }));
      legend.replaceChildren(about, bar, element("div", {}, ...ends));
      return;
    }
    const counts = new Map();
    for (const value of values[chosen]) counts.set(value, (counts.get(value) ?? 0) + 1);
    const entries = element("div", { className: "entries" });
    colour.classes.forEach((name, k) => {
      if (!counts.get(k)) return;
      const swatch = element("i", { className: "swatch" });
      swatch.style.background = colourOf(k);
      const count = counts.get(k).toLocaleString("en").replaceAll(",", "\u202f");
      const entry = element("button", { type: "button" }, swatch, element("bdi", { textContent: name }),
        element("span", { textContent: count }));
      entry.dataset.class = k;
      entry.setAttribute("aria-pressed", "true");
      entry.addEventListener("click", () => {
        if (!hidden.delete(k)) hidden.add(k);
        entry.setAttribute("aria-pressed", String(!hidden.has(k)));
        if (current >= 0 && hidden.has(values[chosen][current])) hide();
        paint();
        draw();
      });
      entries.append(entry);
    });
    legend.replaceChildren(about, entries);
  }

  function recolour(k) {
    chosen = k;
    hidden = new Set();
    paint();
    explain();
    hide();
    draw();
  }
  const select = document.getElementById("colour");
  select.addEventListener("change", () => recolour(Number(select.value)));

  for (const button of document.querySelectorAll("button.sample")) button.addEventListener("click", () => {
    const i = position.get(Number(button.dataset.index));
    if (i === undefined) return;
    box.scrollIntoView({ block: "center" });
    hidden = new Set();
    paint();
    explain();
    fit();
    draw();
    show(i);
  });

  function resize() {
    if (width === box.clientWidth && height === box.clientHeight) return;
    [width, height, ratio] = [box.clientWidth, box.clientHeight, Math.min(devicePixelRatio || 1, 2)];
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    fit();
    draw();
  }

  box.querySelector(".absent").remove();
  grid();
  paint();
  explain();
  onOtherColours(() => { paint(); explain(); draw(); });
  new ResizeObserver(resize).observe(box);
  resize();
})();
