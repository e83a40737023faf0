// A chart of lines with bands, read by mouse and by keyboard. What the cursor is at stands beside it
// in words.

import { coverings, logarithmicTicks, rangeAround } from "./curves.js";
import { element } from "./dom.js";
import { swatch } from "./palette.js";

const HEIGHT = 340;
/** Lines that the read-out tells. */
const TOLD = 4;
/** With more lines than these, only the chosen one has its band. */
export const BANDS = 12;
const WIDTH = 2;
/** The width of the uppermost of equal lines, and how much broader each is than the one on it. */
const STEP = 3;
/** So many lines below another have a breadth of their own. */
const MOST_COVERED = 3;
/** How an unbroken line is drawn that lies on another, so that the other is seen between. */
const BROKEN = [8, 8];
const HINT =
  "Move over the chart, or focus it and use the arrow keys: left and right by epoch, up and down by line, Home and End. " +
  "Drag, or + and −, to enlarge a range of epochs; Escape or a double click goes back.";

let charts = 0;

/**
 * @param {string} className
 * @returns {{ figure: HTMLElement, show: (view: View) => void }}
 */
export function createChart(className) {
  charts += 1;
  const caption = element("figcaption", { id: `chart-${charts}-caption` });
  const plot = element("div", {
    class: "plot",
    tabindex: "0",
    role: "application",
    "aria-roledescription": "chart",
    "aria-describedby": caption.id,
  });
  const values = element("div", { class: "values", "aria-live": "polite", "aria-atomic": "true" });
  /** What stands there while the cursor is nowhere: the lines, if they are few, and what can be done. */
  const rest = element("div", { class: "rest" });
  const beside = element("div", { class: "beside" }, values, rest);
  const figure = element("figure", { class: `chart ${className}` }, plot, caption, beside);

  /** @type {View | null} */
  let view = null;
  /** @type {uPlot | null} */
  let chart = null;
  /** The line that stands out, by its place. */
  let chosen = 0;
  /** The line that is drawn so; to draw all of them for every movement would be slow. @type {number | null} */
  let focused = null;
  /** Whether the keyboard moves the cursor, which then decides the line. */
  let isByKeyboard = false;

  /** @param {string} name */
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const width = () => Math.max(200, plot.clientWidth);
  const size = () => ({ width: width(), height: Math.min(HEIGHT, Math.round(width() * 0.8)) });
  const epochs = () => Math.max(0, ...(view?.lines.map((line) => line.values.length) ?? []));

  /** @param {View} next */
  function show(next) {
    const layers = layersOf(next.lines);
    view = { ...next, lines: layers.map(({ line }) => line) };
    chosen = 0;
    focused = null;
    chart?.destroy();
    chart = null;
    caption.textContent = next.caption;
    plot.setAttribute("aria-label", next.label);
    fillRest(next.lines);
    const limits = limitsOf(view);
    if (limits === null) {
      plot.replaceChildren(element("p", { class: "faint nothing" }, "There is nothing to draw."));
      values.replaceChildren();
      rest.hidden = true;
      return;
    }
    plot.replaceChildren();
    const numbers = Array.from({ length: epochs() }, (_, place) => place + 1);
    const rows = view.lines.map((line) => numbers.map((_, place) => line.values[place] ?? null));
    chart = new uPlot(optionsOf(view, layers, limits), [numbers, ...rows], plot);
    leave();
  }

  /**
   * @param {View} next
   * @param {Layer[]} layers Of its lines.
   * @param {[number, number]} limits
   */
  function optionsOf(next, layers, limits) {
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const axis = {
      stroke: () => colour("--ink"),
      grid: { stroke: () => colour("--line"), width: 1 },
      ticks: { stroke: () => colour("--line"), width: 1, size: 5 },
      font,
      labelFont: font,
    };
    /** @type {(_: uPlot, splits: (number | null)[]) => string[]} */
    const tick = (_, splits) => splits.map((value) => (value === null ? "" : next.tick(value)));
    /** @type {(_: uPlot, axis: number, low: number, high: number) => number[]} */
    const splits = (_, __, low, high) => logarithmicTicks(low, high);
    const logarithm = next.isLogarithmic ? { splits, filter: (/** @type {uPlot} */ _, /** @type {number[]} */ ticks) => ticks } : {};
    return {
      ...size(),
      legend: { show: false },
      padding: [10, 14, 0, 0],
      focus: { alpha: next.lines.length > 2 ? 0.3 : 1 },
      cursor: { drag: { x: true, y: false }, y: false, points: { size: 8, width: 2 } },
      scales: { x: { time: false }, y: { distr: next.isLogarithmic ? 3 : 1, range: () => limits } },
      axes: [
        { ...axis, label: "epoch", labelSize: 18, size: 30, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000] },
        { ...axis, ...logarithm, size: 62, values: tick },
      ],
      series: [
        {},
        ...layers.map(({ line, width, dash }) => ({
          stroke: line.stroke.colour,
          dash,
          width,
          points: { show: epochs() < 2 || line.values.filter((value) => value !== null).length === 1 },
          spanGaps: line.spansGaps,
        })),
      ],
      hooks: { drawAxes: [drawBehind], setCursor: [tell] },
    };
  }

  /**
   * Bands, seeds and the beginnings of phases, behind the lines.
   * @param {uPlot} drawn
   */
  function drawBehind(drawn) {
    if (!view) return;
    const { ctx, bbox } = drawn;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.lineWidth = devicePixelRatio;
    ctx.strokeStyle = colour("--faint");
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    if (view.hasZero) {
      const level = drawn.valToPos(0, "y", true);
      strokePath(ctx, [[bbox.left, level], [bbox.left + bbox.width, level]]);
    }
    for (const phase of view.phases) {
      const place = drawn.valToPos(phase - 0.5, "x", true);
      strokePath(ctx, [[place, bbox.top], [place, bbox.top + bbox.height]]);
    }
    ctx.setLineDash([]);
    const isCrowded = view.lines.length > BANDS;
    view.lines.forEach((line, place) => {
      const isQuiet = isCrowded && place !== chosen;
      ctx.fillStyle = line.stroke.colour;
      ctx.strokeStyle = line.stroke.colour;
      ctx.globalAlpha = 0.16;
      if (!isQuiet) fillBand(drawn, line);
      ctx.globalAlpha = isQuiet ? 0.15 : 0.5;
      for (const seed of line.seeds) strokeRow(drawn, seed);
    });
    ctx.restore();
  }

  function leave() {
    values.replaceChildren();
    rest.hidden = false;
  }

  /** @param {Line[]} lines */
  function fillRest(lines) {
    const isFew = lines.length > 1 && lines.length <= TOLD;
    const items = lines.map(({ stroke, label }) => element("li", {}, swatch(stroke), label));
    rest.replaceChildren(...(isFew ? [element("ul", {}, ...items)] : []), element("p", { class: "faint" }, HINT));
  }

  /** Tells the values at the cursor, the nearest line first, which then stands out. @param {uPlot} drawn */
  function tell(drawn) {
    if (!view) return;
    const { idx: epoch, top } = drawn.cursor;
    if (epoch === null || epoch === undefined) {
      leave();
      if (focused !== null) drawn.setSeries(null, { focus: true });
      focused = null;
      return;
    }
    const places = placesAt(epoch);
    const distance = /** @type {(place: number) => number} */ (
      (place) => (isByKeyboard && place === chosen ? -1 : Math.abs(drawn.valToPos(valueAt(place, epoch), "y") - top))
    );
    places.sort((one, other) => distance(one) - distance(other));
    chosen = places[0] ?? chosen;
    if (chosen !== focused) drawn.setSeries(chosen + 1, { focus: true });
    focused = chosen;
    const lines = view.lines;
    const items = places.slice(0, TOLD).map((place) => {
      const { stroke, label, told } = lines[place];
      return element("li", {}, swatch(stroke), `${label}: `, element("b", {}, told(epoch)));
    });
    const more = places.length - items.length;
    rest.hidden = true;
    values.replaceChildren(
      element("p", {}, `Epoch ${epoch + 1}${places.length === 0 ? ": no value" : ""}`),
      element("ol", {}, ...items),
      element("p", { class: "faint" }, more > 0 && `and ${more} more, further away`),
    );
  }

  /** Places of the lines that have a value at an epoch. @param {number} epoch */
  function placesAt(epoch) {
    const lines = view?.lines ?? [];
    return [...lines.keys()].filter((place) => (lines[place].values[epoch] ?? null) !== null);
  }

  /** @param {number} place @param {number} epoch */
  function valueAt(place, epoch) {
    return view?.lines[place].values[epoch] ?? 0;
  }

  /** @param {KeyboardEvent} event */
  function move(event) {
    if (!chart || !view || event.altKey || event.ctrlKey || event.metaKey) return;
    const last = epochs() - 1;
    const at = chart.cursor.idx ?? null;
    let epoch = at ?? 0;
    isByKeyboard = true;
    switch (event.key) {
      case "ArrowLeft":
        epoch = Math.max(0, epoch - 1);
        break;
      case "ArrowRight":
        epoch = at === null ? 0 : Math.min(last, epoch + 1);
        break;
      case "Home":
        epoch = 0;
        break;
      case "End":
        epoch = last;
        break;
      case "ArrowUp":
        chosen = lineBeside(epoch, 1);
        break;
      case "ArrowDown":
        chosen = lineBeside(epoch, -1);
        break;
      case "+":
        enlarge(epoch, 1 / 2);
        break;
      case "-":
        enlarge(epoch, 2);
        break;
      case "Escape":
        showRange({ min: 1, max: last + 1 });
        break;
      default:
        isByKeyboard = false;
        return;
    }
    event.preventDefault();
    bringIntoView(epoch);
    const top = placesAt(epoch).includes(chosen) ? chart.valToPos(valueAt(chosen, epoch), "y") : 0;
    chart.setCursor({ left: chart.valToPos(epoch + 1, "x"), top });
    isByKeyboard = false;
  }

  /** The epochs, from 1, between which the chart is drawn. @returns {[number, number]} */
  function range() {
    const { min, max } = chart?.scales.x ?? {};
    return [min ?? 1, max ?? epochs()];
  }

  /** @param {{ min: number, max: number }} limits */
  function showRange(limits) {
    // At once, since places on the chart are asked for next.
    chart?.batch(() => chart?.setScale("x", limits));
  }

  /**
   * Shows so many times as many epochs, with the cursor's in the middle where that can be.
   * @param {number} epoch From 0.
   * @param {number} times
   */
  function enlarge(epoch, times) {
    const [low, high] = range();
    showRange(rangeAround(epoch + 1, (high - low) * times, epochs()));
  }

  /**
   * Moves an enlarged range to an epoch that lies outside of it.
   * @param {number} epoch From 0.
   */
  function bringIntoView(epoch) {
    const [low, high] = range();
    if (epoch + 1 < low || epoch + 1 > high) showRange(rangeAround(epoch + 1, high - low, epochs()));
  }

  /**
   * The line above or below the chosen one.
   * @param {number} epoch
   * @param {1 | -1} step
   */
  function lineBeside(epoch, step) {
    const places = placesAt(epoch).sort((one, other) => valueAt(one, epoch) - valueAt(other, epoch) || one - other);
    const next = places.indexOf(chosen) + step;
    return places[Math.min(places.length - 1, Math.max(0, next))] ?? chosen;
  }

  plot.addEventListener("keydown", move);
  // Only a width that changed: the chart itself gives the height.
  new ResizeObserver(() => {
    if (chart && Math.round(chart.root.clientWidth) !== width()) chart.setSize(size());
  }).observe(plot);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart?.redraw(false));
  return { figure, show };
}

