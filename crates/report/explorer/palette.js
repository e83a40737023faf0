// Colours that are told apart with any kind of colour vision, and strokes, so that colour is never the
// only sign. The first four are of Okabe & Ito (2008). Their sky blue is darker here, and violet stands
// in for their orange: both stand out from white by less than 3 : 1, and an orange that is dark enough
// looks like vermilion to many.

import { drawing } from "./dom.js";

const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8855ee", "#379bd6"];
/** For published curves alone. */
const GREY = "#787878";
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [16, 4], [8, 3, 2, 3, 2, 3], [4, 4], [2, 8], [8, 3, 2, 3, 2, 3, 2, 3]];

/**
 * The stroke of the cell or level at a place, which it keeps whatever else is shown.
 * @param {number} place
 * @returns {Stroke}
 */
export function strokeAt(place) {
  const turn = Math.floor(place / COLOURS.length);
  return { colour: COLOURS[place % COLOURS.length], dash: DASHES[turn % DASHES.length] };
}

/**
 * The stroke of the published curve at a place: grey and broken.
 * @param {number} place
 * @returns {Stroke}
 */
export function publishedStroke(place) {
  return { colour: GREY, dash: DASHES[1 + (place % (DASHES.length - 1))] };
}

/** Of the two sides of a comparison, and of what adds and what takes. */
export const SIDES = {
  a: { colour: COLOURS[0], dash: DASHES[0] },
  b: { colour: COLOURS[1], dash: DASHES[1] },
};
export const ADDS = COLOURS[1];
export const TAKES = COLOURS[5];

/**
 * A short piece of a line, for legends.
 * @param {Stroke} stroke
 */
export function swatch({ colour, dash }) {
  const line = drawing("line", {
    x1: "1",
    x2: "27",
    y1: "6",
    y2: "6",
    stroke: colour,
    "stroke-width": "3",
    "stroke-dasharray": dash.join(" "),
  });
  return drawing("svg", { class: "swatch", width: "28", height: "12", viewBox: "0 0 28 12", "aria-hidden": "true" }, line);
}
