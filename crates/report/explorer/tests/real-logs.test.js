// Real logs, of which `thaw diagnose` is tested to know the truth, read alike here.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { LogError, readLog } from "../logs.js";

const cases = new URL("../../../exchange/tests/cases/", import.meta.url);
const names = { acc: "train_accuracy", loss: "train_loss", val_acc: "validation_accuracy", val_loss: "validation_loss" };

const numbers = (row) => (row ?? []).filter((value) => value !== null);

for (const version of ["2.0.8", "2.2.4", "3"]) {
  for (const dress of ["terminal", "lines", "logging", "job", "evaluated", "interrupted"]) alike(`printed/${dress}-${version}.txt`);
}
for (const name of ["csv/appended.csv", "csv/european.csv", "csv/na.csv", "csv/quoted.csv", "csv/tabs.tsv", "csv/lightning-metrics.csv", "csv/fastai-history.csv"]) alike(name);
for (const name of ["json/dump.json", "json/nan.json", "json/records-epoch.json", "json/lines-epoch.json", "hand/percent.txt", "hand/bars.txt"]) alike(name);

/** @param {string} name */
function alike(name) {
  test(name, () => {
    const [training] = readLog(name, readFileSync(new URL(name, cases)), "thaw diagnose");
    const text = readFileSync(new URL(`${name}.truth.json`, cases), "utf8").replaceAll("NaN", "null");
    const [truth] = JSON.parse(text);
    for (const [key, metric] of Object.entries(names)) {
      const [read, wanted] = [numbers(training.curves[metric]), numbers(truth[key])];
      assert.equal(read.length, wanted.length, metric);
      // What a program prints is rounded to four digits.
      read.forEach((value, place) => assert.ok(Math.abs(value - wanted[place]) < 6e-5, `${metric}: ${value}`));
    }
  });
}

test("one training after another makes two", () => {
  const trainings = readLog("twice.txt", readFileSync(new URL("printed/twice-2.2.4.txt", cases)), "thaw diagnose");
  assert.deepEqual(trainings.map(({ name }) => name), ["twice.txt, training 1 of 2", "twice.txt, training 2 of 2"]);
});

test("what is no log is told with what it is and what to do", () => {
  for (const [name, wanted] of [
    ["history.h5", /HDF5/],
    ["history.pkl", /pickle/],
    ["history.npy", /NumPy/],
    ["history.parquet", /Parquet/],
    ["log.csv.gz", /gzip/],
    ["logs.zip", /ZIP/],
    ["curves.png", /picture/],
    ["empty.csv", /empty/],
  ]) {
    const read = () => readLog(name, readFileSync(new URL(`not-logs/${name}`, cases)), "thaw diagnose");
    assert.throws(read, (error) => error instanceof LogError && wanted.test(error.message), name);
  }
});
