"use strict";
// The two views of single rows: lines through parallel axes, and points.

/** Ticks of a parallel axis: places from 0 to 1, and texts. */
function ticksOf(column) {
  const unit = unitOf(column);
  if (column.kind === "text") return column.texts.map((text, code) => ({ at: unit(code), text: plain(text, 16) }));
  const [low, high] = column.extent;
  if (column.kind === "date") return [...new Set([low, high])].map((value) => ({ at: unit(value), text: date(value).slice(0, 16) }));
  const few = low === high ? [low] : column.role === "parameter" ? column.distinct(10) : null;
  const ticks = (few ?? ticksBetween(low, high, 6, column.isLogarithmic)).map((value) => ({ at: unit(value), text: number(value, 4) }));
  let last = -1;
  return ticks.filter(({ at }) => {
    const apart = at - last > 0.06;
    if (apart) last = at;
    return apart;
  });
}

const NO_VALUE = -0.14;

/** Cut a list into a few parts. */
function partsOf(list, size) {
  const n = Math.min(12, Math.ceil(list.length / size));
  return Array.from({ length: n }, (_, k) => list.filter((_, i) => i % n === k));
}

function drawParallel(selection, columns, colour) {
  const axes = columns.filter((column) => column.isDrawable);
  const units = axes.map(unitOf);
  const at = (k, i) => (axes[k].isKnown(i) ? units[k](axes[k].data[i]) : NO_VALUE);
  const lineOf = (rows, more) => {
    const [x, y] = [[], []];
    for (const i of rows) {
      axes.forEach((_, k) => { x.push(k); y.push(at(k, i)); });
      x.push(null);
      y.push(null);
    }
    return { type: "scatter", mode: "lines", x, y, hoverinfo: "skip", ...more, line: { width: 1, simplify: false, ...more.line } };
  };
  const rows = selection.some(selection.mask, LINES);
  const opacity = Math.max(0.12, Math.min(0.8, 80 / rows.length));
  const others = selection.some(selection.mask.map((set) => 1 - set), CONTEXT);
  const traces = [lineOf(others, { opacity: 0.4, line: { color: themed("dim") } })];
  for (const { colour: paint, has } of colouring(colour).classes) {
    // Lines add up only where they are of different traces.
    for (const part of partsOf(rows.filter(has), 40)) traces.push(lineOf(part, { opacity, line: { color: paint } }));
  }
  const ticks = axes.flatMap((column, k) => ticksOf(column).map((tick) => ({ x: k, ...tick })));
  const incomplete = axes.map((_, k) => k).filter((k) => rows.some((i) => at(k, i) === NO_VALUE));
  const gaps = incomplete.length > 0;
  ticks.push(...incomplete.map((k) => ({ x: k, at: NO_VALUE, text: "none" })));
  const words = {
    type: "scatter", mode: "text", hoverinfo: "skip", cliponaxis: false,
    textposition: ticks.map((tick) => (tick.x < axes.length - 1 ? "middle right" : "middle left")),
    x: ticks.map((tick) => tick.x), y: ticks.map((tick) => tick.at), text: ticks.map((tick) => ` ${tick.text} `),
    textfont: { size: 11, color: themed("ink") }, unselected: { textfont: { color: themed("ink") } },
  };
  const posts = axes.map((_, k) => ({ type: "line", x0: k, x1: k, y0: 0, y1: 1, line: { width: 1, color: themed("quiet") } }));
  const titles = axes.map((column, k) => ({
    x: k, y: 1, xref: "x", yref: "paper", yanchor: "bottom", showarrow: false, text: plain(column.label, 18),
    xanchor: k === 0 ? "left" : k === axes.length - 1 ? "right" : "center", font: { size: 12, color: themed("ink") },
  }));
  const node = byId("parallel");
  node.style.minWidth = `${axes.length * 96}px`;
  draw(node, [...traces, words], layoutOf({
    height: 340, margin: { l: 14, r: 14, t: 30, b: 12 }, dragmode: "select", hovermode: false, selections: [],
    newselection: { line: { color: themed("ink"), width: 1, dash: "dot" } },
    shapes: [...posts, ...axes.flatMap((column, k) => brushesOf(selection, column, k))],
    annotations: titles,
    xaxis: { visible: false, fixedrange: true, range: [-0.06, Math.max(axes.length - 1, 0.5) + 0.02] },
    yaxis: { visible: false, fixedrange: true, range: [gaps ? NO_VALUE - 0.05 : -0.05, 1.05] },
  }));
  node.axes = axes;
  return { rows: rows.length, others: others.length };
}

/** Show the condition on a column as bars on its axis. */
function brushesOf(selection, column, k) {
  const condition = selection.conditions.get(column.name);
  if (condition === undefined) return [];
  const unit = unitOf(column);
  const bar = (low, high) => ({
    type: "rect", x0: k - 0.035, x1: k + 0.035, y0: low, y1: high, layer: "above",
    line: { width: 1.5, color: themed("ink") }, fillcolor: themed("ink"), opacity: 0.3,
  });
  if (column.kind === "text") {
    const half = Math.min(0.04, 0.5 / column.texts.length);
    const codes = column.texts.map((text, code) => (condition.matches(text) ? code : -1)).filter((code) => code >= 0);
    return codes.map((code) => bar(unit(code) - half, unit(code) + half));
  }
  const [low, high] = column.extent;
  const inside = (value) => unit(Math.min(high, Math.max(low, value)));
  return condition.ranges
    .filter((range) => range.high >= low && range.low <= high)
    .map((range) => bar(inside(range.low) - 0.012, inside(range.high) + 0.012));
}

