// Arithmetic of curves. A row holds a value for each epoch, or null.

/**
 * A running mean over the last epochs, fewer at the beginning. An epoch without a value stays
 * without one.
 * @param {Row} row
 * @param {number} epochs 1 or less leaves the row as it is.
 * @returns {Row}
 */
export function smoothed(row, epochs) {
  if (epochs <= 1) return row;
  return row.map((value, place) => {
    if (value === null) return null;
    const window = row.slice(Math.max(0, place - epochs + 1), place + 1);
    return meanOf(window.filter((entry) => entry !== null));
  });
}

/** @param {number[]} values */
function meanOf(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Mean, lowest and highest value by epoch. There is a mean only where every row has a value: without
 * the seeds that diverged it would look better than it is.
 * @param {Row[]} rows
 * @returns {Summary}
 */
export function summary(rows) {
  /** @type {Summary} */
  const result = { mean: [], low: [], high: [] };
  const epochs = epochsOf(rows);
  for (let epoch = 0; epoch < epochs; epoch += 1) {
    const values = rows.map((row) => row[epoch] ?? null).filter((value) => value !== null);
    result.mean.push(values.length === rows.length ? meanOf(values) : null);
    result.low.push(values.length > 0 ? Math.min(...values) : null);
    result.high.push(values.length > 0 ? Math.max(...values) : null);
  }
  return result;
}

/**
 * The number of epochs of the longest row.
 * @param {Row[]} rows
 */
export function epochsOf(rows) {
  return Math.max(0, ...rows.map((row) => row.length));
}

/**
 * How many lines lie on each, one on the other: later ones that are equal at every epoch that both
 * have.
 * @param {Row[]} lines In the order in which they are drawn.
 */
export function coverings(lines) {
  const counts = lines.map(() => 0);
  for (let below = lines.length - 1; below >= 0; below -= 1) {
    for (let above = below + 1; above < lines.length; above += 1) {
      if (coincide(lines[above], lines[below])) counts[below] = Math.max(counts[below], counts[above] + 1);
    }
  }
  return counts;
}

/**
 * Whether rows are equal at every epoch that both have, and have one.
 * @param {Row} row
 * @param {Row} other
 */
function coincide(row, other) {
  let shared = 0;
  for (let epoch = 0; epoch < Math.min(row.length, other.length); epoch += 1) {
    if (row[epoch] === null || other[epoch] === null) continue;
    if (row[epoch] !== other[epoch]) return false;
    shared += 1;
  }
  return shared > 0;
}

/**
 * Places of the seeds that two sides share.
 * @param {number[]} first
 * @param {number[]} second
 * @returns {{ seed: number, places: [number, number] }[]}
 */
export function sharedSeeds(first, second) {
  return first.flatMap((seed, place) => {
    const other = second.indexOf(seed);
    return other < 0 ? [] : [{ seed, places: /** @type {[number, number]} */ ([place, other]) }];
  });
}

/**
 * The difference of two sides by epoch, second less first: paired by equal seeds, or of their
 * means where they share none.
 * @param {{ seeds: number[], rows: Row[] }} first
 * @param {{ seeds: number[], rows: Row[] }} second
 * @returns {Summary & { seeds: number }} With the number of seeds that were paired.
 */
export function difference(first, second) {
  const isRecorded = first.rows.length > 0 && second.rows.length > 0;
  const shared = isRecorded ? sharedSeeds(first.seeds, second.seeds) : [];
  if (shared.length === 0) {
    const rows = [minus(summary(second.rows).mean, summary(first.rows).mean)];
    return { ...summary(rows), seeds: 0 };
  }
  const rows = shared.map(({ places: [one, other] }) => minus(second.rows[other], first.rows[one]));
  return { ...summary(rows), seeds: shared.length };
}

/**
 * @param {Row} row
 * @param {Row} other
 * @returns {Row}
 */
function minus(row, other) {
  return row.slice(0, other.length).map((value, epoch) => {
    const less = other[epoch];
    return value === null || less === null ? null : value - less;
  });
}

/**
 * A row for a logarithmic axis: the error for an accuracy, the loss as it is. Zero has no logarithm.
 * @param {Row} row
 * @param {boolean} isAccuracy
 * @returns {Row}
 */
export function forLogarithm(row, isAccuracy) {
  return row.map((value) => {
    if (value === null) return null;
    const size = isAccuracy ? 1 - value : value;
    // An error below the unit of the accuracies is only a rounding error.
    return size <= (isAccuracy ? 1e-9 : 0) ? null : size;
  });
}

/**
 * Round numbers on a logarithmic axis. uPlot's own loop all but endlessly where the axis does not
 * begin at a power of ten.
 * @param {number} low
 * @param {number} high
 */
export function logarithmicTicks(low, high) {
  // So little of a decade looks much like a linear axis.
  if (high / low < 5) {
    const step = roundStep((high - low) / 4);
    const first = Math.ceil(low / step);
    return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, place) => (first + place) * step);
  }
  const decades = Math.log10(high / low);
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    for (const digit of decades > 4 ? [1] : [1, 2, 5]) ticks.push(digit * 10 ** power);
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}

/**
 * The largest of 1, 2 or 5 times a power of ten that is not above a size.
 * @param {number} size
 */
function roundStep(size) {
  const power = 10 ** Math.floor(Math.log10(size));
  const digit = size >= 5 * power ? 5 : size >= 2 * power ? 2 : 1;
  return digit * power;
}

/**
 * A range of so many epochs around one, within all epochs, of which it holds two at least.
 * @param {number} epoch From 1.
 * @param {number} length
 * @param {number} last
 */
export function rangeAround(epoch, length, last) {
  const kept = Math.min(Math.max(Math.round(length), 1), last - 1);
  const min = Math.min(Math.max(1, Math.round(epoch - kept / 2)), last - kept);
  return { min, max: min + kept };
}
