import assert from "node:assert/strict";
import { test } from "node:test";

import { LogError, readLog } from "../logs.js";

/** @param {string} name @param {string} text */
const read = (name, text) => readLog(name, new TextEncoder().encode(text), "thaw diagnose");

/** @param {string} name @param {string} text */
function only(name, text) {
  const trainings = read(name, text);
  assert.equal(trainings.length, 1);
  return trainings[0];
}

test("what Keras prints, with the bars that it draws over each other", () => {
  const bar = " 50/100 [====>....] - ETA: 4s - loss: 0.9 - acc: 0.5\r";
  const training = only(
    "console.txt",
    `Epoch 1/2\n${bar}100/100 [====] - 9s - loss: 0.6200 - acc: 0.6500 - val_loss: 0.5100 - val_acc: 0.8100\n` +
      "Epoch 2/2\n100/100 [====] - 9s - loss: 0.4200 - acc: 0.8000 - val_loss: 0.3100 - val_acc: 0.8900\n",
  );
  assert.deepEqual(training.curves.validation_accuracy, [0.81, 0.89]);
  assert.deepEqual(training.curves.train_loss, [0.62, 0.42]);
});

test("CSVLogger's table, whose epochs begin at 0", () => {
  const training = only("log.csv", "epoch,acc,loss,val_acc,val_loss\n0,0.6,0.7,0.8,0.5\n1,0.7,0.6,0.9,0.4\n");
  assert.deepEqual(training.curves.validation_accuracy, [0.8, 0.9]);
});

test("a history as JSON, in per cent, which is said", () => {
  const training = only("history.json", '{"history": {"loss": [0.7, 0.5], "val_accuracy": [81.0, 90.5]}}');
  assert.deepEqual(training.curves.validation_accuracy, [0.81, 0.905]);
  assert.match(training.remarks.join(" "), /%|per cent/);
});

test("what is no log is refused in a sentence that names the file", () => {
  for (const [name, text] of [["a.txt", "nothing of the kind"], ["b.json", "{"], ["c.csv", "x,y\n1,2\n"], ["d.txt", ""]]) {
    assert.throws(() => read(name, text), (error) => error instanceof LogError && error.message.includes(name), name);
  }
});
