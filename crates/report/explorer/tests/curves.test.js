import assert from "node:assert/strict";
import { test } from "node:test";

import { coverings, difference, forLogarithm, logarithmicTicks, rangeAround, sharedSeeds, smoothed, summary } from "../curves.js";

test("a running mean takes what there is at the beginning and leaves gaps as they are", () => {
  assert.deepEqual(smoothed([1, 3, 5, 7], 2), [1, 2, 4, 6]);
  assert.deepEqual(smoothed([1, null, 5], 3), [1, null, 3]);
  assert.deepEqual(smoothed([4, 2], 0), [4, 2]);
});

test("there is a mean only where every seed has a value", () => {
  const { mean, low, high } = summary([[1, 2, null], [3, 4, 5]]);
  assert.deepEqual([mean, low, high], [[2, 3, null], [1, 2, 5], [3, 4, 5]]);
});

test("seeds are paired by their number, not by their place", () => {
  assert.deepEqual(sharedSeeds([0, 1, 2], [2, 0]), [
    { seed: 0, places: [0, 1] },
    { seed: 2, places: [2, 0] },
  ]);
});

test("a difference is of equal seeds, and of means where there are none", () => {
  const paired = difference({ seeds: [0, 1], rows: [[1, 1], [5, 5]] }, { seeds: [1, 0], rows: [[7, 8], [2, 4]] });
  assert.deepEqual([paired.mean, paired.low, paired.high, paired.seeds], [[1.5, 3], [1, 3], [2, 3], 2]);
  const unpaired = difference({ seeds: [0, 1], rows: [[1, 1], [3, 3]] }, { seeds: [], rows: [[3, 4]] });
  assert.deepEqual([unpaired.mean, unpaired.seeds], [[1, 2], 0]);
});

test("a side that did not record the metric has no difference", () => {
  const nothing = difference({ seeds: [0], rows: [] }, { seeds: [0], rows: [[1, 2]] });
  assert.deepEqual([nothing.mean, nothing.seeds], [[], 0]);
});

test("on a logarithmic axis an accuracy is an error, and nothing is zero", () => {
  const [error, perfect] = forLogarithm([0.75, 1], true);
  assert.deepEqual([error, perfect], [0.25, null]);
  assert.deepEqual(forLogarithm([0.1 + 0.9 - 1e-12], true), [null]);
  assert.deepEqual(forLogarithm([0.5, 1.35e-5, 3e-10, 0], false), [0.5, 1.35e-5, 3e-10, null]);
});

test("lines that are equal wherever both have a value lie on each other", () => {
  assert.deepEqual(coverings([[1, 2], [1, 2], [1, 3], [1, 2]]), [2, 1, 0, 0]);
  // One goes on where the others end, and one has a gap.
  assert.deepEqual(coverings([[1, 2, 3], [1, 2], [null, 2, 4]]), [2, 1, 0]);
  assert.deepEqual(coverings([[null, 1], [1], []]), [0, 0, 0]);
});

test("a logarithmic axis has a few round ticks, however wide or narrow it is", () => {
  const shown = (low, high) => logarithmicTicks(low, high).map((tick) => Number(tick.toPrecision(6)));
  assert.deepEqual(shown(0.03, 0.3), [0.05, 0.1, 0.2]);
  assert.deepEqual(shown(0.09, 0.21), [0.1, 0.12, 0.14, 0.16, 0.18, 0.2]);
  for (const high of [0.1000002, 0.1002, 0.49]) {
    const { length } = shown(0.1, high);
    assert.ok(length >= 3 && length <= 11, `${high}: ${length}`);
  }
  assert.deepEqual(shown(1e-6, 1), [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1]);
});

test("a range lies around its epoch where it can, within all of them", () => {
  assert.deepEqual(rangeAround(15, 10, 30), { min: 10, max: 20 });
  assert.deepEqual(rangeAround(2, 10, 30), { min: 1, max: 11 });
  assert.deepEqual(rangeAround(30, 10, 30), { min: 20, max: 30 });
  assert.deepEqual(rangeAround(15, 58, 30), { min: 1, max: 30 });
  assert.deepEqual(rangeAround(15, 0.5, 30), { min: 15, max: 16 });
});
