// What was declared frozen, what the optimizer collected and what moved, side by side by block.

import { dataTable, element } from "./dom.js";
import { counted, magnitude } from "./text.js";

const FROZEN = 1;
const COLLECTED = 2;
const MOVED = 4;

/** Shades of drift: each holds the drifts from its bound on, relative to the tensor's length. */
const SHADES = [0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1];

/**
 * The audit of a cell by block.
 * @param {Tensor[]} tensors
 * @param {[number, number | null][]} audit
 * @returns {BlockAudit[]}
 */
export function auditByBlock(tensors, audit) {
  return [...new Set(tensors.map(({ block }) => block))].map((block) => {
    const entries = tensors.flatMap((tensor, place) => {
      if (tensor.block !== block) return [];
      const [bits, drift] = audit[place] ?? [0, 0];
      // JSON has no infinite number.
      return [{ name: tensor.name, bits, drift: drift ?? Infinity }];
    });
    /** @type {(mask: number, wanted: number) => string[]} */
    const named = (mask, wanted) => entries.filter(({ bits }) => (bits & mask) === wanted).map(({ name }) => name);
    return {
      block,
      tensors: entries.length,
      frozen: named(FROZEN, FROZEN).length,
      collected: named(COLLECTED, COLLECTED).length,
      movedBy: named(MOVED | COLLECTED, MOVED | COLLECTED),
      movedWithout: named(MOVED | COLLECTED, MOVED),
      drift: Math.max(0, ...entries.map(({ drift }) => drift)),
    };
  });
}

/**
 * The class of a drift, from 0 for none.
 * @param {number} drift
 */
export function shadeOf(drift) {
  return drift === 0 ? 0 : Math.max(1, SHADES.filter((bound) => drift >= bound).length - 1);
}

/**
 * A cell's audit in a sentence.
 * @param {BlockAudit[]} blocks
 */
export function auditInWords(blocks) {
  /** @type {(count: (block: BlockAudit) => number) => number} */
  const sum = (count) => blocks.reduce((total, block) => total + count(block), 0);
  const [all, frozen] = [sum(({ tensors }) => tensors), sum((block) => block.frozen)];
  const collected = sum((block) => block.collected);
  const moved = sum(({ movedBy, movedWithout }) => movedBy.length + movedWithout.length);
  const without = sum(({ movedWithout }) => movedWithout.length);
  const nevertheless = frozen + collected > all ? " nevertheless" : "";
  const declared = `${frozen} of ${counted(all, "tensor")} ${frozen === 1 ? "was" : "were"} declared frozen`;
  const taken = `the optimizer collected ${collected === 0 ? "none" : `${collected}${nevertheless}`}`;
  return `${declared}; ${taken}; ${moved === 0 ? "none" : moved} moved${without > 0 ? `, ${without} of them without the optimizer` : ""}.`;
}

/**
 * @param {Data} data
 * @param {Cell} a
 * @param {Cell} b
 */
export function auditBesides(data, a, b) {
  const [blocksA, blocksB] = [a, b].map(({ audit }) => (audit && audit.length > 0 ? auditByBlock(data.tensors, audit) : null));
  if (!blocksA && !blocksB) return element("p", {}, "Neither cell has an audit.");
  const blocks = blocksA ?? blocksB ?? [];
  /** @type {(block: BlockAudit | undefined) => (Node | string)[]} */
  const columns = (block) =>
    block
      ? [`${block.frozen}`, `${block.collected}`, moved(block.movedBy), moved(block.movedWithout), heat(block.drift)]
      : ["–", "–", "–", "–", "–"];
  const rows = blocks.map((block, place) => {
    const [one, other] = [blocksA?.[place], blocksB?.[place]];
    const differs = one && other && differences(one, other);
    return [
      block.block,
      `${block.tensors}`,
      ...columns(one),
      ...columns(other),
      differs === undefined ? "–" : differs || "nothing",
    ];
  });
  /** @param {string} side */
  const headings = (side) =>
    ["declared frozen", "collected", "moved by the optimizer", "moved without it", "largest drift"].map((words) => `${side}: ${words}`);
  /** @type {(side: string, of: BlockAudit[] | null) => HTMLElement} */
  const sentence = (side, of) => element("p", {}, element("b", {}, `${side}: `), of ? auditInWords(of) : "there is no audit.");
  return element(
    "div",
    { class: "audits" },
    sentence("A", blocksA),
    sentence("B", blocksB),
    dataTable(
      "Tensors of the base by block; the drift is relative to the tensor's length, the largest of all seeds",
      ["block", "tensors", ...headings("A"), ...headings("B"), "differs in"],
      rows,
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    ),
    movedTensors("A", blocksA),
    movedTensors("B", blocksB),
  );
}

/** @param {string[]} names */
function moved(names) {
  return String(names.length);
}

/** @param {number} drift */
function heat(drift) {
  return element("span", { class: `heat shade-${shadeOf(drift)}` }, magnitude(drift));
}

/**
 * What two blocks differ in, in words; empty where they are alike.
 * @param {BlockAudit} one
 * @param {BlockAudit} other
 */
function differences(one, other) {
  const words = [
    one.frozen !== other.frozen && "declared",
    one.collected !== other.collected && "collected",
    (one.movedBy.length !== other.movedBy.length || one.movedWithout.length !== other.movedWithout.length) && "moved",
    shadeOf(one.drift) !== shadeOf(other.drift) && "drift",
  ];
  return words.filter(Boolean).join(", ");
}

/**
 * The tensors that moved by their names, for who wants to look.
 * @param {string} side
 * @param {BlockAudit[] | null} blocks
 */
function movedTensors(side, blocks) {
  /** @type {(what: string, names: string[]) => HTMLElement | false} */
  const list = (what, names) => names.length > 0 && element("p", {}, `${what}: ${names.join(", ")}.`);
  const movedBy = blocks?.flatMap((block) => block.movedBy) ?? [];
  const movedWithout = blocks?.flatMap((block) => block.movedWithout) ?? [];
  if (movedBy.length + movedWithout.length === 0) return null;
  return element(
    "details",
    {},
    element("summary", {}, `${side}: which tensors moved`),
    list("Moved by the optimizer", movedBy),
    list("Moved without it, as running statistics do", movedWithout),
  );
}
