"use strict";
// The page as a whole: what is shown of a task, and what the controls do.

const selection = new Selection();
const table = new Table(selection);
const shown = { name: null, data: {}, axes: null, timer: null };

/** Run what is slow, such as drawing, once, when nothing more is typed. */
function soon(work) {
  clearTimeout(shown.timer);
  shown.timer = setTimeout(work, 60);
}

/** Do something if data differ from those of the last time. */
function ifChanged(what, data, work) {
  const text = JSON.stringify(data);
  if (shown.data[what] === text) return;
  shown.data[what] = text;
  work();
}

function share(n, total) {
  const percent = total ? (100 * n) / total : 0;
  return `${percent > 0 && percent < 1 ? "<1" : percent > 99 && percent < 100 ? ">99" : Math.round(percent)} %`;
}

function setBar(bar, { total, completed, failed }) {
  keep(bar, [["done", completed], ["failed", failed]], ([key]) => key, ([key]) => make("span", { class: key }),
    (node, [, n]) => { node.style.width = `${total ? (100 * n) / total : 0}%`; });
}

function showTasks(tasks, current, choose) {
  keep(byId("tasks"), tasks.length > 1 ? tasks : [], ({ name }) => name, ({ name }) => {
    const [label, note] = [make("span", { class: "label" }, name), make("span", { class: "note" })];
    return make("button", { type: "button", title: name, onclick: () => choose(name) }, label, note, make("span", { class: "bar" }));
  }, (node, { name, counts, error }) => {
    setAttribute(node, "aria-current", String(name === current));
    const [, note, bar] = node.children;
    const failed = counts?.failed ? `, ${whole(counts.failed)} failed` : "";
    setText(note, error ? "error" : counts ? `${share(counts.completed, counts.total)}${failed}` : "not run");
    note.classList.toggle("bad", Boolean(error || failed));
    setBar(bar, counts ?? { total: 0 });
  });
}

function showProgress({ name, counts, rates = "" }) {
  setText(byId("name"), name);
  byId("bar").hidden = byId("counts").hidden = counts === null;
  if (counts === null) return;
  const { total, completed, failed, pending } = counts;
  setBar(byId("bar"), counts);
  const texts = [`${whole(completed)} of ${whole(total)} rows completed (${share(completed, total)})`];
  if (failed) texts.push(`${whole(failed)} failed`);
  if (pending) texts.push(`${whole(pending)} pending`);
  const text = texts.join(", ") + rates;
  setText(byId("counts"), text);
  setAttribute(byId("bar"), "aria-label", text);
}

function showFailures({ groups, more }) {
  byId("failures").hidden = groups.length === 0;
  keep(byId("groups"), groups, ({ cause }) => cause, makeGroup, fillGroup);
  setText(byId("more-groups"), more ? `… and ${more} more groups` : "");
}

function makeGroup({ cause }) {
  const details = (summary, node) => make("details", {}, make("summary", {}, summary), node);
  return make("div", { class: "group" }, make("div", { class: "cause" }),
    make("p", { class: "region" }), make("p", { class: "quiet" }), make("p"),
    details("Assignments", make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": `Assignments of ${cause}` }, make("table"))),
    details("Traceback", make("pre", { tabindex: "0", "aria-label": "Traceback" })));
}

function fillGroup(node, group) {
  const [cause, region, rows, message, assignments, traceback] = node.children;
  setText(cause, `${whole(group.count)} × ${group.cause}`);
  region.hidden = !group.region;
  setText(region, group.region ? `all with ${group.region}` : "");
  setText(rows, `rows ${group.rows}`);
  message.hidden = group.cause === group.message;
  setText(message, group.message.split("\n")[0]);
  traceback.hidden = !group.traceback;
  setText(traceback.firstChild, `Traceback of row ${group.row}`);
  setText(traceback.lastChild, group.traceback);
  const shownRows = group.assignments.length;
  setText(assignments.firstChild, shownRows < group.count ? `Assignments of the first ${shownRows}` : "Assignments");
  const line = (cells, tag) => make("tr", {}, ...cells.map((cell) => make(tag, tag === "th" ? { scope: "col" } : {}, String(cell))));
  const content = JSON.stringify([group.names, group.assignments]);
  if (assignments.content === content) return;
  assignments.content = content;
  assignments.querySelector("table").replaceChildren(line(["row", ...group.names], "th"), ...group.assignments.map((cells) => line(cells, "td")));
}

function showTimes(times) {
  byId("times").hidden = times === null;
  if (times === null) return;
  setText(byId("times-text"), `${whole(times.rows)} rows took ${duration(times.total)} together: half of them ${duration(times.median)} or less, `
    + `95 % ${duration(times.most)} or less, the longest ${duration(times.longest)} (row ${times.longest_row}).`);
  drawTimes(times);
}

function showOrigin({ space, parameters, origin }) {
  byId("origin").hidden = space === "" && origin.length === 0;
  byId("space").hidden = space === "";
  setText(byId("space"), space);
  const cells = ({ name, unit, values }) => [name, unit, values];
  byId("parameters").tBodies[0].replaceChildren(...parameters.map((each) => make("tr", {}, ...cells(each).map((text) => make("td", {}, text)))));
  byId("parameters").hidden = parameters.length === 0;
  byId("provenance").replaceChildren(...origin.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]));
}