/**
 * Lines that are equal lie on each other: those below are broader and drawn first, the others broken,
 * so that all can be seen.
 * @param {Line[]} lines
 * @returns {Layer[]}
 */
function layersOf(lines) {
  const rows = lines.map(({ values }) => values);
  const covers = coverings(rows);
  // From the last to the first, what covers is what is covered.
  const covered = coverings([...rows].reverse()).reverse();
  const layers = lines.map((line, place) => ({
    line,
    width: covers[place] + covered[place] > 0 ? STEP * (Math.min(covers[place], MOST_COVERED) + 1) : WIDTH,
    dash: covered[place] > 0 && line.stroke.dash.length === 0 ? BROKEN : line.stroke.dash,
  }));
  return layers.sort((one, other) => other.width - one.width);
}

/**
 * Lowest and highest value with some room; nothing where there is no value.
 * @param {View} view
 * @returns {[number, number] | null}
 */
function limitsOf(view) {
  let [low, high] = [Infinity, -Infinity];
  for (const line of view.lines) {
    for (const row of [line.values, line.low, line.high, ...line.seeds]) {
      for (const value of row) {
        if (value === null) continue;
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
    }
  }
  if (low > high) return null;
  if (view.isLogarithmic) return [low * 0.9, high * 1.1];
  const room = (high - low) * 0.05 || 0.01;
  return [low - room, high + room];
}

/** @param {CanvasRenderingContext2D} ctx @param {number[][]} points */
function strokePath(ctx, points) {
  ctx.beginPath();
  for (const [x, y] of points) ctx.lineTo(x, y);
  ctx.stroke();
}

/**
 * The pieces of a row without gaps, in the canvas's pixels.
 * @param {uPlot} drawn
 * @param {Row} row
 */
function pieces(drawn, row) {
  /** @type {number[][][]} */
  const found = [[]];
  row.forEach((value, epoch) => {
    if (value === null) found.push([]);
    else found[found.length - 1].push([drawn.valToPos(epoch + 1, "x", true), drawn.valToPos(value, "y", true)]);
  });
  return found;
}

/** @param {uPlot} drawn @param {Row} row */
function strokeRow(drawn, row) {
  for (const piece of pieces(drawn, row)) strokePath(drawn.ctx, piece);
}

/** @param {uPlot} drawn @param {Line} line */
function fillBand(drawn, line) {
  // Both edges have the same gaps, and so the same pieces.
  const upper = pieces(drawn, line.high);
  pieces(drawn, line.low).forEach((lower, place) => {
    drawn.ctx.beginPath();
    for (const [x, y] of [...lower, ...upper[place].reverse()]) drawn.ctx.lineTo(x, y);
    drawn.ctx.fill();
  });
}
