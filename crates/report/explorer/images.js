// Validation images on which two cells disagree.

import { sharedSeeds } from "./curves.js";
import { element } from "./dom.js";
import { counted } from "./text.js";

const SHOWN = 24;

/**
 * @param {Cell} a
 * @param {Cell} b
 * @param {number} count Of images.
 * @returns {Disagreement | null} Nothing where no shared seed is recorded on both sides.
 */
export function disagreement(a, b, count) {
  const recorded = sharedSeeds(a.seeds, b.seeds).flatMap(({ places: [one, other] }) => {
    const [first, second] = [a.right?.[one], b.right?.[other]];
    return first && second ? [[first, second]] : [];
  });
  const seeds = recorded.length;
  if (seeds === 0) return null;
  let [onlyA, onlyB] = [0, 0];
  const images = [];
  for (let image = 0; image < count; image += 1) {
    let change = 0;
    for (const [first, second] of recorded) {
      if (first[image] === second[image]) continue;
      if (first[image] === "1") {
        onlyA += 1;
        change -= 1;
      } else {
        onlyB += 1;
        change += 1;
      }
    }
    if (change !== 0) images.push({ image, change: change / seeds });
  }
  images.sort((one, other) => Math.abs(other.change) - Math.abs(one.change) || one.image - other.image);
  return { seeds, onlyA: onlyA / seeds, onlyB: onlyB / seeds, images };
}

/**
 * The name of an image, or its number and class.
 * @param {Images} images
 * @param {number} image
 */
export function imageName(images, image) {
  const label = images.labels?.[image];
  const word = label === undefined ? "" : images.classes?.[Number(label)] ?? label;
  return images.names?.[image] ?? `image ${image}${word ? `, class ${word}` : ""}`;
}

/**
 * @param {Images | null} images
 * @param {Cell} a
 * @param {Cell} b
 */
export function imagesBesides(images, a, b) {
  const found = images && disagreement(a, b, images.count);
  if (!images || !found) {
    return element("p", {}, "There is no shared seed for which it was recorded which images were classified rightly.");
  }
  const { seeds, onlyA, onlyB } = found;
  const mean = seeds > 1 ? ` Means over ${seeds} shared seeds of each seed's count.` : " Of one shared seed.";
  const digits = seeds > 1 ? 1 : 0;
  const words = `Only A is right on ${onlyA.toFixed(digits)}, only B on ${onlyB.toFixed(digits)}, of ${counted(images.count, "image")}.${mean}`;
  if (found.images.length === 0) return element("p", {}, words);
  const shown = found.images.slice(0, SHOWN);
  const order =
    seeds > 1
      ? `The ${counted(shown.length, "image")} that differ most, by the number of seeds with which they are right:`
      : `The first ${shown.length} of the ${counted(found.images.length, "image")} on which they disagree:`;
  const items = shown.map(({ image, change }) => imageItem(images, image, change, seeds));
  return element(
    "div",
    {},
    element("p", {}, words),
    element("p", { class: "faint" }, order),
    element("ul", { class: "images" }, ...items),
  );
}

/**
 * @param {Images} images
 * @param {number} image
 * @param {number} change
 * @param {number} seeds
 */
function imageItem(images, image, change, seeds) {
  const name = imageName(images, image);
  const thumbnail = images.thumbnails?.[String(image)];
  const better = change > 0 ? "B" : "A";
  const more = Math.round(Math.abs(change) * seeds);
  const verdict = seeds > 1 ? `${better} is right with ${more} of ${seeds} seeds more` : `only ${better} is right`;
  return element(
    "li",
    {},
    thumbnail ? element("img", { src: thumbnail, alt: `Validation image ${name}` }) : null,
    element("span", { class: "name" }, name),
    element("span", { class: "faint" }, verdict),
  );
}
