"use strict";
// The pictures, drawn by Plotly as SVG: no WebGL, which machines without a graphics card lack.

const LINES = 1500; // more of them make a carpet
const POINTS = 2500;
const CONTEXT = 600; // rows that are not selected, in grey
const PANELS = 12;
const FEW = 40; // distinct values of a parameter of which each gets its own quantiles
const AXES = 8;

const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
const PALETTE = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999"];

const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false };

/** Draw a plot, or change it to something else. */
function draw(node, traces, layout) {
  node.style.height = `${layout.height}px`; // else it has none while it changes its width
  Plotly.react(node, traces, layout, CONFIG);
}

/** Text for Plotly, which takes tags and entities in it for its own. */
function plain(text, most = 60) {
  const short = text.length > most ? `${text.slice(0, most - 1)}…` : text;
  return short.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

/** Return a colour of the style sheet as it is in the present theme. */
function themed(name) {
  const probe = byId("main");
  probe.style.setProperty("outline-color", `var(--${name})`);
  const colour = getComputedStyle(probe).outlineColor;
  probe.style.removeProperty("outline-color");
  return colour;
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** The part of the scale that stands out from the paper. */
function ramp() {
  return isDark() ? VIRIDIS.slice(2) : VIRIDIS.slice(0, 8);
}

function scaleOf(colours) {
  return colours.map((colour, i) => [i / (colours.length - 1), colour]);
}

function layoutOf(more) {
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: themed("ink") },
    hoverlabel: { font: { size: 12 }, align: "left" },
    margin: { l: 60, r: 14, t: 12, b: 46 },
    showlegend: false,
    dragmode: false,
    hovermode: "closest",
    ...more,
  };
}

function axisOf(title, more = {}) {
  return {
    title: { text: plain(title), standoff: 8 },
    gridcolor: themed("line"),
    linecolor: themed("dim"),
    zeroline: false,
    automargin: true,
    fixedrange: true,
    exponentformat: "power",
    ...more,
  };
}

/** How to write the numbers at an axis, in the words of d3-format. */
function tickFormat(column) {
  const size = Math.max(...column.extent.map(Math.abs));
  return size > 0 && (size < 1e-2 || size >= 1e6) ? ".3~e" : "~g";
}

/** An axis for the numbers of a column. */
function axisFor(column, more = {}) {
  if (column.kind === "date") return axisOf(column.label, { type: "date", ...more });
  if (column.kind === "text") {
    const tickvals = column.texts.map((_, code) => code);
    const range = [-0.5, tickvals.length - 0.5];
    return axisOf(column.label, { type: "linear", tickvals, ticktext: column.texts.map((text) => plain(text, 18)), range, ...more });
  }
  if (!column.isLogarithmic) return axisOf(column.label, { tickformat: tickFormat(column), ...more });
  const [low, high] = column.extent.map(Math.log10);
  return axisOf(column.label, { type: "log", dtick: Math.ceil((high - low) / 7), ...more });
}

/** Colours of rows by the values of a column: a scale, or a few classes. */
function colouring(column) {
  if (column === undefined) return { classes: [{ label: "", colour: themed("accent"), has: () => true }] };
  const classes = column.kind === "text" ? textClasses(column) : numberClasses(column);
  classes.push({ label: "no value", colour: themed("quiet"), has: (i) => !column.isKnown(i) });
  return { column, classes };
}

function textClasses(column) {
  const few = column.texts.slice(0, PALETTE.length - 1);
  const classes = few.map((label, code) => ({ label, colour: colourOf(column, label, code), has: (i) => !column.isGap(i) && column.data[i] === code }));
  if (column.texts.length > few.length) {
    classes.push({ label: "others", colour: PALETTE[few.length], has: (i) => !column.isGap(i) && column.data[i] >= few.length });
  }
  return classes;
}

function colourOf(column, text, code) {
  if (column.role !== "state") return PALETTE[code];
  return themed(text === "failed" ? "bad" : "accent");
}

