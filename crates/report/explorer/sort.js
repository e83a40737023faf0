// Tables that sort by any of their columns.

/**
 * A click on a column's heading sorts its table, a second one the other way round.
 */
export function makeTablesSortable() {
  for (const button of document.querySelectorAll("th button")) {
    button.addEventListener("click", () => sortBy(/** @type {HTMLTableCellElement} */ (button.closest("th"))));
  }
}

/**
 * @param {HTMLTableCellElement} heading
 */
function sortBy(heading) {
  const table = /** @type {HTMLTableElement} */ (heading.closest("table"));
  const headings = /** @type {HTMLTableRowElement} */ (heading.parentElement).cells;
  const column = heading.cellIndex;
  const direction = heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
  for (const other of headings) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", direction);
  const rows = [...table.tBodies[0].rows].sort((one, other) => inOrder(one.cells[column], other.cells[column]));
  if (direction === "descending") rows.reverse();
  table.tBodies[0].append(...rows);
}

/**
 * Numbers by their values, texts as a dictionary has them.
 * @param {HTMLTableCellElement} one
 * @param {HTMLTableCellElement} other
 */
function inOrder(one, other) {
  const [first, second] = [one.dataset.value, other.dataset.value];
  if (first !== undefined && second !== undefined) return Number(first) - Number(second);
  return (one.textContent ?? "").localeCompare(other.textContent ?? "");
}
