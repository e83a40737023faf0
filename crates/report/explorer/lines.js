// What the charts show of a side, as the selection wants it.

import { BANDS } from "./chart.js";
import { coverings, forLogarithm, smoothed, summary } from "./curves.js";
import { wordOf } from "./data.js";
import { labelledBox, labelledSelect } from "./dom.js";
import { SMOOTHINGS } from "./fragment.js";
import { shownValue } from "./text.js";

/**
 * The metric that is selected.
 * @param {Data} data
 * @param {Selected} selection
 * @returns {Metric}
 */
export function selectedMetric(data, selection) {
  return data.metrics.find(({ name }) => name === selection.metric) ?? data.metrics[0];
}

/**
 * The rows of a side, smoothed as selected.
 * @param {Source} source
 * @param {Selected} selection
 */
export function rowsOf(source, selection) {
  return source.rows(selection.metric).map((row) => smoothed(row, selection.smoothing));
}

/**
 * A side's line: the mean over its seeds with the band of its seeds, or each seed beside it.
 * @param {Source} source
 * @param {Metric} metric
 * @param {Selected} selection
 * @param {Stroke} stroke
 * @returns {Line}
 */
export function lineOf(source, metric, selection, stroke) {
  const rows = rowsOf(source, selection);
  /** @type {(row: Row) => Row} */
  const scaled = (row) => (selection.logarithmic ? forLogarithm(row, metric.accuracy) : row);
  const { mean, low, high } = summary(rows.map(scaled));
  const hasBand = rows.length > 1 && !selection.eachSeed;
  const hasSeeds = rows.length > 1 && selection.eachSeed;
  return {
    label: source.label,
    stroke,
    values: mean,
    low: hasBand ? low : [],
    high: hasBand ? high : [],
    seeds: hasSeeds ? rows.map(scaled) : [],
    spansGaps: source.kind !== "cell",
    lastEpochOnly: source.cell?.last_epoch_only?.includes(metric.name) ?? false,
    told: (epoch) => {
      const isError = selection.logarithmic && metric.accuracy;
      const value = `${isError ? "error " : ""}${shownValue(mean[epoch], metric.accuracy)}`;
      if (rows.length < 2) return value;
      return `${value} (seeds ${shownValue(low[epoch], metric.accuracy)} to ${shownValue(high[epoch], metric.accuracy)})`;
    },
  };
}

/**
 * Numbers at the axis of a metric.
 * @param {Metric} metric
 */
export function tickOf(metric) {
  /** @type {(value: number) => string} */
  return (value) => (metric.accuracy ? `${Number((100 * value).toPrecision(6))} %` : shortNumber(value));
}

/**
 * Numbers at the axis of a difference.
 * @param {Metric} metric
 */
export function differenceTickOf(metric) {
  /** @type {(value: number) => string} */
  return (value) => {
    const size = metric.accuracy ? 100 * value : value;
    const words = shortNumber(Math.abs(size));
    return words === "0" ? words : `${size < 0 ? "−" : "+"}${words}`;
  };
}

/**
 * A number with as few characters as it takes.
 * @param {number} value
 */
function shortNumber(value) {
  const kept = Number(value.toPrecision(6));
  return kept > 0 && kept < 1e-4 ? kept.toExponential() : String(kept);
}

/**
 * What the axis shows.
 * @param {Metric} metric
 * @param {boolean} isLogarithmic
 */
export function quantity(metric, isLogarithmic) {
  if (!isLogarithmic) return metric.label;
  return metric.accuracy
    ? `error (1 − ${metric.label}) on a logarithmic scale`
    : `${metric.label} on a logarithmic scale`;
}

/** @param {Selected} selection */
export function smoothingInWords({ smoothing }) {
  return smoothing ? `; smoothed: mean over ${smoothing} epochs` : "";
}

/**
 * The caption of a chart of sides.
 * @param {Metric} metric
 * @param {Selected} selection
 * @param {Line[]} lines
 */
export function captionOf(metric, selection, lines) {
  const shown = quantity(metric, selection.logarithmic);
  const bands = lines.length > BANDS ? "the chosen line's band reaches" : "bands reach";
  const seeds = selection.eachSeed
    ? "thick lines are means over seeds, thin ones the seeds"
    : `lines are means over seeds, ${bands} from the lowest to the highest seed`;
  const isCovered = coverings(lines.map(({ values }) => values)).some((count) => count > 0);
  const layers = isCovered ? " Lines that lie on each other are drawn broken over broad." : "";
  const hasGaps = lines.some(({ values, spansGaps, lastEpochOnly }) => !spansGaps && !lastEpochOnly && values.includes(null));
  const ends = lines.some(({ lastEpochOnly }) => lastEpochOnly)
    ? " A dot is a value of the last epoch, after which alone these images were evaluated."
    : "";
  const gaps = hasGaps
    ? selection.logarithmic
      ? " A line has a gap where a seed's value is not finite or has no logarithm."
      : " A line has a gap where a seed's value is not finite."
    : "";
  return `${shown[0].toUpperCase()}${shown.slice(1)} by epoch: ${seeds}${smoothingInWords(selection)}.${layers}${gaps}${ends}`;
}

/**
 * The epochs at which phases of cells begin.
 * @param {(Cell | null)[]} cells
 */
export function phasesOf(cells) {
  return [...new Set(cells.flatMap((cell) => cell?.phases ?? []))];
}

/**
 * The controls of what charts show and how; the same stand beside every chart.
 * @param {Data} data
 * @param {Change} change
 */
export function createDisplayControls(data, change) {
  const metric = labelledSelect(
    "Metric",
    data.metrics.map(({ name, label }) => [name, label]),
    (name) => change({ metric: name }),
  );
  const smoothing = labelledSelect(
    "Smoothing",
    SMOOTHINGS.map((epochs) => [String(epochs), epochs ? `mean over ${epochs} epochs` : "off"]),
    (epochs) => change({ smoothing: Number(epochs) }),
  );
  const seeds = labelledBox("show each seed", (eachSeed) => change({ eachSeed }));
  const logarithm = labelledBox("logarithmic scale", (logarithmic) => change({ logarithmic }));
  return {
    fields: [metric.field, smoothing.field, seeds.field, logarithm.field],
    /** @param {Selected} selection */
    update(selection) {
      metric.select.value = selection.metric;
      smoothing.select.value = String(selection.smoothing);
      seeds.box.checked = selection.eachSeed;
      logarithm.box.checked = selection.logarithmic;
      const isAccuracy = selectedMetric(data, selection).accuracy;
      logarithm.words.textContent = isAccuracy ? "error on a logarithmic scale" : "logarithmic scale";
    },
  };
}

/**
 * The factors in which cells differ, as words of both.
 * @param {Data} data
 * @param {Cell} a
 * @param {Cell} b
 * @param {boolean} machineNames
 */
export function differingFactors(data, a, b, machineNames) {
  return data.factors.flatMap((factor, place) => {
    if (a.levels[place] === b.levels[place]) return [];
    const [from, to] = [a, b].map(({ levels }) => wordOf(factor.levels[levels[place]], machineNames));
    return [{ place, name: wordOf(factor, machineNames), from, to }];
  });
}
