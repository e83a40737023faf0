// The commands that do a comparison again.

import { sharedSeeds } from "./curves.js";
import { element } from "./dom.js";
import { shellWord } from "./text.js";

/**
 * @param {Data} data
 * @param {Source} a
 * @param {Source} b
 * @returns {{ what: string, command: string }[]}
 */
export function commandsFor(data, a, b) {
  const { attribute, diagnose } = data.commands;
  if (!a.cell || !b.cell) {
    const isLog = a.kind === "log" || b.kind === "log";
    return isLog ? [{ what: "what the log tells of the training", command: `${diagnose} LOG` }] : [];
  }
  const commands = [
    { what: "the gap, divided", command: `${attribute} --from ${a.cell.selector} --to ${b.cell.selector}` },
  ];
  const [shared] = sharedSeeds(a.seeds, b.seeds);
  if (shared && a.cell.runs && b.cell.runs) {
    const runs = [a.cell.runs[shared.places[0]], b.cell.runs[shared.places[1]]];
    commands.push({ what: `what differs between the runs of seed ${shared.seed}`, command: `thaw diff ${runs.map(shellWord).join(" ")}` });
  }
  return commands;
}

/**
 * A command with a button that copies it.
 * @param {{ what: string, command: string }} line
 */
export function copyable({ what, command }) {
  const code = element("code", {}, command);
  const status = element("span", { role: "status", class: "faint" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(command);
      status.textContent = "copied";
    } catch {
      // A page that is opened as a file may have no clipboard.
      getSelection()?.selectAllChildren(code);
      status.textContent = "selected; copy it with the keyboard";
    }
  };
  const button = element("button", { type: "button", "aria-label": `Copy the command for ${what}`, onclick: copy }, "Copy");
  return element(
    "div",
    { class: "command" },
    element("p", {}, `${what[0].toUpperCase()}${what.slice(1)}: `, element("span", { class: "screen-only" }, button, " ", status)),
    element("pre", {}, code),
  );
}