/** Take a box over the parallel axes for conditions on the axes that it crosses. */
function brushParallel(selection, { x, y }) {
  const axes = byId("parallel").axes;
  const [left, right] = [Math.min(...x), Math.max(...x)];
  const [low, high] = [Math.min(...y), Math.max(...y)];
  const crossed = axes.filter((_, k) => k >= left - 0.02 && k <= right + 0.02);
  const conditions = crossed.map((column) => {
    const value = valueOf(column);
    if (high < NO_VALUE / 2 && column.kind !== "text") return [column.name, { ranges: [], nan: true, none: true, typed: "nan, none" }];
    return [column.name, column.kind === "text" ? brushed(column, value(low), value(high)) : brushed(column, value(Math.max(0, low)), value(Math.min(1, high)))];
  });
  selection.set(Object.fromEntries(conditions));
}

function drawScatter(selection, horizontal, vertical, colour) {
  const known = (i) => horizontal.isKnown(i) && vertical.isKnown(i);
  const rows = selection.some(selection.mask, POINTS);
  const drawn = rows.filter(known);
  const others = selection.some(selection.mask.map((set) => 1 - set), CONTEXT).filter(known);
  const points = (list, more) => ({
    type: "scatter", mode: "markers", x: list.map((i) => horizontal.data[i]), y: list.map((i) => vertical.data[i]),
    unselected: { marker: { opacity: 1 } }, ...more,
  });
  const size = drawn.length > 1000 ? 5 : 7;
  const traces = [points(others, { hoverinfo: "skip", marker: { size: 5, color: themed("dim"), opacity: 0.8 } })];
  const likely = selection.columns.filter(({ role }) => role === "row" || role === "parameter").slice(0, 8);
  const told = [...new Set([...likely, vertical, horizontal, ...(colour ? [colour] : [])])];
  const labelled = (list, more) => points(list, { hovertext: tell(told, list), hoverinfo: "text", ...more });
  const { column, classes } = colouring(colour);
  const marker = { size, opacity: 0.85, line: { width: 0.5, color: themed("paper") } };
  let legend = false;
  if (column !== undefined && column.kind !== "text") {
    traces.push(labelled(drawn.filter((i) => !column.isKnown(i)), { marker: { ...marker, color: themed("quiet") } }));
    traces.push(labelled(drawn.filter((i) => column.isKnown(i)), { marker: { ...marker, ...shaded(column, drawn) } }));
  } else {
    for (const { label, colour: paint, has } of classes) {
      const list = drawn.filter(has);
      if (list.length) traces.push(labelled(list, { name: plain(label, 24), marker: { ...marker, color: paint } }));
    }
    legend = column !== undefined;
    traces[0].showlegend = false;
  }
  const node = byId("scatter");
  draw(node, traces, layoutOf({
    height: 420, dragmode: "select", selections: [], showlegend: legend,
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, title: { text: legend ? plain(column.label) : "" } },
    newselection: { line: { color: themed("ink"), width: 1, dash: "dot" } },
    xaxis: axisFor(horizontal), yaxis: axisFor(vertical), shapes: boxOf(selection, horizontal, vertical),
  }));
  node.axes = [horizontal, vertical];
  return { rows: drawn.length, without: rows.length - drawn.length };
}

/** Colours on a scale, with the bar that explains it. */
function shaded(column, rows) {
  const values = rows.filter((i) => column.isKnown(i)).map((i) => column.data[i]);
  const [low, high] = column.extent;
  const scale = column.isLogarithmic ? Math.log10 : (x) => x;
  const title = { text: plain(column.label, 30), side: "right" };
  const bar = { title, thickness: 12, outlinewidth: 0 };
  if (column.kind === "number") bar.tickformat = tickFormat(column);
  if (column.isLogarithmic) {
    const ticks = ticksBetween(low, high, 7, true);
    Object.assign(bar, { tickvals: ticks.map(scale), ticktext: ticks.map((x) => number(x, 3)) });
  }
  if (column.kind === "date") Object.assign(bar, { tickvals: [low, high], ticktext: [low, high].map((x) => date(x).slice(0, 10)) });
  return { color: values.map(scale), cmin: scale(low), cmax: scale(high), colorscale: scaleOf(ramp()), showscale: true, colorbar: bar };
}

/** Show the conditions on both axes of the scatter plot as a box. */
function boxOf(selection, horizontal, vertical) {
  const ends = (column) => {
    const condition = selection.conditions.get(column.name);
    if (condition === undefined) return null;
    if (column.kind === "text") {
      const codes = column.texts.map((text, code) => (condition.matches(text) ? code : -1)).filter((code) => code >= 0);
      return codes.length ? [Math.min(...codes) - 0.4, Math.max(...codes) + 0.4] : null;
    }
    const { ranges } = condition;
    const [low, high] = column.extent;
    return ranges.length === 1 ? [Math.max(low, ranges[0].low), Math.min(high, ranges[0].high)] : null;
  };
  const [across, up] = [ends(horizontal), ends(vertical)];
  if (across === null && up === null) return [];
  return [{
    type: "rect", xref: across ? "x" : "paper", yref: up ? "y" : "paper",
    x0: across ? across[0] : 0, x1: across ? across[1] : 1, y0: up ? up[0] : 0, y1: up ? up[1] : 1,
    line: { width: 1, dash: "dot", color: themed("ink") }, fillcolor: themed("ink"), opacity: 0.08, layer: "below",
  }];
}

function brushScatter(selection, range) {
  const ends = (column, given) => {
    const values = given.map((end) => (column.kind === "date" ? readNumber(column, String(end)) : Number(end)));
    return brushed(column, Math.min(...values), Math.max(...values));
  };
  const [horizontal, vertical] = byId("scatter").axes;
  selection.set({ [horizontal.name]: ends(horizontal, range.x), [vertical.name]: ends(vertical, range.y) });
}
