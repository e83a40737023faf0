// The curves of all cells that pass the filters, in one chart.

import { createChart } from "./chart.js";
import { cellSource, hasRun, passes, wordOf } from "./data.js";
import { element, labelledSelect } from "./dom.js";
import { captionOf, createDisplayControls, lineOf, phasesOf, quantity, selectedMetric, tickOf } from "./lines.js";
import { strokeAt, swatch } from "./palette.js";
import { counted } from "./text.js";

/**
 * @param {Data} data
 * @param {Change} change
 */
export function createExplorer(data, change) {
  const controls = createDisplayControls(data, change);
  const colour = labelledSelect("Colour by", [], (name) => change({ colour: name }));
  const chart = createChart("all-cells");
  const legend = element("div", { class: "legend screen-only", role: "group", "aria-label": "Lines of the chart" });
  const root = element(
    "div",
    { class: "all-curves" },
    element("div", { class: "controls screen-only" }, ...controls.fields, colour.field),
    chart.figure,
    legend,
  );
  /** Keys of the legend's entries whose lines are taken out of the chart. @type {Set<string>} */
  const muted = new Set();
  /** @type {Selected} */
  let selection;
  /** What was drawn last: to draw many lines takes its time. */
  let drawn = "";

  /**
   * @param {Cell} cell
   * @returns {LegendEntry}
   */
  function entryOf(cell) {
    const place = data.factors.findIndex(({ name }) => name === selection.colour);
    if (place < 0) {
      const source = cellSource(cell, selection.machineNames);
      return { key: source.key, label: source.label, stroke: strokeAt(data.cells.indexOf(cell)) };
    }
    const level = cell.levels[place];
    const { name, levels } = data.factors[place];
    return {
      key: `${name}=${levels[level].name}`,
      label: wordOf(levels[level], selection.machineNames),
      stroke: strokeAt(level),
    };
  }

  function draw() {
    const metric = selectedMetric(data, selection);
    const shown = data.cells.filter((cell) => hasRun(cell) && passes(data, cell, selection));
    const entries = new Map(shown.map((cell) => [entryOf(cell).key, entryOf(cell)]));
    const cells = shown.filter((cell) => !muted.has(entryOf(cell).key));
    const lines = cells.map((cell) =>
      lineOf(cellSource(cell, selection.machineNames), metric, selection, entryOf(cell).stroke),
    );
    chart.show({
      lines,
      isLogarithmic: selection.logarithmic,
      tick: tickOf(metric),
      label: `${quantity(metric, selection.logarithmic)} of ${counted(cells.length, "cell")} by epoch`,
      caption: captionOf(metric, selection, lines),
      phases: phasesOf(cells),
      hasZero: false,
    });
    drawLegend([...entries.values()]);
  }

  /** @param {LegendEntry[]} entries */
  function drawLegend(entries) {
    const focused = [...legend.children].indexOf(/** @type {Element} */ (document.activeElement));
    const buttons = entries.map(({ key, label, stroke }) =>
      element(
        "button",
        {
          type: "button",
          "aria-pressed": String(!muted.has(key)),
          onclick: () => {
            if (!muted.delete(key)) muted.add(key);
            draw();
          },
        },
        swatch(stroke),
        label,
      ),
    );
    legend.replaceChildren(...buttons);
    buttons[focused]?.focus();
  }

  return {
    root,
    /** @param {Selected} next */
    update(next) {
      const { a, b, ...shown } = next;
      if (JSON.stringify(shown) === drawn) return;
      drawn = JSON.stringify(shown);
      selection = next;
      controls.update(next);
      const choices = [["cell", "cell"], ...data.factors.map((factor) => [factor.name, wordOf(factor, next.machineNames)])];
      colour.select.replaceChildren(...choices.map(([value, text]) => element("option", { value }, text)));
      colour.select.value = next.colour;
      draw();
    },
  };
}
