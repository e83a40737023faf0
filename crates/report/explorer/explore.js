// The curves of all cells that pass the filters, and what was published of them, in one chart.

import { createChart } from "./chart.js";
import { cellSource, hasRun, passes, publishedSource, wordOf } from "./data.js";
import { element, labelledSelect } from "./dom.js";
import { captionOf, createDisplayControls, lineOf, phasesOf, quantity, selectedMetric, tickOf } from "./lines.js";
import { publishedStroke, strokeAt, swatch } from "./palette.js";
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

  /**
   * Published curves of the cells that are shown.
   * @param {Cell[]} shown
   * @returns {{ source: Source, entry: LegendEntry }[]}
   */
  function publishedOf(shown) {
    return data.published.flatMap((published, place) => {
      const source = publishedSource(published);
      const isShown = published.cells.some((cell) => shown.includes(data.cells[cell]));
      if (!isShown || source.rows(selection.metric).length === 0) return [];
      return [{ source, entry: { key: source.key, label: source.label, stroke: publishedStroke(place) } }];
    });
  }

  function draw() {
    const metric = selectedMetric(data, selection);
    const shown = data.cells.filter((cell) => hasRun(cell) && passes(data, cell, selection));
    const ofCells = shown.map((cell) => ({ source: cellSource(cell, selection.machineNames), entry: entryOf(cell) }));
    const all = [...ofCells, ...publishedOf(shown)];
    const entries = new Map(all.map(({ entry }) => [entry.key, entry]));
    const drawnLines = all.filter(({ entry }) => !selection.hidden.includes(entry.key));
    const lines = drawnLines.map(({ source, entry }) => lineOf(source, metric, selection, entry.stroke));
    const cells = drawnLines.flatMap(({ source }) => source.cell ?? []);
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
          "aria-pressed": String(!selection.hidden.includes(key)),
          onclick: () => {
            const others = selection.hidden.filter((other) => other !== key);
            change({ hidden: others.length < selection.hidden.length ? others : [...others, key] });
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
