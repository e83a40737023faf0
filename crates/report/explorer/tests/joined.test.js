// The page joins the modules into one function, so their names must not clash.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("..", import.meta.url);
const modules = readdirSync(folder).filter((name) => name.endsWith(".js"));
const read = (name) => readFileSync(new URL(name, folder), "utf8");

test("the modules together are one script, in which every name stands once", () => {
  const lines = modules.flatMap((name) => read(name).split("\n"));
  const joined = lines.filter((line) => !line.startsWith("import ")).map((line) => line.replace(/^export /, ""));
  // Only its syntax is looked at.
  assert.doesNotThrow(() => new Function(`"use strict";\n${joined.join("\n")}`));
});

test("imports are of a form that the page can take out line by line", () => {
  for (const name of modules) {
    for (const line of read(name).split("\n").filter((text) => /^(import|export)\b/.test(text))) {
      assert.match(line, /^(import \{ [\w, ]+ \} from "\.\/[\w-]+\.js";|export (async )?(function|const|class) .*)$/, name);
      assert.doesNotMatch(line, /^import .* as /, name);
    }
  }
});
