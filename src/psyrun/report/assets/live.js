"use strict";
// The dashboard: asks how the tasks are doing, and changes what is different.

const EVERY = 1500; // milliseconds between two questions
const AWAY = 20000; // while nobody looks at the page
const token = new URLSearchParams(location.search).get("token");
const live = { name: null, version: null, timer: null, asking: false, pressed: false };

async function ask(path, task) {
  const query = new URLSearchParams({ token, task: task ?? "" });
  const answer = await fetch(`${path}?${query}`, { signal: AbortSignal.timeout(120000) });
  if (!answer.ok) throw new Error(answer.status === 403 ? "refused: this address is of an earlier dashboard" : `error ${answer.status}`);
  return answer.json();
}

/** A task of which there is nothing to show yet. */
function emptyContent({ name, counts }) {
  return {
    name, counts: counts ?? null,
    space: "", parameters: [], origin: [], times: null, failures: { groups: [], more: 0 },
    table: { rows: 0, of: 0, left_out: [], columns: [] },
  };
}

function roughly(seconds) {
  return seconds < 1 ? "less than 1 s" : duration(Math.round(seconds));
}

function ratesOf({ rate, remaining }) {
  const texts = [];
  if (rate) texts.push(`${number(rate, 3)} rows/s`);
  if (remaining !== null && remaining !== undefined) texts.push(`${roughly(remaining)} left`);
  return texts.length ? `; ${texts.join(", ")}` : "";
}

function showJobs({ running = [], queued = [], lost = [], doing = [] }, log) {
  const some = (steps) => (steps.length > 6 ? `${steps.slice(0, 6).join(", ")}, …` : steps.join(", "));
  const texts = [["running", running], ["queued", queued], ["lost without a word", lost]]
    .filter(([, steps]) => steps.length)
    .map(([how, steps]) => `${steps.length} ${steps.length === 1 ? "job" : "jobs"} ${how} (${some(steps)})`);
  byId("live").hidden = texts.length === 0 && log === null;
  setText(byId("jobs"), texts.length ? texts.join(", ") : "No job is at work.");
  keep(byId("doing"), doing, ({ what }) => what, ({ what }) => make("li", {}, make("span", {}, `row ${what}`), make("span")),
    (node, { seconds }) => setText(node.lastChild, `, for ${roughly(seconds)}`));
  setText(byId("log-path"), log ? `End of ${log.path}` : "");
  const node = byId("log");
  const atEnd = node.scrollTop + node.clientHeight >= node.scrollHeight - 4;
  setText(node, log?.tail ?? "");
  if (atEnd) node.scrollTop = node.scrollHeight;
}

function choose(name) {
  Object.assign(live, { name, version: null });
  poll();
}

/** Change the page to what has been told of all tasks. */
async function follow({ tasks, log }) {
  const task = tasks.find(({ name }) => name === live.name) ?? tasks[0];
  if (task === undefined) {
    showTask(emptyContent({ name: "no tasks" }));
    setText(byId("trouble"), "");
    showJobs({}, null);
    showTasks([], null, choose);
    return;
  }
  if (task.name !== live.name) Object.assign(live, { name: task.name, version: null });
  showTasks(tasks, task.name, choose);
  const present = { ...emptyContent(task), rates: ratesOf(task) };
  let trouble = task.error || task.trouble || "";
  if (present.counts === null || present.counts.completed + present.counts.failed === 0) {
    showTask(present);
    live.version = null;
  } else if (task.version === live.version || live.pressed) {
    showProgress(present);
  } else {
    const content = await ask("task", task.name);
    if (task.name !== live.name) return;
    if (content.table === undefined) trouble = content.error || trouble;
    else {
      showTask({ ...content, counts: present.counts, rates: present.rates });
      live.version = content.version;
    }
  }
  setText(byId("trouble"), trouble);
  showJobs(task, log);
}

async function poll() {
  clearTimeout(live.timer);
  if (live.asking) return;
  live.asking = true;
  const name = live.name;
  try {
    await follow(await ask("state", name));
    setText(byId("when"), `as of ${new Date().toLocaleTimeString()}`);
    byId("when").classList.remove("bad");
  } catch (error) {
    const refused = error.message.startsWith("refused") || error.message.startsWith("error");
    setText(byId("when"), refused ? error.message : "disconnected; trying again");
    byId("when").classList.add("bad");
  }
  live.asking = false;
  live.timer = setTimeout(poll, name !== live.name ? 0 : document.hidden ? AWAY : EVERY);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) poll(); });
document.addEventListener("pointerdown", () => { live.pressed = true; });
for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => { live.pressed = false; });
poll();
