// Training logs that are dropped on the page. They are read here and go nowhere.

import { metricNamed } from "./metric-names.js";
import { counted, shellWord } from "./text.js";

/** A file that is no log that the page can read: what, why, and what to do. */
export class LogError extends Error {}

/** The size of the largest file that is read, in bytes. */
const LARGEST = 20e6;
const LAST_EPOCH = 10_000;

/** What files begin with that are no text. */
const FORMATS = [
  { signature: [0x1f, 0x8b], kind: "compressed by gzip", remedy: "unpack it first" },
  { signature: [0x50, 0x4b, 0x03, 0x04], kind: "a ZIP archive", remedy: "unpack it first" },
  { signature: [0x89, 0x48, 0x44, 0x46], kind: "an HDF5 file", remedy: "it holds weights, while a log is what was printed or recorded during the training" },
  { signature: [0x93, 0x4e, 0x55, 0x4d], kind: "NumPy's format", remedy: "load it in Python and write it with json.dump" },
  { signature: [0x50, 0x41, 0x52, 0x31], kind: "a Parquet file", remedy: "write it as CSV" },
  { signature: [0x53, 0x51, 0x4c, 0x69], kind: "a database", remedy: "take the run out of it as CSV or JSON" },
  { signature: [0x89, 0x50, 0x4e, 0x47], kind: "a picture", remedy: "give the log itself" },
  { signature: [0x80], kind: "a pickle of Python", remedy: "load it in Python and write it with json.dump" },
];

/**
 * The bytes of a file that a log may have.
 * @param {File} file
 * @param {string} diagnose The command that reads more formats.
 */
export async function bytesOf(file, diagnose) {
  if (file.size > LARGEST) {
    throw new LogError(`${file.name} is larger than 20 MB, which is too much for the page; this command reads it: ${commandFor(file.name, diagnose)}`);
  }
  return new Uint8Array(await file.arrayBuffer());
}

/**
 * @param {string} name
 * @param {string} diagnose
 */
function commandFor(name, diagnose) {
  return `${diagnose} ${shellWord(name.startsWith("-") ? `./${name}` : name)}`;
}

/**
 * Reads every training in a file.
 * @param {string} name Of the file.
 * @param {Uint8Array} bytes
 * @param {string} diagnose The command that reads more formats.
 * @returns {Training[]} At least one.
 */
export function readLog(name, bytes, diagnose) {
  const command = commandFor(name, diagnose);
  if (bytes.length === 0) {
    throw new LogError(`${name} is empty; choose a log that the training has written something to.`);
  }
  if (name.includes("tfevents")) {
    throw new LogError(`${name} is an event file of TensorBoard, which the page does not read; this command does: ${command}`);
  }
  const found = FORMATS.find(({ signature }) => signature.every((byte, place) => bytes[place] === byte));
  if (found) throw new LogError(`${name} is ${found.kind}, not a training log; ${found.remedy}.`);
  const tables = trainingsIn(textOf(bytes), name, command);
  const trainings = tables.flatMap(({ title, table }) => split(table).map((part) => ({ title, part })));
  const read = trainings.map(({ title, part }) => finish(part, title));
  const useful = read.filter(({ curves }) => Object.keys(curves).length > 0);
  if (useful.length === 0) {
    throw new LogError(
      `${name} holds no training that the page understands: it expects what Keras prints, CSV with a heading such as ` +
        `epoch,loss,val_acc, or Keras' history as JSON. This command reads more formats: ${command}`,
    );
  }
  return useful.map(({ title, curves, remarks }, place) => {
    const number = useful.length > 1 ? `, training ${place + 1} of ${useful.length}` : "";
    return { name: `${name}${title ? `, ${title}` : ""}${number}`, curves, remarks };
  });
}

/** @param {Uint8Array} bytes */
function textOf(bytes) {
  const isWide = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  const encoding = isWide ? (bytes[0] === 0xff ? "utf-16le" : "utf-16be") : "utf-8";
  return new TextDecoder(encoding).decode(bytes);
}

/**
 * @param {string} text
 * @param {string} name
 * @param {string} command
 * @returns {{ title: string, table: Entry[] }[]}
 */
