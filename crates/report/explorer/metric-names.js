// What people call their metrics; the same words that `thaw diagnose` knows.

const SPLITS = {
  train: ["train", "training", "trn", "tr"],
  validation: ["val", "valid", "validation", "validating", "eval", "evaluation", "evaluating", "dev"],
  test: ["test", "testing"],
};
const ACCURACY = ["acc", "accuracy", "acc1", "accuracy1", "accuracy01", "top1", "prec1", "error"];
const FILLERS = (
  "epoch binary categorical sparse crossentropy mean average avg metric metrics " +
  "rate score set on the 1 top pct percent s"
).split(" ");

/**
 * Understands names such as `val_acc`, `epoch_loss` or `Accuracy/validation`. Names with other
 * words, such as `batch_loss`, may mean anything.
 * @param {string} text
 * @returns {MetricName | null}
 */
export function metricNamed(text) {
  const lower = text.replace(/(\p{Ll})(?=\p{Lu})/gu, "$1 ").toLowerCase();
  if (/^1 ?-/.test(lower)) return null;
  const words = lower.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== "");
  /** @type {(list: string[]) => boolean} */
  const has = (list) => words.some((word) => list.includes(word));
  const known = [...Object.values(SPLITS).flat(), ...ACCURACY, ...FILLERS, "loss"];
  if (words.some((word) => !known.includes(word))) return null;
  const isError = words.includes("error");
  if (isError && !has(["rate", "top1"])) return null;
  const splits = Object.entries(SPLITS).filter(([, list]) => has(list));
  const isLoss = words.includes("loss");
  if (splits.length > 1 || has(ACCURACY) === isLoss) return null;
  const split = splits.length === 1 ? splits[0][0] : null;
  const isPercent = lower.includes("%") || has(["pct", "percent"]);
  return { metric: `${split ?? "train"}_${isLoss ? "loss" : "accuracy"}`, isError, isPercent, split };
}
