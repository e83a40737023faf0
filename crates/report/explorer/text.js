// Numbers and names as people read them, the same way as in the rest of the report.

const CHANCE = 0.05;

/**
 * A number with its sign, the minus as print has it. What rounds to zero has no minus.
 * @param {number} value
 * @param {number} digits
 */
export function signed(value, digits) {
  const text = Math.abs(value).toFixed(digits);
  return (value < 0 && /[1-9]/.test(text) ? "−" : "+") + text;
}

/**
 * A size of any order, not negative, with three significant digits.
 * @param {number} value
 */
export function magnitude(value) {
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return "not finite";
  if (value < 1e-3) return value.toExponential(2);
  return value < 1e3 ? value.toPrecision(3) : value.toFixed(0);
}

/**
 * A value of a metric: accuracies in per cent, losses in nats, small ones with three significant digits.
 * @param {number | null} value
 * @param {boolean} isAccuracy
 */
export function shownValue(value, isAccuracy) {
  if (value === null) return "no value";
  if (isAccuracy) return `${(100 * value).toFixed(2)} %`;
  return value >= 0 && value < 0.01 ? magnitude(value) : value.toFixed(4);
}

/**
 * A difference of a metric without its unit: accuracies in points, losses in nats.
 * @param {number | null} value
 * @param {boolean} isAccuracy
 */
export function shownDifference(value, isAccuracy) {
  if (value === null) return "no value";
  return isAccuracy ? signed(100 * value, 2) : signed(value, 4);
}

/**
 * A p-value, which never reads as 0.
 * @param {number} value
 */
export function shownProbability(value) {
  return value < 0.001 ? "< 0.001" : magnitude(value);
}

/**
 * Whether a difference with this p-value may well be chance.
 * @param {number | null} probability
 */
export function mayBeChance(probability) {
  return probability !== null && probability >= CHANCE;
}

/**
 * A number with its noun.
 * @param {number} number
 * @param {string} noun
 * @param {string} [plural]
 */
export function counted(number, noun, plural = `${noun}s`) {
  return `${number} ${number === 1 ? noun : plural}`;
}

/**
 * A text as one word of a POSIX shell.
 * @param {string} text
 */
export function shellWord(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