function trainingsIn(text, name, command) {
  const start = text.trimStart();
  if (/^[{[]\s*["'{\]}]/.test(start)) return ofJson(start, name, command);
  const lines = text.split(/\r?\n/);
  const heading = lines.findIndex((line) => line.trim() !== "" && !line.startsWith("#"));
  const delimiter = delimiterOf(lines[heading] ?? "");
  if (delimiter) return [{ title: "", table: ofTable(lines.slice(heading), delimiter, name) }];
  return [{ title: "", table: ofPrinted(text) }];
}

/**
 * @param {string} text
 * @param {string} name
 * @param {string} command
 */
function ofJson(text, name, command) {
  // Python writes numbers that are not finite as no other program reads them.
  const strict = text.replace(/(?<=[[,:]\s*)(?:-?Infinity|NaN)(?=\s*[,\]}])/g, "null");
  let value;
  try {
    value = JSON.parse(strict);
  } catch {
    const lines = strict.split("\n").filter((line) => line.trim() !== "");
    try {
      value = lines.map((line) => JSON.parse(line));
    } catch (error) {
      throw new LogError(
        `${name} looks like JSON and is not (${error instanceof Error ? error.message : error}); write the history with ` +
          `json.dump. This command also reads what Python prints: ${command}`,
      );
    }
  }
  if (value?.nbformat) {
    throw new LogError(`${name} is a notebook, which the page does not read; this command does: ${command}`);
  }
  return histories(value, "");
}

/**
 * Keras' history, a list of records, or several histories by name.
 * @param {any} value
 * @param {string} title
 * @returns {{ title: string, table: Entry[] }[]}
 */
function histories(value, title) {
  if (Array.isArray(value)) {
    const records = value.filter((record) => typeof record === "object" && record !== null);
    return [{ title, table: records.map((record) => entryOf(Object.entries(record))) }];
  }
  if (typeof value !== "object" || value === null) return [];
  const columns = Object.entries(value).filter(([, column]) => Array.isArray(column));
  if (columns.some(([name]) => metricNamed(name))) {
    const length = Math.max(...columns.map(([, column]) => column.length));
    const table = Array.from({ length }, (_, row) => entryOf(columns.map(([name, column]) => [name, column[row]])));
    return [{ title, table }];
  }
  return Object.entries(value).flatMap(([name, inner]) => histories(inner, name === "history" ? title : name));
}

/**
 * @param {[string, unknown][]} cells
 * @returns {Entry}
 */
function entryOf(cells) {
  /** @type {Entry} */
  const entry = { epoch: null, values: new Map(), percent: new Set() };
  for (const [name, value] of cells) {
    const number = typeof value === "number" && Number.isFinite(value) ? value : null;
    if (isEpoch(name)) entry.epoch = number;
    else if (value !== undefined) entry.values.set(name, number);
  }
  return entry;
}

/** @param {string} name */
function isEpoch(name) {
  return /^epochs?$/i.test(name.trim());
}

/**
 * What parts the columns of a heading; null where the line is none.
 * @param {string} heading
 */
function delimiterOf(heading) {
  const isHeading = /** @type {(names: string[]) => boolean} */ (
    (names) => names.length > 1 && names.some((name) => metricNamed(name) !== null) && names.every((name) => !/[:=]/.test(name))
  );
  return [",", ";", "\t"].find((delimiter) => isHeading(cellsOf(heading, delimiter))) ?? null;
}

/**
 * @param {string} line
 * @param {string} delimiter
 */
function cellsOf(line, delimiter) {
  return line.split(delimiter).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
}

/**
 * @param {string[]} lines The first is the heading.
 * @param {string} delimiter
 * @param {string} name
 */
function ofTable(lines, delimiter, name) {
  const heading = cellsOf(lines[0], delimiter);
  const rows = lines.slice(1).filter((line) => line.trim() !== "" && line.trim() !== lines[0].trim());
  return rows.map((line, place) => {
    const cells = cellsOf(line, delimiter);
    const entry = entryOf([]);
    heading.forEach((title, column) => {
      const text = cells[column] ?? "";
      const isUsed = isEpoch(title) || metricNamed(title) !== null;
      if (!isUsed) {
        if (title !== "") entry.values.set(title, null);
        return;
      }
      const number = numberOf(text, delimiter);
      if (number === undefined) {
        throw new LogError(`${name}: “${text}” in row ${place + 1} of the column “${title}” is not a number; correct it, or leave it empty.`);
      }
      if (isEpoch(title)) entry.epoch = number;
      else entry.values.set(title, number);
      if (text.endsWith("%")) entry.percent.add(title);
    });
    return entry;
  });
}

/**
 * @param {string} text
 * @param {string} delimiter
 * @returns {number | null | undefined} Nothing where it is no number.
 */
function numberOf(text, delimiter) {
  if (/^(|[+-]?(nan|inf|infinity)|na|n\/a|none|null|-)$/i.test(text)) return null;
  // Where a semicolon parts the columns, the decimals stand behind a comma.
  const plain = text.replace(/\s*%$/, "").replace(delimiter === ";" ? "," : "", delimiter === ";" ? "." : "");
  const number = Number(plain);
  return Number.isFinite(number) ? number : undefined;
}

const PAIR = /([A-Za-z][\w@/. ]*?)\s*[:=]\s*(nan|[+-]?inf|[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*(%?)/gi;

/**
 * What a program printed while it trained. A progress bar is drawn many times over itself; only what
 * stands at its end is the epoch's.
 * @param {string} text
 */
function ofPrinted(text) {
  /** @type {Entry[]} */
  const entries = [];
  // eslint-disable-next-line no-control-regex -- terminals move and colour by control characters
  const plain = text.replace(/\u001b\[[0-9;]*[A-Za-z]/g, "");
  /** @type {number | null} */
  let epoch = null;
  /** What the epoch has told. @type {Set<string>} */
  let told = new Set();
  for (const line of plain.split(/[\r\n\b]+/)) {
    const start = /\bEpoch:?\s*\[?(\d+)(\s*\/\s*\d+)?\]?/i.exec(line);
    const rest = start ? line.slice(start.index + start[0].length) : line;
    const pairs = [...rest.matchAll(PAIR)].filter(([, name]) => metricNamed(name));
    // `Epoch 00003: val_loss improved …` has neither and counts otherwise.
    if (start && (start[2] || pairs.length > 0 || /^[\s:]*$/.test(rest))) {
      epoch = Number(start[1]);
      told = new Set();
    }
    const progress = /(?<![\d/])(\d+)\/(\d+)(?![\d/])/.exec(rest);
    const isUnderWay = progress !== null && progress[1] !== progress[2];
    if (epoch === null || pairs.length === 0 || isUnderWay) continue;
    const entry = entryOf([]);
    entry.epoch = epoch;
    for (const [, name, number, percent] of pairs) {
      // A longer line that was drawn over shows its tail behind.
      if (entry.values.has(name)) continue;
      // Behind the validation an epoch is over: what is told once more is an evaluation of the network.
      if (told.has(name) && isValidated(told)) continue;
      entry.values.set(name, Number.isFinite(Number(number)) ? Number(number) : null);
      if (percent) entry.percent.add(name);
    }
    for (const name of entry.values.keys()) told.add(name);
    entries.push(entry);
  }
  return entries;
}

/** @param {Set<string>} names */
function isValidated(names) {
  return [...names].some((name) => metricNamed(name)?.split === "validation");
}

/**
 * Parts a table where its epochs begin again with values that are already there.
 * @param {Entry[]} table
 */
function split(table) {
  /** @type {Entry[][]} */
  const parts = [[]];
  /** @type {Map<number, Set<string>>} */
  let told = new Map();
  let last = -Infinity;
  table.forEach((entry, row) => {
    const epoch = entry.epoch ?? row + 1;
    const names = told.get(epoch);
    const isTold = names !== undefined && [...entry.values].some(([name, value]) => value !== null && names.has(name));
    if (epoch < last && isTold) {
      parts.push([]);
      told = new Map();
    }
    const all = told.get(epoch) ?? new Set();
    entry.values.forEach((value, name) => value !== null && all.add(name));
    told.set(epoch, all);
    parts[parts.length - 1].push({ ...entry, epoch });
    last = epoch;
  });
  return parts;
}

/**
 * Puts the values of a training in their places, counts epochs from 1, and brings accuracies to
 * fractions.
 * @param {Entry[]} entries
 * @param {string} title
 */
function finish(entries, title) {
  const whole = entries.filter(({ epoch }) => Number.isInteger(epoch) && Number(epoch) >= 0 && Number(epoch) <= LAST_EPOCH);
  const shift = whole.some(({ epoch }) => epoch === 0) ? 1 : 0;
  /** @type {Record<string, (number | null)[]>} */
  const curves = {};
  /** @type {string[]} */
  const remarks = [];
  if (whole.length < entries.length) remarks.push("Rows at no whole epoch were passed over.");
  const names = new Set(entries.flatMap(({ values }) => [...values.keys()]));
  // fastai's `accuracy` beside `train_loss` and `valid_loss` is that of validation.
  const stated = [...names].map(metricNamed).flatMap((known) => (known?.split ? [known.metric] : []));
  const isBareValidation =
    stated.includes("train_loss") && stated.includes("validation_loss") && !stated.some((metric) => metric.endsWith("accuracy"));
  /** @type {string[]} */
  const passedOver = [];
  for (const name of names) {
    const known = metricNamed(name);
    if (!known) {
      passedOver.push(name);
      continue;
    }
    if (isBareValidation && known.metric === "train_accuracy") {
      known.metric = "validation_accuracy";
      remarks.push(`“${name}” says no images and is taken for that of validation, as fastai means it.`);
    }
    if (curves[known.metric]) {
      remarks.push(`“${name}” is passed over, since another column has the same meaning.`);
      continue;
    }
    /** @type {(number | null)[]} */
    const row = [];
    for (const { epoch, values } of whole) {
      const place = Number(epoch) - 1 + shift;
      while (row.length <= place) row.push(null);
      row[place] = values.get(name) ?? row[place];
    }
    const numbers = row.filter((value) => value !== null);
    // One value beside many epochs is an evaluation, no curve.
    if (numbers.length === 0 || (numbers.length === 1 && row.length > 1)) continue;
    const isAccuracy = known.metric.endsWith("accuracy");
    const isPercent =
      isAccuracy && (known.isPercent || entries.some(({ percent }) => percent.has(name)) || Math.max(...numbers) > 1.5);
    if (isPercent) remarks.push(`“${name}” is in per cent and was turned into fractions.`);
    curves[known.metric] = row.map((value) => {
      if (value === null) return null;
      const fraction = isPercent ? value / 100 : value;
      return known.isError ? 1 - fraction : fraction;
    });
  }
  if (passedOver.length > 0) {
    const shown = passedOver.slice(0, 8).join(", ");
    const more = passedOver.length > 8 ? ` and ${passedOver.length - 8} more` : "";
    remarks.push(`Passed over ${counted(passedOver.length, "column")}: ${shown}${more}.`);
  }
  return { title, curves, remarks };
}
