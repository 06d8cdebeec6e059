// What the page's sources make of texts and items, by the tables that the host's documents are tried by too. Run by tests/it/browser.rs.
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { source } from "./sources.mjs"

const table = name => JSON.parse(readFileSync(join(process.env.DATA, name), "utf8"))

test("output reads as a terminal shows it", async () => {
  const { lines, runs, withoutEscapes } = await source("app/text/terminal.ts")
  const cases = table("terminal.json")
  assert.ok(cases.length > 20)
  for (const { what, output, shown, text, runs: expected } of cases) {
    const made = runs(output)
    assert.equal(made.map(run => run.text).join(""), shown, what)
    if (text !== undefined) assert.equal(withoutEscapes(output), text, what)
    if (expected) assert.deepEqual(made.map(run => [run.style, run.text]), expected, what)
    // Line by line it is that too, but for a line break at its end.
    const joined = lines(output).map(line => line.map(run => run.text).join("")).join("\n")
    assert.equal(joined, shown.replace(/\n$/, ""), what)
  }
})
