"use strict";
// The table of rows, a page of it at a time.

const PAGE = 25;

class Table {
  constructor(selection) {
    this.selection = selection;
    this.table = byId("table");
    this.at = 0;
    this.shape = "";
    const go = (id, where) => byId(id).addEventListener("click", () => { this.at = where(); this.update(); });
    go("first", () => 0);
    go("previous", () => this.at - PAGE);
    go("next", () => this.at + PAGE);
    go("last", () => Infinity);
  }

  update() {
    const { columns, rows, sorted, conditions } = this.selection;
    this._reshape(columns);
    columns.forEach((column, k) => {
      const { head, input } = this.heads[k];
      const order = sorted?.name !== column.name ? "none" : sorted.descending ? "descending" : "ascending";
      setAttribute(head, "aria-sort", order);
      if (document.activeElement !== input) input.value = conditions.get(column.name)?.typed ?? "";
      if (document.activeElement !== input || input.value.trim() === "") setAttribute(input, "aria-invalid", "false");
    });
    this.at = Math.max(0, Math.min(this.at, PAGE * Math.floor((rows.length - 1) / PAGE)));
    this.lines.forEach(({ line, cells }, place) => {
      const i = rows[this.at + place];
      line.hidden = i === undefined;
      if (i !== undefined) columns.forEach((column, k) => this._fill(cells[k], column, i));
    });
    const last = Math.min(this.at + PAGE, rows.length);
    setText(byId("page-number"), rows.length ? `${whole(this.at + 1)} to ${whole(last)} of ${whole(rows.length)}` : "no rows");
    for (const id of ["first", "previous"]) byId(id).disabled = this.at === 0;
    for (const id of ["next", "last"]) byId(id).disabled = last >= rows.length;
  }

  _fill(cell, column, i) {
    setText(cell, column.show(i));
    cell.classList.toggle("gap", column.isGap(i));
    const full = column.kind === "number" && !column.isGap(i) ? String(column.data[i]) : cell.textContent;
    if (full.length > 8) cell.title = full;
    else cell.removeAttribute("title");
  }

  /** Make the nodes, once for each set of columns. */
  _reshape(columns) {
    const shape = JSON.stringify(columns.map(({ label, kind }) => [label, kind]));
    if (shape === this.shape) return;
    this.shape = shape;
    this.heads = columns.map((column) => this._makeHead(column));
    const makeLine = () => {
      const cells = columns.map(({ kind }) => make("td", { class: kind }));
      return { line: make("tr", {}, ...cells), cells };
    };
    this.lines = Array.from({ length: PAGE }, makeLine);
    this.table.tHead.replaceChildren(
      make("tr", {}, ...this.heads.map((each) => each.head)),
      make("tr", {}, ...this.heads.map((each, k) => make("td", { class: columns[k].kind }, each.input))),
    );
    this.table.tBodies[0].replaceChildren(...this.lines.map(({ line }) => line));
  }

  _makeHead(column) {
    const { name, kind, label } = column;
    const sort = () => {
      const { sorted } = this.selection;
      this.selection.sort(name, sorted?.name === name && !sorted.descending);
    };
    const button = make("button", { type: "button", onclick: sort, title: label }, label);
    const head = make("th", { scope: "col", class: kind, "aria-sort": "none" }, button);
    const input = make("input", { type: "text", "aria-label": `Filter ${name}`, spellcheck: "false", autocomplete: "off" });
    input.addEventListener("input", () => this._filter(input, name));
    return { head, input };
  }

  _filter(input, name) {
    const condition = parseCondition(this.selection.column(name), input.value);
    setAttribute(input, "aria-invalid", String(condition === undefined));
    if (condition === undefined) return;
    this.at = 0;
    this.selection.set({ [name]: condition });
  }
}
