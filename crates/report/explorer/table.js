// The table of cells, which the page already has: filtered, and with buttons to choose two cells.

import { cellName, hasRun, passes } from "./data.js";
import { element } from "./dom.js";

/**
 * @param {HTMLElement} table
 * @param {Data} data
 * @param {Change} change
 */
export function createCellsTable(table, data, change) {
  const heading = element("th", { scope: "col", class: "choose screen-only" }, "compare");
  table.querySelector("thead tr")?.prepend(heading);
  const found = /** @type {HTMLTableRowElement[]} */ ([...table.querySelectorAll("tr[data-cell]")]);
  const rows = found.map((row) => {
    const cell = data.cells[Number(row.dataset.cell)];
    const name = row.querySelector("th");
    const sides = /** @type {const} */ (["a", "b"]);
    const buttons = sides.map((side) => ({
      side,
      button: element("button", { type: "button", onclick: () => change({ [side]: cell.name }) }, side.toUpperCase()),
    }));
    row.prepend(
      element("td", { class: "choose screen-only" }, ...(hasRun(cell) ? buttons.map(({ button }) => button) : [])),
    );
    return { row, cell, name, buttons };
  });
  return {
    /** @param {Selected} selection */
    update(selection) {
      for (const { row, cell, name, buttons } of rows) {
        row.hidden = !passes(data, cell, selection);
        const words = cellName(cell, selection.machineNames);
        if (name) {
          name.textContent = words;
          name.title = selection.machineNames ? cell.label : cell.name;
        }
        for (const { side, button } of buttons) {
          button.setAttribute("aria-label", `compare ${words} as ${side.toUpperCase()}`);
          button.setAttribute("aria-pressed", String(selection[side] === cell.name));
        }
      }
    },
  };
}