function numberClasses(column) {
  const colours = ramp();
  const at = unitOf(column);
  const classOf = (i) => Math.min(colours.length - 1, Math.floor(at(column.data[i]) * colours.length));
  return colours.map((colour, k) => ({ colour, has: (i) => column.isKnown(i) && classOf(i) === k }));
}

/** Return what maps the values of a column to the stretch from 0 to 1. */
function unitOf(column) {
  if (column.kind === "text") return (code) => (column.texts.length > 1 ? code / (column.texts.length - 1) : 0.5);
  const scale = column.isLogarithmic ? Math.log : (x) => x;
  const [low, high] = column.extent.map(scale);
  return (value) => (high > low ? (scale(value) - low) / (high - low) : 0.5);
}

/** Return what maps the stretch from 0 to 1 to values of a column. */
function valueOf(column) {
  if (column.kind === "text") return (unit) => unit * (column.texts.length - 1);
  const [low, high] = column.isLogarithmic ? column.extent.map(Math.log) : column.extent;
  const back = column.isLogarithmic ? Math.exp : (x) => x;
  return (unit) => (unit <= 0 ? column.extent[0] : unit >= 1 ? column.extent[1] : back(low + unit * (high - low)));
}

/** Say what is in some rows, for labels of points. */
function tell(columns, rows) {
  const labels = columns.map((column) => plain(column.label));
  return rows.map((i) => columns.map((column, k) => `${labels[k]}: ${plain(column.show(i))}`).join("<br>"));
}

function drawTimes(times) {
  const { edges, histogram, logarithmic, course } = times;
  const low = logarithmic ? Math.max(edges[0], edges[1] / 10) : edges[0];
  const left = [low, ...edges.slice(1, -1)];
  const width = left.map((edge, k) => edges[k + 1] - edge);
  const several = histogram.length > 1;
  const bars = histogram.map(({ host, counts }, k) => ({
    type: "bar", x: left, y: counts, offset: 0, width, name: plain(host || "unknown host", 24),
    marker: { color: several ? PALETTE[k] : themed("accent"), line: { width: 0 } },
    hovertext: counts.map((n, k) => `${whole(n)} rows, ${duration(edges[k])} to ${duration(edges[k + 1])}${several ? `<br>${plain(host)}` : ""}`),
    hoverinfo: "text",
  }));
  const ticks = ticksBetween(low, edges.at(-1), byId("histogram").clientWidth / 110, logarithmic);
  draw(byId("histogram"), bars, layoutOf({
    barmode: "stack", bargap: 0.05, height: 260, showlegend: several, legend: { orientation: "h", y: 1.15 },
    xaxis: axisOf("run time of a row", { type: logarithmic ? "log" : "linear", tickvals: ticks, ticktext: ticks.map(duration) }),
    yaxis: axisOf("rows"),
  }));
  const line = { type: "scatter", mode: "lines", x: course.time, y: course.rows, line: { color: themed("accent"), width: 2, shape: "hv" } };
  draw(byId("course"), [line], layoutOf({
    height: 260, hovermode: "x",
    xaxis: axisOf("time (UTC)", { type: "date" }),
    yaxis: axisOf("rows completed", { rangemode: "tozero" }),
  }));
}

function quantile(sorted, q) {
  const at = q * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return below + (at - Math.floor(at)) * (above - below);
}

/** For each value of a parameter the median of an output, and its spread. */
function summarize(parameter, output, values, rows) {
  const place = new Map(values.map((value, k) => [value, k]));
  const groups = values.map(() => []);
  for (const i of rows) {
    if (parameter.isKnown(i) && output.isKnown(i)) groups[place.get(parameter.data[i])].push(output.data[i]);
  }
  return groups
    .map((group, k) => ({ value: values[k], sorted: Float64Array.from(group).sort() }))
    .filter(({ sorted }) => sorted.length > 0)
    .map(({ value, sorted }) => ({ value, n: sorted.length, median: quantile(sorted, 0.5), low: quantile(sorted, 0.1), high: quantile(sorted, 0.9) }));
}

