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

test("a session stands in the order of the documents", async () => {
  const { view } = await source("app/model/share.ts")
  const cases = table("order.json")
  assert.ok(cases.length > 10)
  for (const { what, items, told } of cases) {
    const replica = { items: new Map(items.map(([key, value], order) => [key, { key, value, first: 1, order }])) }
    // A part whose message is not there stands below none that could be told.
    const messages = view(replica).messages.filter(({ value }) => value.id !== undefined)
    const made = messages.map(({ value, parts, below }) => [`${below ? "> " : ""}${value.id}`, ...parts.flatMap(part => part.value.id ?? [])].join(" "))
    assert.deepEqual(made, told, what)
  }
})
