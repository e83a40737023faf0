// What is said of cells: their audit, the images on which they disagree, the gap in words.

import assert from "node:assert/strict";
import { test } from "node:test";

import { auditByBlock, auditInWords, shadeOf } from "../audit.js";
import { commandsFor } from "../commands.js";
import { gapInWords } from "../gap.js";
import { disagreement, imageName, mostDisputed } from "../images.js";
import { magnitude, shellWord, shownProbability, shownValue, signed } from "../text.js";

const tensors = ["conv.weight", "conv.bias", "norm.mean"].map((name, place) => ({ name, block: place < 2 ? "block 1" : "block 2", role: "weight" }));

test("an audit is told by block, and who moved a tensor", () => {
  const blocks = auditByBlock(tensors, [[7, 0.02], [3, 0], [5, 1e-7]]);
  assert.deepEqual(blocks, [
    { block: "block 1", tensors: 2, frozen: 2, collected: 2, movedBy: ["conv.weight"], movedWithout: [], drift: 0.02 },
    { block: "block 2", tensors: 1, frozen: 1, collected: 0, movedBy: [], movedWithout: ["norm.mean"], drift: 1e-7 },
  ]);
  assert.equal(auditInWords(blocks), "3 of 3 tensors were declared frozen; the optimizer collected 2 nevertheless; 2 moved, 1 of them without the optimizer.");
  assert.equal(auditInWords(auditByBlock(tensors, [[2, 0], [2, 0], [1, 0]])), "1 of 3 tensors was declared frozen; the optimizer collected 2; none moved.");
});

test("drift is shaded by its order of size, and any drift differs from none", () => {
  assert.deepEqual([0, 1e-12, 1e-6, 0.005, 0.02, 3].map(shadeOf), [0, 1, 1, 4, 5, 6]);
});

test("images are counted by shared seeds that are recorded on both sides", () => {
  const a = { seeds: [0, 1, 2], right: ["1100", "1000", null] };
  const b = { seeds: [2, 1, 0], right: ["1111", "0010", "1010"] };
  assert.deepEqual(disagreement(a, b, 4), {
    seeds: 2,
    onlyA: 1,
    onlyB: 1,
    images: [{ image: 2, rightA: 0, rightB: 2 }, { image: 0, rightA: 2, rightB: 1 }, { image: 1, rightA: 1, rightB: 0 }],
  });
  assert.equal(disagreement(a, { seeds: [7], right: ["1111"] }, 4), null);
  assert.equal(disagreement(a, { seeds: [0], right: null }, 4), null);
});

test("of images that are disputed alike, those with pictures come first and classes take turns", () => {
  const alike = [0, 1, 2, 3, 4, 5].map((image) => ({ image, rightA: 2, rightB: 0 }));
  const more = { image: 6, rightA: 0, rightB: 3 };
  const images = { labels: [0, 0, 0, 1, 1, 0, 0], thumbnails: { 1: "", 2: "", 3: "", 4: "", 5: "" } };
  const chosen = mostDisputed([...alike, more], images, 6).map(({ image }) => image);
  assert.deepEqual(chosen, [6, 1, 3, 2, 4, 5]);
});

test("an image without a name has its number and its class, the first class too", () => {
  assert.equal(imageName({ names: ["cats/1.jpg"] }, 0), "cats/1.jpg");
  assert.equal(imageName({ names: null, labels: [0, 1], classes: ["cats", "dogs"] }, 1), "image 1, class dogs");
  assert.equal(imageName({ names: null, labels: [0, 1], classes: null }, 0), "image 0, class 0");
  assert.equal(imageName({ names: null, labels: null, classes: null }, 1), "image 1");
});

/** A cell that has run for some epochs. */
const lasting = (epochs, seeds = [0, 1]) => ({ seeds, curves: { "validation accuracy": [new Array(epochs).fill(9000)] } });
const metrics = [{ name: "validation accuracy", label: "validation accuracy", accuracy: true }];

