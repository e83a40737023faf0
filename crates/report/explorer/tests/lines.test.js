// What charts say of their lines, and the strokes in which they draw them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { captionOf, differenceTickOf, tickOf } from "../lines.js";
import { publishedStroke, strokeAt } from "../palette.js";

const accuracy = { name: "validation accuracy", label: "validation accuracy", accuracy: true };
const loss = { name: "train loss", label: "train loss", accuracy: false };
const selection = { logarithmic: false, eachSeed: false, smoothing: 0 };

/** Lines of so many cells. */
const lines = (...rows) => rows.map((values) => ({ values, spansGaps: false, lastEpochOnly: false }));

test("a caption tells whose bands are drawn", () => {
  const many = Array.from({ length: 13 }, (_, place) => [place, 1]);
  assert.match(captionOf(accuracy, selection, lines(...many.slice(1))), /seeds, bands reach from the lowest to the highest seed\./);
  assert.match(captionOf(accuracy, selection, lines(...many)), /seeds, the chosen line's band reaches from the lowest to the highest seed\./);
});

test("a caption tells of lines that lie on each other, and of gaps", () => {
  assert.match(captionOf(accuracy, selection, lines([0.5, 0.6], [0.5, 0.6])), /seed\. Lines that lie on each other are drawn broken over broad\.$/);
  assert.match(captionOf(accuracy, selection, lines([0.5, 0.6], [0.5, 0.7])), /seed\.$/);
  assert.match(captionOf(loss, { ...selection, logarithmic: true }, lines([0.5, null])), /not finite or has no logarithm\.$/);
});

test("numbers at an axis are short, whatever their size", () => {
  assert.deepEqual([0.925, 1].map(tickOf(accuracy)), ["92.5 %", "100 %"]);
  assert.deepEqual([1e-7, 1e-5, 1e-4, 0.1 + 0.2, 1].map(tickOf(loss)), ["1e-7", "1e-5", "0.0001", "0.3", "1"]);
  assert.deepEqual([-0.005, 0, 0.01].map(differenceTickOf(accuracy)), ["−0.5", "0", "+1"]);
  assert.deepEqual([-2e-7, 0.05].map(differenceTickOf(loss)), ["−2e-7", "+0.05"]);
});

/** The strokes of as many cells as have one of their own. */
const strokes = Array.from({ length: 54 }, (_, place) => strokeAt(place));

test("no cell is drawn as another or as a published curve", () => {
  const written = [...strokes, publishedStroke(0), publishedStroke(1), publishedStroke(2)].map((stroke) => JSON.stringify(stroke));
  assert.equal(new Set(written).size, written.length);
  assert.ok(strokes.every(({ colour }) => colour !== publishedStroke(0).colour));
});

/** The luminance of a colour, as the Web Content Accessibility Guidelines define it. */
function luminance(colour) {
  const short = colour.length === 4;
  const channels = [0, 1, 2].map((place) => (short ? colour[1 + place].repeat(2) : colour.slice(1 + 2 * place, 3 + 2 * place)));
  const [red, green, blue] = channels.map((digits) => {
    const part = Number.parseInt(digits, 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

test("every line stands out from the page by 3 : 1, light and dark", () => {
  const style = readFileSync(new URL("../../src/page/style.css", import.meta.url), "utf8");
  const papers = [...style.matchAll(/--paper: (#\w+)/g)].slice(0, 2).map(([, colour]) => luminance(colour));
  assert.equal(papers.length, 2);
  for (const { colour } of [...strokes, publishedStroke(0)]) {
    const line = luminance(colour);
    for (const paper of papers) {
      const contrast = (Math.max(line, paper) + 0.05) / (Math.min(line, paper) + 0.05);
      assert.ok(contrast >= 3, `${colour}: ${contrast.toFixed(2)}`);
    }
  }
});
