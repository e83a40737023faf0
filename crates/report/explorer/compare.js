// Any two sides, compared: curves, difference, gap, images, audit, and the command for it.

import { auditBesides } from "./audit.js";
import { createChart } from "./chart.js";
import { commandsFor, copyable } from "./commands.js";
import { difference, epochsOf } from "./curves.js";
import { pairOf } from "./data.js";
import { dataTable, element, labelledSelect } from "./dom.js";
import { divisionOf, gapInWords } from "./gap.js";
import { imagesBesides } from "./images.js";
import { captionOf, createDisplayControls, differenceTickOf, differingFactors, lineOf } from "./lines.js";
import { phasesOf, quantity, rowsOf, selectedMetric, smoothingInWords, tickOf } from "./lines.js";
import { SIDES, strokeAt } from "./palette.js";
import { counted, shownDifference } from "./text.js";

const GROUPS = /** @type {const} */ ([
  ["cell", "Cells"],
  ["published", "Published curves"],
  ["log", "Your logs"],
]);

/** The stroke of what two runs differ by: neither side's. */
const DIFFERENCE = strokeAt(2);

/**
 * @param {Data} data
 * @param {HTMLElement} drop Where a log is opened.
 * @param {Change} change
 */
export function createComparison(data, drop, change) {
  const a = labelledSelect("A", [], (key) => change({ a: key }));
  const b = labelledSelect("B", [], (key) => change({ b: key }));
  const swap = element("button", { type: "button", onclick: () => change({ a: b.select.value, b: a.select.value }) }, "Swap A and B");
  const controls = createDisplayControls(data, change);
  const curves = createChart("both");
  const changes = createChart("change");
  const gap = element("p", { class: "answer", id: "compare-gap" });
  const details = element("div", {});
  /** What was drawn last: the filters change nothing here. */
  let drawn = "";
  const root = element(
    "div",
    {},
    element("div", { class: "sides screen-only" }, a.field, b.field, swap),
    drop,
    gap,
    element("div", { class: "controls screen-only" }, ...controls.fields),
    element("div", { class: "charts" }, curves.figure, changes.figure),
    details,
  );
  return {
    root,
    /**
     * @param {Selected} selection
     * @param {Source[]} sources
     */
    update(selection, sources) {
      const { without, words, colour, hidden, ...shown } = selection;
      const keys = sources.map(({ key }) => key);
      if (JSON.stringify([shown, keys]) === drawn) return;
      drawn = JSON.stringify([shown, keys]);
      controls.update(selection);
      for (const [{ select }, key] of /** @type {const} */ ([[a, selection.a], [b, selection.b]])) {
        select.replaceChildren(...choices(sources));
        select.value = key;
      }
      const [one, other] = [selection.a, selection.b].map((key) => sources.find((source) => source.key === key));
      if (!one || !other) return;
      curves.show(curvesView(data, selection, one, other));
      changes.show(changeView(data, selection, one, other));
      gap.textContent = sentence(data, one, other);
      details.replaceChildren(...detailsOf(data, selection, one, other));
    },
  };
}

/** @param {Source[]} sources */
function choices(sources) {
  return GROUPS.flatMap(([kind, label]) => {
    const options = sources
      .filter((source) => source.kind === kind)
      .map((source) => element("option", { value: source.key }, source.label));
    return options.length > 0 ? [element("optgroup", { label }, ...options)] : [];
  });
}

/**
 * @param {Data} data
 * @param {Selected} selection
 * @param {Source} a
 * @param {Source} b
 * @returns {View}
 */
function curvesView(data, selection, a, b) {
  const metric = selectedMetric(data, selection);
  const lines = [lineOf(a, metric, selection, SIDES.a), lineOf(b, metric, selection, SIDES.b)];
  lines.forEach((line, place) => {
    line.label = `${"AB"[place]}: ${line.label}`;
  });
  const missing = lines.filter(({ values }) => values.length === 0).map(({ label }) => label[0]);
  const note = missing.length > 0 ? ` ${missing.join(" and ")} has no ${metric.label}.` : "";
  return {
    lines,
    isLogarithmic: selection.logarithmic,
    tick: tickOf(metric),
    label: `${quantity(metric, selection.logarithmic)} of A and B by epoch`,
    caption: `${captionOf(metric, selection, lines)}${note}`,
    phases: phasesOf([a.cell, b.cell]),
    hasZero: false,
  };
}

/**
 * @param {Data} data
 * @param {Selected} selection
 * @param {Source} a
 * @param {Source} b
 * @returns {View}
 */