test("a gap is a sentence with its intervals and whether it may be chance", () => {
  const data = { experiment: { statistic: "last 10 epochs", last_epochs: 10 }, metrics };
  const gap = (pair) => gapInWords(data, { seeds: 2, equal: false, p: null, gap: null, ...pair }, lasting(30), lasting(30));
  assert.equal(gap({ equal: true }), "A and B are equal to the last bit, on 2 shared seeds.");
  assert.match(gap({ gap: [-0.012, null, null, null, null] }), /B is 1\.20 points lower than .* One seed has no interval\.$/);
  assert.match(gap({ gap: [0.01, -0.01, 0.03, -0.02, 0.04], p: 0.2 }), /−1\.00 to \+3\.00 over seeds, and −2\.00 to \+4\.00 over seeds and images\. p = 0\.200: this may be chance\.$/);
  assert.match(gap({}), /A run of A or B diverged/);
  const alone = { seeds: 0, equal: false, p: null, gap: null };
  assert.match(gapInWords(data, alone, lasting(30, [0]), lasting(30, [1])), /share no seed/);
});

test("a gap between cells of different length says which epochs it is of", () => {
  const pair = { seeds: 3, equal: false, p: null, gap: [-0.02, null, null, null, null] };
  const gap = (statistic, last_epochs, a, b) => gapInWords({ experiment: { statistic, last_epochs }, metrics }, pair, lasting(a), lasting(b));
  assert.match(gap("last 10 epochs", 10, 130, 30), /\(last 10 epochs: A's epochs 121–130 against B's 21–30, mean over 3 shared seeds\)/);
  assert.match(gap("last 10 epochs", 10, 1, 5), /\(last 10 epochs: A's epoch 1 against B's 1–5, mean/);
  assert.match(gap("final", 1, 130, 30), /\(final: A's epoch 130 against B's 30, mean/);
  assert.match(gap("best", null, 130, 30), /\(best of A's 130 epochs against that of B's 30, mean/);
  assert.match(gap("last 10 epochs", 10, 30, 30), /\(last 10 epochs, mean/);
});

test("commands name both cells, and the runs of the first seed that both have", () => {
  const side = (name, seeds, runs) => ({ kind: "cell", seeds, cell: { selector: `'${name}'`, seeds, runs } });
  const data = { commands: { attribute: "thaw attribute it.toml", diagnose: "thaw diagnose" } };
  const commands = commandsFor(data, side("x=1", [0, 1], ["r0", "r1"]), side("x=2", [1], ["s 1"]));
  assert.deepEqual(commands.map(({ command }) => command), ["thaw attribute it.toml --from 'x=1' --to 'x=2'", "thaw diff r1 's 1'"]);
  assert.deepEqual(commandsFor(data, side("x=1", [0], ["r0"]), { kind: "published", seeds: [], cell: null }), []);
});

test("numbers are as in the rest of the report", () => {
  assert.deepEqual([-0.004, -0.006, 10].map((value) => signed(value, 2)), ["+0.00", "−0.01", "+10.00"]);
  assert.deepEqual([0, 3.18e-7, 3.18e-3, 0.0318, 0.5, 2.742, 27.42, 2742].map(magnitude), ["0", "3.18e-7", "0.00318", "0.0318", "0.500", "2.74", "27.4", "2742"]);
  assert.deepEqual([0, 1.346e-5, 0.00457, 0.0123, 2.742].map((loss) => shownValue(loss, false)), ["0", "1.35e-5", "0.00457", "0.0123", "2.7420"]);
  assert.deepEqual([0, 0.0014, 0.05, 0.77].map(shownProbability), ["< 0.001", "0.00140", "0.0500", "0.770"]);
  assert.deepEqual(["a.csv", "it's"].map(shellWord), ["a.csv", String.raw`'it'\''s'`]);
});
