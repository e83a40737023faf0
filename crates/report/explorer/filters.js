// Filters by factor and by words, for the table of cells and the chart above it.

import { hasRun, levelKey, passes, wordOf } from "./data.js";
import { element, labelledBox } from "./dom.js";
import { counted } from "./text.js";

/**
 * @param {Data} data
 * @param {Change} change
 */
export function createFilters(data, change) {
  /** @type {string[]} */
  let without = [];
  const groups = data.factors.map((factor, place) => {
    const legend = element("legend", {});
    const used = factor.levels.filter((_, level) => data.cells.some(({ levels }) => levels[place] === level));
    const boxes = used.map((level) => {
      const key = levelKey(factor, level);
      const control = labelledBox("", (isOn) => {
        change({ without: isOn ? without.filter((other) => other !== key) : [...without, key] });
      });
      return { level, key, control };
    });
    const fields = boxes.map(({ control }) => control.field);
    return { factor, legend, boxes, fieldset: element("fieldset", {}, legend, ...fields) };
  });
  // With one level there is nothing to choose.
  const shownGroups = groups.filter(({ boxes }) => boxes.length > 1);
  const words = element("input", { type: "search", oninput: () => change({ words: words.value }) });
  const machine = labelledBox("machine names", (machineNames) => change({ machineNames }));
  const reset = element("button", { type: "button", onclick: () => change({ without: [], words: "", hidden: [] }) }, "Show all cells");
  const status = element("p", { role: "status", class: "faint" });
  const fieldsets = element("div", { class: "groups" }, ...shownGroups.map(({ fieldset }) => fieldset));
  // On a narrow screen they would stand before everything else.
  const isOpen = matchMedia("(min-width: 40rem)").matches;
  const details = element("details", { open: isOpen }, element("summary", {}, "Filter by factor"), fieldsets);
  const root = element(
    "div",
    { class: "filters screen-only" },
    shownGroups.length > 0 && details,
    element(
      "div",
      { class: "controls" },
      element("label", { class: "field" }, element("span", {}, "Words in the cell's name"), words),
      reset,
      machine.field,
    ),
    status,
  );
  return {
    root,
    /** @param {Selected} selection */
    update(selection) {
      without = selection.without;
      for (const { factor, legend, boxes } of groups) {
        legend.textContent = wordOf(factor, selection.machineNames);
        for (const { level, key, control } of boxes) {
          control.words.textContent = wordOf(level, selection.machineNames);
          control.box.checked = !without.includes(key);
        }
      }
      if (words.value !== selection.words) words.value = selection.words;
      machine.box.checked = selection.machineNames;
      const shown = data.cells.filter((cell) => passes(data, cell, selection));
      const ran = shown.filter(hasRun).length;
      const notRun = ran < shown.length ? `; ${counted(ran, "has", "have")} run` : "";
      status.textContent = `${shown.length} of ${counted(data.cells.length, "cell")} shown${notRun}.`;
    },
  };
}