function changeView(data, selection, a, b) {
  const metric = selectedMetric(data, selection);
  const [first, second] = [a, b].map((source) => ({ seeds: source.seeds, rows: rowsOf(source, selection) }));
  const between = difference(first, second);
  const { mean, low, high, seeds } = between;
  const hasBand = seeds > 1;
  const unit = metric.accuracy ? "points" : "nats";
  const how = howPaired(between, first.rows.length > 0 && second.rows.length > 0);
  const epochs = epochsInCommon(mean, first.rows, second.rows);
  return {
    lines: [
      {
        label: "B − A",
        stroke: DIFFERENCE,
        values: mean,
        low: hasBand ? low : [],
        high: hasBand ? high : [],
        seeds: [],
        spansGaps: false,
        lastEpochOnly: false,
        told: (epoch) => {
          const value = `${shownDifference(mean[epoch], metric.accuracy)} ${unit}`;
          if (!hasBand) return value;
          return `${value} (seeds ${shownDifference(low[epoch], metric.accuracy)} to ${shownDifference(high[epoch], metric.accuracy)})`;
        },
      },
    ],
    isLogarithmic: false,
    tick: differenceTickOf(metric),
    label: `Difference B − A of ${metric.label} by epoch, in ${unit}`,
    caption: `B − A in ${metric.label} by epoch, in ${unit}${epochs}: ${how}${smoothingInWords(selection)}.`,
    phases: phasesOf([a.cell, b.cell]),
    hasZero: true,
  };
}

/**
 * The epochs of a difference in words, where one side has more than the other.
 * @param {Row} mean
 * @param {Row[]} first
 * @param {Row[]} second
 */
function epochsInCommon(mean, first, second) {
  const common = mean.filter((value) => value !== null).length;
  if (common === 0 || epochsOf(first) === epochsOf(second)) return "";
  return `, over the ${counted(common, "epoch")} that both have`;
}

/**
 * @param {Summary & { seeds: number }} between With the number of seeds that were paired.
 * @param {boolean} isRecorded Whether both sides have the metric.
 */
function howPaired({ high, seeds }, isRecorded) {
  if (!isRecorded) return "there is none, since not both have this metric";
  if (high.every((value) => value === null)) return "there is none, since no epoch has a value of both";
  if (seeds === 0) return "of the means, since there is no shared seed";
  if (seeds === 1) return "of the one shared seed";
  return `mean over ${seeds} shared seeds of the differences by seed; the band reaches from the lowest to the highest of them`;
}

/**
 * @param {Data} data
 * @param {Source} a
 * @param {Source} b
 */
function sentence(data, a, b) {
  if (a.key === b.key) return "A and B are the same. Choose another for one of them.";
  if (!a.cell || !b.cell) {
    const single = a.cell ? "B has" : b.cell ? "A has" : "A and B have";
    return `${single} no seeds to pair: the curves can be compared by eye, and their difference has no interval.`;
  }
  const pair = pairOf(data, a.cell, b.cell);
  return pair ? gapInWords(data, pair, a.cell, b.cell) : "The report has no gap for these two cells.";
}

/**
 * @param {Data} data
 * @param {Selected} selection
 * @param {Source} a
 * @param {Source} b
 * @returns {Node[]}
 */
function detailsOf(data, selection, a, b) {
  if (a.key === b.key) return [];
  /** @type {(heading: string, ...content: Node[]) => Node[]} */
  const part = (heading, ...content) => [element("h3", {}, heading), ...content];
  const reproduce = part("Do this comparison again", ...commandsFor(data, a, b).map(copyable));
  if (!a.cell || !b.cell) return reproduce;
  const factors = differingFactors(data, a.cell, b.cell, selection.machineNames);
  const pair = pairOf(data, a.cell, b.cell);
  const rows = factors.map(({ name, from, to }) => [name, from, to]);
  return [
    ...part(
      "What differs",
      factors.length > 0
        ? dataTable(`${counted(factors.length, "factor")} of ${data.factors.length} with other levels`, ["factor", "A", "B"], rows)
        : element("p", {}, "The two have the same level of every factor."),
    ),
    ...(pair ? part("The gap from A to B, divided", divisionOf(data, pair, factors, selection.machineNames)) : []),
    ...part("Images on which they disagree", imagesBesides(data.images, a.cell, b.cell)),
    ...part("Declared, collected, moved: A and B", auditBesides(data, a.cell, b.cell)),
    ...reproduce,
  ];
}