function panelOf(parameter, output, rows, some, axes) {
  const values = parameter.distinct(FEW);
  if (values === null) {
    const known = some.filter((i) => parameter.isKnown(i) && output.isKnown(i));
    return [{
      type: "scatter", mode: "markers", ...axes, hoverinfo: "skip",
      x: known.map((i) => parameter.data[i]), y: known.map((i) => output.data[i]),
      marker: { size: 4, opacity: 0.45, color: themed("accent") },
    }];
  }
  const found = summarize(parameter, output, values, rows);
  const x = found.map(({ value }) => value);
  const median = found.map((each) => each.median);
  const shown = (value) => (parameter.kind === "text" ? parameter.texts[value] : parameter.kind === "date" ? date(value) : number(value));
  const hovertext = found.map((each) => `${plain(parameter.name)}: ${plain(shown(each.value))}<br>median ${number(each.median, 4)}<br>10 % to 90 %: ${number(each.low, 4)} to ${number(each.high, 4)}<br>${whole(each.n)} rows`);
  const main = { type: "scatter", ...axes, x, y: median, hovertext, hoverinfo: "text", marker: { size: 5, color: themed("accent") }, line: { color: themed("accent"), width: 2 } };
  if (parameter.kind === "text") {
    const error = { type: "data", symmetric: false, array: found.map((each) => each.high - each.median), arrayminus: found.map((each) => each.median - each.low), color: themed("accent"), thickness: 1.5, width: 4 };
    return [{ ...main, mode: "markers", marker: { size: 8, color: themed("accent") }, error_y: error }];
  }
  const edge = { type: "scatter", mode: "lines", ...axes, x, line: { width: 0 }, hoverinfo: "skip" };
  return [
    { ...edge, y: found.map((each) => each.low) },
    { ...edge, y: found.map((each) => each.high), fill: "tonexty", fillcolor: themed("accent").replace(/^rgb\((.*)\)$/, "rgba($1, 0.18)") },
    { ...main, mode: x.length > 12 ? "lines" : "lines+markers" },
  ];
}

/** Draw an output against each parameter that varies. */
function drawOverview(selection, output) {
  const parameters = selection.columns.filter((column) => column.role === "parameter" && column.varies && column.isDrawable);
  const shown = parameters.slice(0, PANELS);
  const node = byId("overview");
  const across = Math.max(1, Math.min(3, shown.length, Math.floor(node.clientWidth / 300)));
  const down = Math.ceil(shown.length / across);
  const some = selection.some(selection.mask, POINTS / 4);
  const traces = [];
  const layout = layoutOf({ height: Math.max(1, down) * 250 + 20 });
  shown.forEach((parameter, k) => {
    const id = k === 0 ? "" : String(k + 1);
    traces.push(...panelOf(parameter, output, selection.rows, some, { xaxis: `x${id}`, yaxis: `y${id}` }));
    const [column, row] = [k % across, Math.floor(k / across)];
    const gap = 0.07;
    const step = (1 + gap) / across;
    const height = (1 + 0.3 / down) / down;
    const top = 1 - row * height;
    layout[`xaxis${id}`] = axisFor(parameter, { domain: [column * step, column * step + step - gap], anchor: `y${id}`, automargin: false });
    layout[`yaxis${id}`] = axisFor(output, {
      domain: [Math.max(0, top - height + 0.3 / down), top], anchor: `x${id}`, automargin: false,
      ...(k === 0 ? {} : { matches: "y" }), title: { text: column === 0 ? plain(output.label, 30) : "", standoff: 8 },
    });
  });
  node.hidden = shown.length === 0;
  if (shown.length) draw(node, traces, layout);
  const left = parameters.length - shown.length;
  setText(byId("overview-note"), shown.length === 0 ? "No parameter takes several values."
    : `Each panel takes all other parameters together: median, and the band from 10 % to 90 %, of the ${whole(selection.rows.length)} selected rows; points where a parameter takes more than ${FEW} values.`
      + (left ? ` ${left} more parameters are not drawn.` : ""));
}
