"use strict";
// What the maps of a report and of an exploration have in common.

async function inflated(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate")));
}

function element(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function onOtherColours(draw) {
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", draw);
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// How far off a point is for an arrow key, dx to the right and dy down: twice as far aside, and out of reach behind.
function ahead(key, dx, dy) {
  const [x, y] = ARROWS[key], along = dx * x + dy * y;
  return along > 0 ? along + 2 * Math.abs(dx * y + dy * x) : Infinity;
}

// Names on a canvas, none of which covers another.
class Labels {
  constructor(pen, ratio, size, opacity) {
    Object.assign(this, { pen, opacity, taken: [], ink: css("--text"), page: css("--page") });
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.font = `600 ${size}px ${getComputedStyle(document.body).fontFamily}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
  }

  half(name) {
    return this.pen.measureText(name).width / 2 + 5;
  }

  free(x, y, half) {
    return !this.taken.some((other) => Math.abs(other.x - x) < other.half + half && Math.abs(other.y - y) < 20);
  }

  write(name, x, y, half) {
    const pen = this.pen;
    this.taken.push({ x, y, half });
    pen.globalAlpha = this.opacity;
    pen.fillStyle = this.page;
    pen.beginPath();
    pen.roundRect(x - half, y - 9, 2 * half, 18, 4);
    pen.fill();
    pen.globalAlpha = 1;
    pen.fillStyle = this.ink;
    pen.fillText(name, x, y);
  }
}

// The ring around a sample, and the card beside it.
class Card {
  constructor(box) {
    this.box = box;
    [this.ring, this.card, this.list] = [".here", ".card", ".card dl"].map((selector) => box.querySelector(selector));
  }

  // Lines of a term, a value, and a class of it where it has one.
  fill(lines) {
    this.list.replaceChildren(...lines.flatMap(([term, value, className = ""]) => [
      element("dt", { textContent: term }), element("dd", { textContent: value, className }),
    ]));
  }

  place(x, y) {
    const [width, height] = [this.box.clientWidth, this.box.clientHeight];
    this.ring.hidden = this.card.hidden = x < 0 || y < 0 || x > width || y > height;
    this.ring.style.left = `${x}px`;
    this.ring.style.top = `${y}px`;
    const beside = (at, size, room) => Math.max(4, Math.min(at + 16 + size > room ? at - 16 - size : at + 16, room - size - 4));
    this.card.style.left = `${beside(x, this.card.offsetWidth, width)}px`;
    this.card.style.top = `${beside(y, this.card.offsetHeight, height)}px`;
  }

  hide() {
    this.ring.hidden = this.card.hidden = true;
  }
}

function inWords(lines) {
  return lines.map(([term, value]) => `${term} ${value}`).join(", ");
}
