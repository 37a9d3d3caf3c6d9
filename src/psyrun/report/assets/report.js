"use strict";
// A report: the tasks are in the page.

const { tasks, written } = JSON.parse(byId("content").textContent);

function choose(name) {
  showTasks(tasks, name, choose);
  showTask(tasks.find((task) => task.name === name));
}

setText(byId("when"), `as of ${written}`);
choose(tasks[0].name);
