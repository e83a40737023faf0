import assert from "node:assert/strict";
import { test } from "node:test";

import { isSelection, readFragment, writeFragment } from "../fragment.js";

const beginning = {
  a: "regime=cached dropout=0.0",
  b: "regime=frozen dropout=0.0",
  metric: "validation_accuracy",
  smoothing: 0,
  logarithmic: false,
  eachSeed: false,
  machineNames: false,
  colour: "cell",
  without: [],
  words: "",
  hidden: [],
};
const known = {
  sides: [beginning.a, beginning.b, "published: 100 % & more"],
  metrics: ["validation_accuracy", "train_loss"],
  levels: ["regime=cached"],
  factors: ["regime"],
  lines: [beginning.a, "regime=cached"],
};

test("what is written is read again", () => {
  const selection = {
    ...beginning,
    b: "published: 100 % & more",
    metric: "train_loss",
    smoothing: 5,
    logarithmic: true,
    eachSeed: true,
    machineNames: true,
    colour: "regime",
    without: ["regime=cached"],
    words: "a+b #1",
    hidden: ["regime=cached dropout=0.0"],
  };
  const fragment = writeFragment(selection, beginning);
  assert.ok(fragment.startsWith("a=regime=cached+dropout=0.0&b=published:+100"), fragment);
  assert.deepEqual(readFragment(fragment, beginning, known), { selection, problems: [] });
});

test("what is as at the beginning is not written, and an anchor is none", () => {
  assert.equal(writeFragment(beginning, beginning), "");
  assert.ok(!isSelection("evidence"));
});

test("what the report does not have is named, and nothing else is lost", () => {
  const { selection, problems } = readFragment("a=regime=gone&metric=train_loss&speed=9&smoothing=4&hidden=log", beginning, known);
  assert.equal(selection.metric, "train_loss");
  assert.equal(selection.a, beginning.a);
  assert.equal(problems.length, 4);
  assert.match(problems[0], /a cell that this report does not have: regime=gone/);
});

test("a percent sign that encodes nothing is one", () => {
  assert.equal(readFragment("words=100%", beginning, known).selection.words, "100%");
});
