"use strict";
// Which rows are selected: all views change, and show, one set of conditions.

/** Read a condition that was typed; null for none, undefined for nonsense. */
function parseCondition(column, typed) {
  const text = typed.trim();
  if (text === "") return null;
  return column.kind === "text" ? parseTexts(column, text) : parseRanges(column, text);
}

function parseTexts(column, text) {
  const parts = text.split("|").map((part) => part.trim()).filter((part) => part !== "");
  const wanted = parts.map((part) => part.startsWith("=")
    ? (shown) => shown === part.slice(1).trim()
    : (shown) => shown.toLowerCase().includes(part.toLowerCase()));
  return { matches: (shown) => wanted.some((one) => one(shown)), typed: text };
}

function parseRanges(column, text) {
  const ranges = [];
  let [nan, none] = [false, false];
  for (const part of text.split(/[,|]/).map((each) => each.trim().toLowerCase())) {
    if (part === "nan") nan = true;
    else if (part === "none" || part === "–") none = true;
    else {
      const range = parseRange(column, part);
      if (range === undefined) return undefined;
      ranges.push(range);
    }
  }
  return { ranges, nan, none, typed: text };
}

function parseRange(column, part) {
  const read = (text) => readNumber(column, text);
  const compared = /^(<=|>=|<|>|=)\s*(.+)$/.exec(part);
  const [, sign, bound] = compared ?? [null, part.includes("..") ? ".." : "=", part];
  if (sign === "..") {
    const [low, high, ...more] = bound.split("..").map((end) => end.trim());
    const range = { low: low === "" ? -Infinity : read(low), high: high === "" ? Infinity : read(high) };
    return more.length || Number.isNaN(range.low) || Number.isNaN(range.high) ? undefined : range;
  }
  const value = read(bound);
  if (Number.isNaN(value)) return undefined;
  if (sign === "=") {
    const slack = column.kind === "number" ? Math.abs(value) * 5e-6 : 0; // as far as numbers are shown
    return { low: value - slack, high: value + slack };
  }
  if (sign[0] === "<") return { low: -Infinity, high: value, without: sign === "<" ? value : NaN };
  return { low: value, high: Infinity, without: sign === ">" ? value : NaN };
}

function readNumber(column, text) {
  if (text === "") return NaN;
  const plain = text.replace("−", "-").replace("∞", "Infinity");
  if (column.kind === "number") return Number(plain.replace(/inf(inity)?$/i, "Infinity"));
  return Date.parse(/[:T]/i.test(plain) ? `${plain.replace(" ", "T").toUpperCase().replace(/Z$/, "")}Z` : plain);
}

/** Return the condition that a brush over an axis stands for, from the numbers of its ends. */
function brushed(column, low, high) {
  if (column.kind === "text") {
    const texts = column.texts.filter((_, code) => code >= low && code <= high);
    return { matches: (shown) => texts.includes(shown), typed: texts.map((text) => `=${text}`).join("|") };
  }
  const show = column.kind === "date" ? date : (x) => number(x, 4);
  return { ranges: [{ low, high }], nan: false, none: false, typed: `${show(low)}..${show(high)}` };
}

function tester(column, condition) {
  if (column.kind === "text") {
    const matching = column.texts.map(condition.matches);
    return (i) => !column.isGap(i) && matching[column.data[i]];
  }
  const { ranges, nan, none } = condition;
  return (i) => {
    if (column.isGap(i)) return none;
    const value = column.data[i];
    if (Number.isNaN(value)) return nan;
    return ranges.some(({ low, high, without }) => value >= low && value <= high && value !== without);
  };
}

/** The rows of a table, those that meet the conditions, and their order. */
class Selection {
  constructor() {
    this.columns = [];
    this.conditions = new Map();
    this.sorted = null;
    this.listeners = [];
  }

  /** Take other data; conditions on columns that are still there stay. */
  show(columns, n) {
    this.columns = columns;
    this.n = n;
    for (const [name, condition] of this.conditions) {
      const column = this.column(name);
      if (column === undefined || (column.kind === "text") !== ("matches" in condition)) this.conditions.delete(name);
    }
    this._shuffle();
    this._sort();
    this.change();
  }

  column(name) {
    return this.columns.find((column) => column.name === name);
  }

  /** Set or, with null, take back conditions, and tell all views. */
  set(conditions) {
    for (const [name, condition] of Object.entries(conditions)) {
      if (condition === null) this.conditions.delete(name);
      else this.conditions.set(name, condition);
    }
    this.change();
  }

  reset() {
    this.conditions.clear();
    this.change();
  }

  sort(name, descending) {
    this.sorted = { name, descending };
    this._sort();
    this.change(["rows"]);
  }

  change(what = ["rows", "plots"]) {
    this.mask = this.matching();
    this.rows = this.order.filter((i) => this.mask[i]);
    this.listeners.forEach((listener) => listener(what));
  }

  /** Tell for each row whether it meets the conditions on the columns that are not left out. */
  matching(leaveOut = () => false) {
    const mask = new Uint8Array(this.n).fill(1);
    for (const [name, condition] of this.conditions) {
      if (leaveOut(name)) continue;
      const meets = tester(this.column(name), condition);
      for (let i = 0; i < this.n; i++) if (mask[i] === 1 && !meets(i)) mask[i] = 0;
    }
    return mask;
  }

  /** Return at most so many rows of a mask, chosen at random, but always the same ones. */
  some(mask, most) {
    const rows = [];
    for (const i of this.shuffled) {
      if (rows.length === most) break;
      if (mask[i]) rows.push(i);
    }
    return rows;
  }

  _shuffle() {
    if (this.shuffled?.length === this.n) return;
    const rows = Uint32Array.from({ length: this.n }, (_, i) => i);
    let state = 12345;
    for (let i = this.n - 1; i > 0; i--) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const j = Math.floor((state / 2 ** 32) * (i + 1));
      [rows[i], rows[j]] = [rows[j], rows[i]];
    }
    this.shuffled = rows;
  }

  _sort() {
    this.order = Uint32Array.from({ length: this.n }, (_, i) => i);
    const column = this.sorted && this.column(this.sorted.name);
    if (!column) return;
    const keys = column.sortKeys();
    const sign = this.sorted.descending ? -1 : 1;
    this.order.sort((a, b) => {
      const [x, y] = [keys[a], keys[b]];
      if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y) || a - b;
      return x === y ? a - b : x < y ? -sign : sign;
    });
  }
}
