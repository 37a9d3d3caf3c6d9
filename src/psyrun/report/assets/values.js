"use strict";
// Nodes of the page, numbers as text, and the columns of the table.

const byId = (id) => document.getElementById(id);

/** Make a node; children that are strings become text, whatever is in them. */
function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** Change a text only if it differs, so that nothing is announced or selected anew. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** Give a parent one child for each item, reusing the nodes of items that were there before. */
function keep(parent, items, keyOf, create, update = () => {}) {
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  items.forEach((item, i) => {
    const key = String(keyOf(item));
    let node = old.get(key);
    if (node === undefined) {
      node = create(item);
      node.dataset.key = key;
    }
    old.delete(key);
    if (parent.children[i] !== node) parent.insertBefore(node, parent.children[i] ?? null);
    update(node, item);
  });
  for (const node of old.values()) node.remove();
}

/** Fill a <select>, keeping what is chosen if it is still there. */
function setOptions(select, options, otherwise) {
  const chosen = select.options.length ? select.value : undefined;
  keep(select, options, ([value]) => value, ([value, label]) => make("option", { value }, label));
  const values = options.map(([value]) => value);
  select.value = values.includes(chosen) ? chosen : values.includes(otherwise) ? otherwise : (values[0] ?? "");
}

/** Write a whole number with thin spaces between thousands, from 10 000 on. */
function whole(n) {
  return n < 10000 ? String(n) : String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

function number(x, digits = 6) {
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  if (Number.isInteger(x) && Math.abs(x) < 1e15) return String(x).replace("-", "−");
  const size = Math.abs(x);
  const text = size < 1e-4 || size >= 1e15 ? x.toExponential(digits - 1).replace(/\.?0+e/, "e") : String(Number(x.toPrecision(digits)));
  return text.replace(/^-/, "−").replace("e+", "e");
}

function date(milliseconds) {
  const when = new Date(milliseconds);
  if (Number.isNaN(when.getTime())) return "no date";
  return when.toISOString().replace(/T00:00:00\.000Z$/, "").replace("T", " ").replace(/(\.000)?Z$/, "");
}

function duration(seconds) {
  if (seconds < 1e-3) return `${number(seconds * 1e6, 3)} µs`;
  if (seconds < 1) return `${number(seconds * 1e3, 3)} ms`;
  if (seconds < 60) return `${number(seconds, 3)} s`;
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const parts = [];
  let rest = Math.round(seconds);
  for (const [size, unit] of units) {
    if (rest >= size) parts.push(`${Math.floor(rest / size)} ${unit}`);
    rest %= size;
  }
  return parts.slice(0, 2).join(" ");
}

/** Round numbers between two ends, about *n* of them. */
function ticksBetween(low, high, n, logarithmic) {
  if (logarithmic) {
    const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
    const step = Math.max(1, Math.ceil((last - first) / n));
    const within = (digits) => {
      const found = [];
      for (let power = first; power <= last; power += step) found.push(...digits.map((digit) => Number(`${digit}e${power}`)));
      return found.filter((value) => value >= low && value <= high);
    };
    const choices = step > 1 ? [[1]] : [[1], [1, 3], [1, 2, 5]];
    const found = choices.map(within).find((values) => values.length >= Math.min(n, 4)) ?? within(choices.at(-1));
    if (found.length > 1) return found;
  }
  const rough = (high - low) / n;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((digit) => power * digit >= rough);
  const count = Math.floor(high / step + 1e-9) - Math.ceil(low / step - 1e-9) + 1;
  return Array.from({ length: Math.max(count, 0) }, (_, k) => Number(((Math.ceil(low / step - 1e-9) + k) * step).toPrecision(12)));
}

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** A column as psyrun.report.columns encodes it. */
class Column {
  constructor({ name, role, kind, unit, data, texts = [], gaps }) {
    Object.assign(this, { name, role, kind, unit, texts });
    const bytes = bytesOf(data).buffer;
    this.data = kind === "text" ? new Int32Array(bytes) : new Float64Array(bytes);
    this.gaps = gaps === undefined ? null : bytesOf(gaps);
  }

  get label() {
    return this.unit ? `${this.name} (${this.unit})` : this.name;
  }

  isGap(i) {
    return this.gaps !== null && this.gaps[i] === 1;
  }

  /** Whether there is something to draw in a row. */
  isKnown(i) {
    return !this.isGap(i) && Number.isFinite(this.data[i]);
  }

  show(i) {
    if (this.isGap(i)) return "–";
    const value = this.data[i];
    return this.kind === "text" ? this.texts[value] : this.kind === "date" ? date(value) : number(value);
  }

  /** Where numbers and dates begin and end, leaving out what is not finite; null if nowhere. */
  get extent() {
    if (this._extent === undefined) {
      let [low, high] = [Infinity, -Infinity];
      for (let i = 0; i < this.data.length; i++) {
        if (!this.isKnown(i)) continue;
        if (this.data[i] < low) low = this.data[i];
        if (this.data[i] > high) high = this.data[i];
      }
      this._extent = low <= high ? [low, high] : null;
    }
    return this._extent;
  }

  /** Whether an axis should be logarithmic. */
  get isLogarithmic() {
    return this.kind === "number" && this.extent !== null && this.extent[0] > 0
      && this.extent[1] / this.extent[0] >= 1000;
  }

  get isDrawable() {
    return this.extent !== null && (this.kind !== "text" || this.texts.length <= 40);
  }

  get varies() {
    return this.extent !== null && (this.extent[0] < this.extent[1] || this.gaps !== null);
  }

  /** For each text its place in the alphabet, with numbers in it taken as such. */
  get ranks() {
    if (this._ranks === undefined) {
      const { compare } = new Intl.Collator(undefined, { numeric: true });
      const order = this.texts.map((_, k) => k).sort((a, b) => compare(this.texts[a], this.texts[b]));
      this._ranks = new Int32Array(order.length);
      order.forEach((k, rank) => { this._ranks[k] = rank; });
    }
    return this._ranks;
  }

  /** The distinct numbers, in order; null if there are more than *most*. */
  distinct(most) {
    const found = new Set();
    for (let i = 0; i < this.data.length; i++) {
      if (!this.isKnown(i)) continue;
      found.add(this.data[i]);
      if (found.size > most) return null;
    }
    return [...found].sort((a, b) => a - b);
  }

  /** What to sort rows by; what has no value goes last. */
  sortKeys() {
    const keys = new Float64Array(this.data.length);
    for (let i = 0; i < keys.length; i++) {
      keys[i] = this.isGap(i) ? NaN : this.kind === "text" ? this.ranks[this.data[i]] : this.data[i];
    }
    return keys;
  }
}
