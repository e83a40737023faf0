// The gap between two cells in words, and how it divides over the factors.

import { epochsOf, sharedSeeds } from "./curves.js";
import { wordOf } from "./data.js";
import { dataTable, drawing, element } from "./dom.js";
import { ADDS, TAKES } from "./palette.js";
import { counted, mayBeChance, shownDifference, shownProbability } from "./text.js";

/** @param {Estimate} estimate In points, with the interval over seeds. */
function points([mean, low, high]) {
  const interval = low === null || high === null ? "one seed" : `${points100(low)} to ${points100(high)}`;
  return `${points100(mean)} (${interval})`;
}

/** @param {number} value */
function points100(value) {
  return shownDifference(value, true);
}

/** @param {number | null} probability */
function verdict(probability) {
  if (probability === null) return "–";
  return `${shownProbability(probability)}${mayBeChance(probability) ? ", may be chance" : ""}`;
}

/**
 * The epochs that the statistic takes of each side, where they are not the same.
 * @param {Data} data
 * @param {Cell} a
 * @param {Cell} b
 */
function epochsInWords({ experiment, metrics }, a, b) {
  // The gap is of the metric that is offered first.
  const [ofA, ofB] = [a, b].map(({ curves }) => epochsOf(curves?.[metrics[0].name] ?? []));
  const count = experiment.last_epochs;
  if (ofA === ofB) return "";
  if (count === null) return ` of A's ${counted(ofA, "epoch")} against that of B's ${ofB}`;
  const [one, other] = [ofA, ofB].map((epochs) => lastEpochs(epochs, count));
  return `: A's ${Math.min(ofA, count) > 1 ? "epochs" : "epoch"} ${one} against B's ${other}`;
}

/**
 * The last of some epochs, as `21–30`.
 * @param {number} epochs
 * @param {number} count Of the last.
 */
function lastEpochs(epochs, count) {
  const first = Math.max(1, epochs - count + 1);
  return first < epochs ? `${first}–${epochs}` : `${epochs}`;
}

/**
 * The gap from A to B in a sentence.
 * @param {Data} data
 * @param {Pair} pair With the signs from A to B.
 * @param {Cell} a
 * @param {Cell} b
 */
export function gapInWords(data, pair, a, b) {
  const seeds = counted(pair.seeds, "shared seed");
  if (pair.equal) return `A and B are equal to the last bit, on ${seeds}.`;
  if (!pair.gap) {
    const why = sharedSeeds(a.seeds, b.seeds).length > 0 ? "A run of A or B diverged" : "A and B share no seed";
    return `${why}, so there is no gap to tell.`;
  }
  const [mean, low, high, wideLow, wideHigh] = pair.gap;
  const size = points100(Math.abs(mean)).slice(1);
  const direction = mean < 0 ? "lower" : "higher";
  const statistic = `${data.experiment.statistic}${epochsInWords(data, a, b)}, mean over ${seeds}`;
  let words = `The validation accuracy of B is ${size} points ${direction} than that of A (${statistic}).`;
  if (low !== null && high !== null) {
    words += ` The 95 % interval of B − A is ${points100(low)} to ${points100(high)} over seeds`;
    if (wideLow !== null && wideHigh !== null) {
      words += `, and ${points100(wideLow)} to ${points100(wideHigh)} over seeds and images`;
    }
    words += ".";
  } else {
    words += " One seed has no interval.";
  }
  if (pair.p !== null) {
    const probability = shownProbability(pair.p);
    words += ` p ${probability.startsWith("<") ? probability : `= ${probability}`}`;
    words += mayBeChance(pair.p) ? ": this may be chance." : ".";
  }
  return words;
}

/**
 * The shares of the factors as a table with bars; or why there are none.
 * @param {Data} data
 * @param {Pair} pair
 * @param {{ place: number, name: string, from: string, to: string }[]} factors The factors that differ.
 * @param {boolean} machineNames
 */
export function divisionOf(data, pair, factors, machineNames) {
  if (pair.shares.length === 0) return element("p", {}, `The gap is not divided${pair.why ? `: ${pair.why.replace(/\.$/, "")}` : ""}.`);
  const estimates = [...pair.shares.map(({ share }) => share), ...pair.interactions.map(({ effect }) => effect)];
  const bar = barsFor(estimates);
  const rows = pair.shares.map(({ factor, share, p }) => {
    const words = factors.find(({ place }) => place === factor);
    const name = wordOf(data.factors[factor], machineNames);
    return [name, words ? `${words.from} → ${words.to}` : "", bar(share), points(share), verdict(p)];
  });
  const parts = [
    dataTable(
      "Shares of the factors in the gap, in points of validation accuracy; 95 % intervals over seeds",
      ["factor", "A → B", "share, drawn", "share", "p"],
      rows,
      [3],
    ),
    element("p", { class: "faint" }, "The shares add up to the gap. A share is what the factor changes, averaged over the orders in which the factors can be changed."),
  ];
  if (pair.interactions.length > 0) {
    const joint = pair.interactions.map(({ factors: both, effect }) => [
      both.map((factor) => wordOf(data.factors[factor], machineNames)).join(" × "),
      bar(effect),
      points(effect),
    ]);
    parts.push(dataTable("Interactions: what factors change together beyond what each changes", ["factors", "effect, drawn", "effect"], joint, [2]));
  }
  return element("div", {}, ...parts);
}

const BAR_WIDTH = 180;
const BAR_HEIGHT = 18;

/**
 * Bars on one scale, each with a whisker for its interval.
 * @param {Estimate[]} estimates
 */
function barsFor(estimates) {
  const ends = estimates.flatMap(([mean, low, high]) => [mean, low ?? mean, high ?? mean]);
  const [least, most] = [Math.min(0, ...ends), Math.max(0, ...ends)];
  /** @param {number} value */
  const x = (value) => 2 + ((value - least) / (most - least || 1)) * (BAR_WIDTH - 4);
  /** @type {(estimate: Estimate) => SVGElement} */
  return ([mean, low, high]) => {
    const middle = String(BAR_HEIGHT / 2);
    const bar = drawing("rect", {
      x: String(Math.min(x(0), x(mean))),
      width: String(Math.abs(x(mean) - x(0))),
      y: "3",
      height: String(BAR_HEIGHT - 6),
      fill: mean < 0 ? TAKES : ADDS,
    });
    const zero = drawing("line", { x1: String(x(0)), x2: String(x(0)), y1: "0", y2: String(BAR_HEIGHT), stroke: "currentColor" });
    const whisker =
      low !== null &&
      high !== null &&
      drawing("line", { x1: String(x(low)), x2: String(x(high)), y1: middle, y2: middle, stroke: "currentColor", "stroke-width": "2" });
    // The numbers stand beside it.
    return drawing(
      "svg",
      { class: "bar", width: String(BAR_WIDTH), height: String(BAR_HEIGHT), viewBox: `0 0 ${BAR_WIDTH} ${BAR_HEIGHT}`, "aria-hidden": "true" },
      bar,
      zero,
      whisker,
    );
  };
}
