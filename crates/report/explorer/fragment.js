// The selection in the page's address, behind the #: readable, by names, and so fit for a letter.

export const SMOOTHINGS = [0, 3, 5, 10];

/**
 * Keeps the characters of names as they are, and writes spaces as +.
 * @param {string} text
 */
function encode(text) {
  return encodeURIComponent(text).replace(/%(3D|3A|2F|2C)/g, decodeURIComponent).replaceAll("%20", "+");
}

/** @param {string} text */
function decode(text) {
  const spaced = text.replaceAll("+", " ");
  try {
    return decodeURIComponent(spaced);
  } catch {
    // A % that encodes nothing: somebody wrote the link by hand.
    return spaced;
  }
}

/**
 * Writes what differs from the beginning.
 * @param {Selected} selection
 * @param {Selected} beginning
 * @returns {string} Without #; empty where nothing differs.
 */
export function writeFragment(selection, beginning) {
  /** @type {[string, string][]} */
  const entries = [];
  // One side alone would mean another comparison in a report that has grown.
  if (selection.a !== beginning.a || selection.b !== beginning.b) {
    entries.push(["a", selection.a], ["b", selection.b]);
  }
  if (selection.metric !== beginning.metric) entries.push(["metric", selection.metric]);
  if (selection.smoothing) entries.push(["smoothing", String(selection.smoothing)]);
  if (selection.logarithmic) entries.push(["scale", "logarithmic"]);
  if (selection.eachSeed) entries.push(["seeds", "each"]);
  if (selection.machineNames) entries.push(["names", "machine"]);
  if (selection.colour !== beginning.colour) entries.push(["colour", selection.colour]);
  if (selection.words) entries.push(["words", selection.words]);
  for (const level of selection.without) entries.push(["without", level]);
  for (const line of selection.hidden) entries.push(["hidden", line]);
  return entries.map(([key, value]) => `${key}=${encode(value)}`).join("&");
}

/**
 * Whether a fragment is a selection; others are anchors of the page.
 * @param {string} fragment
 */
export function isSelection(fragment) {
  return fragment.includes("=");
}

/**
 * Reads a fragment. What it does not say is as at the beginning; what this report does not know is
 * told in a sentence each.
 * @param {string} fragment Without #.
 * @param {Selected} beginning
 * @param {Known} known
 * @returns {{ selection: Selected, problems: string[] }}
 */
export function readFragment(fragment, beginning, known) {
  const selection = { ...beginning, without: [...beginning.without], hidden: [...beginning.hidden] };
  /** @type {string[]} */
  const problems = [];
  for (const entry of fragment.split("&").filter((text) => text !== "")) {
    const [key, ...rest] = entry.split("=");
    const value = decode(rest.join("="));
    const problem = readEntry(selection, key, value, known);
    if (problem) problems.push(problem);
  }
  return { selection, problems };
}

/**
 * @param {Selected} selection Is changed.
 * @param {string} key
 * @param {string} value
 * @param {Known} known
 * @returns {string | null} What is wrong.
 */
function readEntry(selection, key, value, known) {
  /** @type {(names: string[], what: string, take: () => void) => string | null} */
  const oneOf = (names, what, take) => {
    if (!names.includes(value)) return `The link names ${what} that this report does not have: ${value}`;
    take();
    return null;
  };
  switch (key) {
    case "a":
    case "b":
      if (value.startsWith("log: ") && !known.sides.includes(value)) {
        return `The link compares with a log that is not part of the page; open it below: ${value.slice(5)}`;
      }
      return oneOf(known.sides, value.startsWith("published: ") ? "a curve" : "a cell", () => {
        selection[key] = value;
      });
    case "metric":
      return oneOf(known.metrics, "a metric", () => {
        selection.metric = value;
      });
    case "smoothing":
      return oneOf(SMOOTHINGS.map(String), "a smoothing", () => {
        selection.smoothing = Number(value);
      });
    case "scale":
      return oneOf(["logarithmic"], "a scale", () => {
        selection.logarithmic = true;
      });
    case "seeds":
      return oneOf(["each"], "a way to show seeds", () => {
        selection.eachSeed = true;
      });
    case "names":
      return oneOf(["machine"], "a kind of names", () => {
        selection.machineNames = true;
      });
    case "colour":
      return oneOf(["cell", ...known.factors], "a factor", () => {
        selection.colour = value;
      });
    case "without":
      return oneOf(known.levels, "a level", () => {
        selection.without.push(value);
      });
    case "hidden":
      return oneOf(known.lines, "a line", () => {
        selection.hidden.push(value);
      });
    case "words":
      selection.words = value;
      return null;
    default:
      return `The link says something that this report does not understand: ${key}`;
  }
}
