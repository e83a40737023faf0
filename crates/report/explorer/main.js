// Brings the page's parts to life. Without it the page is complete as it is printed.

import { createComparison } from "./compare.js";
import { hasRun, levelKey, readData, sidesAtFirst, sourcesOf } from "./data.js";
import { element } from "./dom.js";
import { createDrop } from "./drop.js";
import { createExplorer } from "./explore.js";
import { createFilters } from "./filters.js";
import { isSelection, readFragment, writeFragment } from "./fragment.js";
import { makeTablesSortable } from "./sort.js";
import { createCellsTable } from "./table.js";

/** With more cells, lines are coloured by a factor: so many colours nobody tells apart. */
const OWN_COLOURS = 12;

/**
 * @param {Data} data
 * @returns {Selected}
 */
function beginningOf(data) {
  const isCrowded = data.cells.filter(hasRun).length > OWN_COLOURS;
  const used = data.factors.find((_, place) => new Set(data.cells.map(({ levels }) => levels[place])).size > 1);
  return {
    ...sidesAtFirst(data),
    metric: data.metrics[0].name,
    smoothing: 0,
    logarithmic: false,
    eachSeed: false,
    machineNames: false,
    colour: isCrowded && used ? used.name : "cell",
    without: [],
    words: "",
    hidden: [],
  };
}

/** @param {string} id */
function byId(id) {
  return document.getElementById(id);
}

/** @param {Data} data */
function run(data) {
  const beginning = beginningOf(data);
  /** @type {Training[]} */
  let trainings = [];
  let selection = beginning;

  /** @type {Change} */
  const change = (patch) => {
    selection = { ...selection, ...patch };
    // Whoever has chosen sides needs no word on those of a link.
    if (patch.a !== undefined || patch.b !== undefined) tellProblems([]);
    update();
    keepInAddress();
  };
  const drop = createDrop(data.commands.diagnose, (read) => {
    const names = read.map(({ name }) => name);
    trainings = [...trainings.filter(({ name }) => !names.includes(name)), ...read];
    change({ b: `log: ${read[0].name}` });
  });
  const problems = element("div", { role: "alert", class: "problems" });
  /** The same beside the comparison, to which a link leads. */
  const problemsAgain = element("div", { class: "problems" });
  const filters = createFilters(data, change);
  const explorer = createExplorer(data, change);
  const comparison = createComparison(data, drop.root, change);
  const tableElement = byId("cells-table");
  const table = tableElement && createCellsTable(tableElement, data, change);

  function update() {
    filters.update(selection);
    table?.update(selection);
    explorer.update(selection);
    comparison.update(selection, sourcesOf(data, trainings, selection.machineNames));
  }

  /** @param {string[]} sentences */
  function tellProblems(sentences) {
    for (const place of [problems, problemsAgain]) {
      place.replaceChildren(...sentences.map((sentence) => element("p", {}, sentence)));
    }
  }

  function keepInAddress() {
    const fragment = writeFragment(selection, beginning);
    const isKept = fragment ? location.hash === `#${fragment}` : !isSelection(location.hash);
    if (isKept) return;
    try {
      history.replaceState(null, "", fragment ? `#${fragment}` : location.pathname + location.search);
    } catch {
      // Pages within other pages may not change their address; the link is only a convenience.
    }
  }

  function readAddress() {
    const fragment = location.hash.slice(1);
    if (fragment !== "" && !isSelection(fragment)) {
      // The browser has gone to a part of the page. The address stays a link to what is selected.
      keepInAddress();
      return;
    }
    const sides = sourcesOf(data, trainings, false).map(({ key }) => key);
    const levels = data.factors.flatMap((factor) => factor.levels.map((level) => levelKey(factor, level)));
    const known = {
      sides,
      metrics: data.metrics.map(({ name }) => name),
      levels,
      factors: data.factors.map(({ name }) => name),
      lines: [...sides, ...levels],
    };
    const read = readFragment(fragment, beginning, known);
    selection = read.selection;
    tellProblems(read.problems);
    update();
    if (/(^|&)[ab]=/.test(fragment)) byId("compare")?.scrollIntoView();
  }

  const explore = byId("explore");
  const compare = byId("compare");
  document.querySelector("main")?.prepend(problems);
  explore?.append(filters.root, explorer.root);
  compare?.append(comparison.root);
  comparison.root.before(problemsAgain);
  // Shown first: a chart takes its width from where it stands.
  for (const part of [explore, compare, byId("compare-link")]) if (part) part.hidden = false;
  update();
  readAddress();
  addEventListener("hashchange", readAddress);
}

async function start() {
  let data;
  try {
    data = await readData(byId("data")?.textContent ?? "");
  } catch {
    // An old browser, or a page that was cut: what is printed stays.
    return;
  }
  if (data.cells.some(hasRun)) run(data);
}

makeTablesSortable();
start();
