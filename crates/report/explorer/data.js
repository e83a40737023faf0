// The report's numbers, and the sides that can be compared: cells, published curves, dropped logs.

/** The unit of the curves' numbers. */
const UNIT = 1e-4;

/**
 * Reads the numbers out of the page.
 * @param {string} base64 Raw deflate of JSON.
 * @returns {Promise<Data>}
 */
export async function readData(base64) {
  const bytes = Uint8Array.from(atob(base64.trim()), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
}

/**
 * Whether a cell has run.
 * @param {Cell} cell
 */
export function hasRun(cell) {
  return cell.seeds.length > 0;
}

/**
 * What a cell is called: for people, or as the machine has it.
 * @param {Cell} cell
 * @param {boolean} machineNames
 */
export function cellName(cell, machineNames) {
  return machineNames ? cell.name : cell.label;
}

/**
 * What a factor or level is called.
 * @param {{ name: string, label: string }} named
 * @param {boolean} machineNames
 */
export function wordOf(named, machineNames) {
  return machineNames ? named.name : named.label;
}

/** @param {Row} row */
function inUnits(row) {
  return row.map((value) => (value === null ? null : value * UNIT));
}

/**
 * All sides that can be compared.
 * @param {Data} data
 * @param {Training[]} trainings
 * @param {boolean} machineNames
 * @returns {Source[]}
 */
export function sourcesOf(data, trainings, machineNames) {
  return [
    ...data.cells.filter(hasRun).map((cell) => cellSource(cell, machineNames)),
    ...data.published.map(publishedSource),
    ...trainings.map(logSource),
  ];
}

/**
 * @param {Cell} cell
 * @param {boolean} machineNames
 * @returns {Source}
 */
export function cellSource(cell, machineNames) {
  return {
    kind: "cell",
    key: cell.name,
    label: cellName(cell, machineNames),
    cell,
    seeds: cell.seeds,
    rows: (metric) => (cell.curves?.[metric] ?? []).map(inUnits),
  };
}

/**
 * @param {Published} published
 * @returns {Source}
 */
export function publishedSource(published) {
  return {
    kind: "published",
    key: `published: ${published.label}`,
    label: `published: ${published.label}`,
    cell: null,
    seeds: [],
    rows: (metric) => {
      const curve = published.curves[metric];
      if (!curve) return [];
      /** @type {Row} */
      const row = new Array(Math.max(0, ...curve.epochs)).fill(null);
      curve.epochs.forEach((epoch, place) => {
        row[epoch - 1] = curve.values[place];
      });
      return [inUnits(row)];
    },
  };
}

/**
 * @param {Training} training
 * @returns {Source}
 */
function logSource(training) {
  return {
    kind: "log",
    key: `log: ${training.name}`,
    label: `your log: ${training.name}`,
    cell: null,
    seeds: [],
    rows: (metric) => (training.curves[metric] ? [training.curves[metric]] : []),
  };
}

/**
 * The name by which the filters and the page's address know a level: `regime=cached`.
 * @param {Factor} factor
 * @param {Level} level
 */
export function levelKey(factor, level) {
  return `${factor.name}=${level.name}`;
}

/**
 * Whether a cell passes the filters: none of its levels is left out, and all words stand in its names.
 * @param {Data} data
 * @param {Cell} cell
 * @param {{ without: string[], words: string }} filter
 */
export function passes(data, cell, filter) {
  const names = `${cell.label} ${cell.name}`.toLowerCase();
  const words = filter.words.toLowerCase().split(/\s+/);
  return (
    words.every((word) => names.includes(word)) &&
    data.factors.every(
      (factor, place) => !filter.without.includes(levelKey(factor, factor.levels[cell.levels[place]])),
    )
  );
}

/** @param {Estimate} estimate @returns {Estimate} */
function turned([mean, low, high, wideLow, wideHigh]) {
  /** @type {(value: number | null) => number | null} */
  const minus = (value) => (value === null ? null : -value);
  return [-mean, minus(high), minus(low), minus(wideHigh), minus(wideLow)];
}

/**
 * What is known about the gap from one cell to another, with the signs of that direction.
 * @param {Data} data
 * @param {Cell} from
 * @param {Cell} to
 * @returns {Pair | null}
 */
export function pairOf(data, from, to) {
  const places = [data.cells.indexOf(from), data.cells.indexOf(to)];
  const isTurned = places[0] > places[1];
  if (isTurned) places.reverse();
  const pair = data.pairs.find(({ cells }) => cells[0] === places[0] && cells[1] === places[1]);
  if (!pair || !isTurned) return pair ?? null;
  return {
    ...pair,
    gap: pair.gap && turned(pair.gap),
    shares: pair.shares.map((share) => ({ ...share, share: turned(share.share) })),
    interactions: pair.interactions.map((one) => ({ ...one, effect: turned(one.effect) })),
  };
}

/**
 * The sides to begin with: the two that the experiment is about; where it does not say, the cells
 * that lie furthest apart, the lower one first, if possible with a gap that could be divided;
 * without such a pair the first two sides.
 * @param {Data} data
 * @returns {{ a: string, b: string }}
 */
export function sidesAtFirst(data) {
  if (data.question) {
    const [a, b] = data.question;
    return { a: data.cells[a].name, b: data.cells[b].name };
  }
  const divided = data.pairs.filter(({ shares }) => shares.length > 0);
  const pairs = divided.length > 0 ? divided : [...data.pairs];
  const size = /** @type {(pair: Pair) => number} */ ((pair) => Math.abs(pair.gap?.[0] ?? 0));
  const [widest] = pairs.sort((one, other) => size(other) - size(one));
  if (widest?.gap) {
    const [low, high] = widest.gap[0] < 0 ? [...widest.cells].reverse() : widest.cells;
    return { a: data.cells[low].name, b: data.cells[high].name };
  }
  const keys = sourcesOf(data, [], false).map((source) => source.key);
  return { a: keys[0] ?? "", b: keys[1] ?? keys[0] ?? "" };
}
