// A training log that is dropped anywhere on the page, or chosen by a button.

import { element } from "./dom.js";
import { LogError, bytesOf, readLog } from "./logs.js";
import { counted } from "./text.js";

/**
 * @param {string} diagnose The command that reads more formats.
 * @param {(trainings: Training[]) => void} take
 */
export function createDrop(diagnose, take) {
  const input = element("input", { type: "file", accept: ".txt,.log,.csv,.tsv,.json,.jsonl,text/*,application/json" });
  input.addEventListener("change", () => {
    if (input.files?.[0]) read(input.files[0]);
    // The same file may be chosen again when it has grown.
    input.value = "";
  });
  const status = element("p", { role: "status", class: "log-status" });
  const overlay = element("div", { class: "drop-overlay", hidden: true }, element("p", {}, "Drop a training log to compare it. It stays in this browser."));
  const root = element(
    "div",
    { class: "drop screen-only" },
    element("label", { class: "field" }, element("span", {}, "Open a training log"), input),
    element("p", { class: "faint" }, "Or drop it anywhere on the page: what Keras prints, CSV, or a history as JSON. It is read in this browser and never sent anywhere."),
    status,
  );

  /** @param {File} file */
  async function read(file) {
    try {
      const trainings = readLog(file.name, await bytesOf(file, diagnose), diagnose);
      take(trainings);
      const remarks = trainings.flatMap((training) => training.remarks);
      status.textContent = [`Read ${counted(trainings.length, "training")} from ${file.name}.`, ...new Set(remarks)].join(" ");
    } catch (error) {
      status.textContent =
        error instanceof LogError ? error.message : `${file.name} cannot be read: ${error instanceof Error ? error.message : error}`;
    }
    root.scrollIntoView({ block: "center" });
  }

  // Entering a child leaves its parent: only the number of elements tells when the page is left.
  let entered = 0;
  /** @param {DragEvent} event */
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;
  addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    entered += 1;
    overlay.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!hasFiles(event)) return;
    entered -= 1;
    overlay.hidden = entered <= 0;
  });
  addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    entered = 0;
    overlay.hidden = true;
    if (!hasFiles(event)) return;
    event.preventDefault();
    const file = event.dataTransfer?.files[0];
    if (file) read(file);
  });
  document.body.append(overlay);
  return { root };
}