function showTable({ rows, of, left_out: leftOut, columns }) {
  byId("results").hidden = rows === 0;
  setText(byId("sample"), rows < of ? `These ${whole(rows)} rows are a random sample of the ${whole(of)} rows that have been evaluated.` : "");
  setText(byId("left-out"), leftOut.length ? `Columns that are not shown here: ${leftOut.join(", ")}` : "");
  const decoded = columns.map((column) => new Column(column));
  offerColumns(decoded);
  selection.show(decoded, rows);
}

/** Fill the controls that choose among columns. */
function offerColumns(columns) {
  if (columns.length === 0) return; // what is chosen now is no choice
  const drawable = columns.filter((column) => column.isDrawable);
  const named = (list) => list.map(({ name, label }) => [name, label]);
  const of = (role) => drawable.filter((column) => column.role === role);
  const outputs = [...of("output"), ...of("time")].filter((column) => column.kind !== "text");
  const parameters = of("parameter").filter((column) => column.varies);
  setOptions(byId("overview-output"), named(outputs));
  setOptions(byId("colour"), [["", "none"], ...named(drawable)], outputs[0]?.name);
  setOptions(byId("horizontal"), named(drawable), (parameters[0] ?? drawable[0])?.name);
  setOptions(byId("vertical"), named(drawable), (outputs[0] ?? drawable.at(-1))?.name);
  const likely = [...parameters, ...outputs, ...of("state")].slice(0, AXES).map(({ name }) => name);
  const axes = shown.axes ?? new Set(likely);
  keep(byId("axes"), drawable, ({ name }) => name, ({ name, label }) => {
    const box = make("input", { type: "checkbox", checked: axes.has(name), onchange: () => { shown.axes = chosenAxes(); drawExplorer(); } });
    return make("label", {}, box, ` ${label}`);
  }, (node, { name }) => { node.firstChild.checked = axes.has(name); });
}

function chosenAxes() {
  return new Set([...byId("axes").children].filter((node) => node.firstChild.checked).map((node) => node.dataset.key));
}

function showSelected() {
  const [n, total] = [selection.rows.length, selection.n];
  setText(byId("selected"), `${whole(n)} of ${whole(total)} rows`);
  byId("reset").disabled = selection.conditions.size === 0;
  keep(byId("chips"), [...selection.conditions], ([name]) => name, ([name]) => make("button", { type: "button", onclick: () => selection.set({ [name]: null }) }),
    (node, [name, { typed }]) => {
      setText(node, `${name}: ${typed} ✕`);
      setAttribute(node, "aria-label", `Remove the filter ${typed} of ${name}`);
    });
}

function drawExplorer() {
  if (byId("results").hidden) return;
  const chosen = (id) => selection.column(byId(id).value);
  const axes = chosenAxes();
  const lines = drawParallel(selection, selection.columns.filter(({ name }) => axes.has(name)), chosen("colour"));
  const points = drawScatter(selection, chosen("horizontal"), chosen("vertical"), chosen("colour"));
  const n = selection.rows.length;
  const texts = [];
  if (lines.rows < n) texts.push(`Drawn are ${whole(lines.rows)} lines and ${whole(points.rows)} points, a random sample of the ${whole(n)} selected rows.`);
  if (points.without) texts.push(`Without a point, for lack of a value on one of the two axes: ${whole(points.without)}.`);
  setText(byId("drawn"), texts.join(" "));
  connectBrushes();
}

function drawResults() {
  const output = selection.column(byId("overview-output").value);
  byId("overview").parentElement.hidden = output === undefined;
  if (byId("results").hidden) return;
  if (output !== undefined) drawOverview(selection, output);
  drawExplorer();
}

/** Show the content of a task; what has not changed since the last time is left alone. */
function showTask(content) {
  if (shown.name !== content.name) {
    Object.assign(shown, { name: content.name, data: {}, axes: null });
    Object.assign(selection, { sorted: null });
    selection.conditions.clear();
    table.at = 0;
    for (const id of ["overview-output", "colour", "horizontal", "vertical"]) byId(id).replaceChildren();
  }
  showProgress(content);
  ifChanged("failures", content.failures, () => showFailures(content.failures));
  ifChanged("times", content.times, () => showTimes(content.times));
  ifChanged("origin", [content.space, content.parameters, content.origin], () => showOrigin(content));
  showTable(content.table);
}

function redraw() {
  if (shown.data.times && shown.data.times !== "null") drawTimes(JSON.parse(shown.data.times));
  drawResults();
}

function connect() {
  selection.listeners.push((what) => {
    table.update();
    showSelected();
    if (what.includes("plots")) soon(drawResults);
  });
  byId("reset").addEventListener("click", () => selection.reset());
  byId("overview-output").addEventListener("change", drawResults);
  for (const id of ["colour", "horizontal", "vertical"]) byId(id).addEventListener("change", drawExplorer);
  byId("theme").addEventListener("change", ({ target }) => {
    document.documentElement.dataset.theme = target.value;
    redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width) soon(drawResults);
    width = window.innerWidth;
  });
  for (const id of ["parallel", "scatter"]) byId(id).addEventListener("dblclick", () => {
    selection.set(Object.fromEntries(byId(id).axes.map(({ name }) => [name, null])));
  });
}

/** Listen to brushes; Plotly can tell of them from the first drawing on. */
function connectBrushes() {
  if (shown.brushes) return;
  shown.brushes = true;
  byId("parallel").on("plotly_selected", (event) => event?.range && brushParallel(selection, event.range));
  byId("scatter").on("plotly_selected", (event) => event?.range && brushScatter(selection, event.range));
}

connect();
