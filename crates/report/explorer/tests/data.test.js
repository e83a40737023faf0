import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateRawSync } from "node:zlib";

import { pairOf, passes, readData, sidesAtFirst, sourcesOf } from "../data.js";

const levels = (...names) => names.map((name) => ({ name, label: `the ${name}` }));

/** A cell of a level of `regime` and one of `dropout`. */
function cell(regime, dropout, seeds = [0]) {
  return {
    levels: [regime, dropout],
    label: `the ${["cached", "frozen"][regime]} · ${["0.0", "0.5"][dropout]}`,
    name: `regime=${["cached", "frozen"][regime]} dropout=${["0.0", "0.5"][dropout]}`,
    seeds,
    curves: seeds.length > 0 ? { validation_accuracy: seeds.map(() => [9000, null, 9500]) } : null,
  };
}

const data = {
  factors: [
    { name: "regime", label: "procedure", levels: levels("cached", "frozen") },
    { name: "dropout", label: "dropout", levels: levels("0.0", "0.5") },
  ],
  cells: [cell(0, 0), cell(0, 1), cell(1, 0), cell(1, 1, [])],
  pairs: [
    { cells: [0, 1], gap: [-0.3, null, null, null, null], p: null, shares: [], interactions: [] },
    {
      cells: [0, 2],
      gap: [-0.1, -0.15, -0.05, -0.2, 0],
      p: 0.01,
      shares: [{ factor: 0, share: [-0.1, -0.15, -0.05, null, null], p: 0.01 }],
      interactions: [{ factors: [0, 1], effect: [0.02, 0.01, 0.03, null, null] }],
    },
  ],
  published: [{ label: "the book", cells: [0], curves: { validation_accuracy: { epochs: [2, 3], values: [8000, 8100] } } }],
  question: null,
};

test("the numbers are read as the page carries them", async () => {
  const text = deflateRawSync(JSON.stringify({ title: "Ü" })).toString("base64");
  assert.deepEqual(await readData(`\n${text}\n`), { title: "Ü" });
  await assert.rejects(readData("no data"));
});

test("sides are the cells that have run, published curves and logs, in their units", () => {
  const log = { name: "mine.csv", curves: { train_loss: [0.5] }, remarks: [] };
  const sources = sourcesOf(data, [log], false);
  assert.deepEqual(
    sources.map(({ key }) => key),
    ["regime=cached dropout=0.0", "regime=cached dropout=0.5", "regime=frozen dropout=0.0", "published: the book", "log: mine.csv"],
  );
  assert.deepEqual(sources[0].rows("validation_accuracy"), [[0.9, null, 0.9500000000000001]]);
  assert.deepEqual(sources[0].rows("train_loss"), []);
  assert.deepEqual(sources[3].rows("validation_accuracy"), [[null, 0.8, 0.81]]);
  assert.deepEqual(sources[4].rows("train_loss"), [[0.5]]);
});

test("what is known of a pair has the signs of its direction", () => {
  const [first, , last] = data.cells;
  assert.equal(pairOf(data, first, last), data.pairs[1]);
  const back = pairOf(data, last, first);
  assert.deepEqual(back.gap, [0.1, 0.05, 0.15, -0, 0.2]);
  assert.deepEqual(back.shares[0].share, [0.1, 0.05, 0.15, null, null]);
  assert.deepEqual(back.interactions[0].effect, [-0.02, -0.03, -0.01, null, null]);
  assert.equal(pairOf(data, first, data.cells[3]), null);
});

test("filters leave out levels, and ask for all words in either of the names", () => {
  const shown = (filter) => data.cells.filter((each) => passes(data, each, { without: [], words: "", ...filter })).length;
  assert.equal(shown({}), 4);
  assert.equal(shown({ without: ["regime=cached"] }), 2);
  assert.equal(shown({ words: "The FROZEN 0.5" }), 1);
  assert.equal(shown({ words: "dropout=0.0" }), 2);
  assert.equal(shown({ words: "neither" }), 0);
});

test("at first stands what the experiment asks, else the widest gap that could be divided", () => {
  assert.deepEqual(sidesAtFirst({ ...data, question: [1, 2] }), { a: data.cells[1].name, b: data.cells[2].name });
  assert.deepEqual(sidesAtFirst(data), { a: data.cells[2].name, b: data.cells[0].name });
  assert.deepEqual(sidesAtFirst({ ...data, pairs: [] }), { a: data.cells[0].name, b: data.cells[1].name });
  assert.deepEqual(sidesAtFirst({ ...data, pairs: [], cells: [data.cells[0]], published: [] }), { a: data.cells[0].name, b: data.cells[0].name });
});

test("the order of pairs is as the page gave it", () => {
  const order = data.pairs.map(({ cells }) => cells);
  sidesAtFirst(data);
  assert.deepEqual(data.pairs.map(({ cells }) => cells), order);
});
