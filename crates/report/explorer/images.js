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
    let [rightA, rightB] = [0, 0];
    for (const [first, second] of recorded) {
      const [a, b] = [first[image] === "1", second[image] === "1"];
      rightA += Number(a);
      rightB += Number(b);
      onlyA += Number(a && !b);
      onlyB += Number(b && !a);
    }
    if (rightA !== rightB) images.push({ image, rightA, rightB });
  }
  images.sort((one, other) => seedsBetween(other) - seedsBetween(one) || one.image - other.image);
  return { seeds, onlyA: onlyA / seeds, onlyB: onlyB / seeds, images };
}

/** @param {{ rightA: number, rightB: number }} image */
function seedsBetween({ rightA, rightB }) {
  return Math.abs(rightA - rightB);
}

/**
 * Some of the images: those on which one side is right with the most seeds more. Among equals those with
 * a picture come first, and the classes take turns.
 * @template {{ image: number, rightA: number, rightB: number }} T
 * @param {T[]} found
 * @param {Images} images
 * @param {number} count
 * @returns {T[]}
 */
export function mostDisputed(found, images, count) {
  /** @type {Map<string, number>} */
  const turns = new Map();
  const ranked = found.map((one) => {
    const pictured = images.thumbnails?.[String(one.image)] !== undefined;
    const place = `${seedsBetween(one)} ${pictured} ${images.labels?.[one.image]}`;
    const turn = turns.get(place) ?? 0;
    turns.set(place, turn + 1);
    return { one, pictured, turn };
  });
  ranked.sort(
    (first, second) =>
      seedsBetween(second.one) - seedsBetween(first.one) ||
      Number(second.pictured) - Number(first.pictured) ||
      first.turn - second.turn ||
      first.one.image - second.one.image,
  );
  return ranked.slice(0, count).map(({ one }) => one);
}

/**
 * The name of an image, or its number and class.
 * @param {Images} images
 * @param {number} image
 */
export function imageName(images, image) {
  const label = images.labels?.[image];
  const word = label === undefined ? "" : images.classes?.[Number(label)] ?? label;
  return images.names?.[image] ?? `image ${image}${word !== "" ? `, class ${word}` : ""}`;
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
  const words = `After the last epoch, only A is right on ${onlyA.toFixed(digits)}, only B on ${onlyB.toFixed(digits)}, of ${counted(images.count, "image")}.${mean}`;
  if (found.images.length === 0) return element("p", {}, words);
  const shown = mostDisputed(found.images, images, SHOWN);
  const some = `${shown.length} of the ${counted(found.images.length, "image")} on which`;
  const order = seeds > 1 ? `${some} one is right with more seeds than the other, the largest differences first:` : `${some} they disagree:`;
  const items = shown.map((one) => imageItem(images, one, seeds));
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
 * @param {{ image: number, rightA: number, rightB: number }} counts
 * @param {number} seeds
 */
function imageItem(images, { image, rightA, rightB }, seeds) {
  const name = imageName(images, image);
  const thumbnail = images.thumbnails?.[String(image)];
  const better = rightB > rightA ? "B" : "A";
  const verdict = seeds > 1 ? `right: A ${rightA}, B ${rightB} of ${seeds} seeds` : `only ${better} is right`;
  return element(
    "li",
    {},
    thumbnail ? element("img", { src: thumbnail, alt: `Validation image ${name}` }) : null,
    element("span", { class: "name" }, name),
    element("span", { class: "faint" }, verdict),
  );
}
