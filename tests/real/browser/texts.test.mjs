// What the page's sources make of texts and items, by the tables that the host's documents are tried by too. Run by tests/it/browser.rs.
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { source } from "./sources.mjs"

const table = name => JSON.parse(readFileSync(join(process.env.DATA, name), "utf8"))

/** Microseconds of the processor that something takes. */
function cost(read) {
  const before = process.cpuUsage()
  read()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

/** Fails if reading a text of four times the length costs as much more as if it cost the square: sixteen times. */
function isLinear(what, textOf, read) {
  const [short, long] = [textOf(20_000), textOf(80_000)]
  const once = Math.min(...[short, short, short].map(text => cost(() => read(text))))
  const fourTimes = cost(() => read(long))
  assert.ok(fourTimes < 9 * once + 200_000, `${JSON.stringify(what)}: ${once} µs, and of four times the length ${fourTimes} µs`)
}

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

test("output costs no more whatever it says", async () => {
  const { runs } = await source("app/text/terminal.ts")
  const wide = "x".repeat(65_536)
  const costs = again => cost(() => runs(wide + again.repeat(40_000)))
  const colours = Math.min(...[1, 2, 3].map(() => costs("\u001b[31mx")))
  for (const again of [
    "\u001b[1K", "\u001b[2K\u001b[60000Cx", "\r\u001b[1P", "\u001b[65000G\u001b[1K", "\u001b[200;60000Hx", "\u001b[2J", "\n\u001b[2Jx", "\u001b]", "\u009d",
  ]) {
    const most = 9 * colours + 200_000
    assert.ok(costs(again) < most, `${JSON.stringify(again)} costs more than ${most} µs`)
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

test("Markdown costs what its length says", async () => {
  const { rendered } = await source("app/text/markup.ts")
  // Of each it is known that it cost the square of its length.
  const cases = [
    "[", "![", "[a](", "[a]", "*a", "*a **b ", "***a", "_a ", "`a ", "``` ", "~~a ", "a*b_c", "<", "<a ", "<http://", "a@", "a\n", "a|b\n",
    "\\(", "\\[a\n", "$$", "$$ a\n", "x\n$$a$$\n", "[^1", "x\n[^1]: a\n", "[^1\n", "> ", "1. ", "> - ", "- [ ] ", "> > a\nb\n", "> - a\nb\n", "- a\n  b\n",
  ]
  const texts = cases.map(again => [again, length => again.repeat(length / again.length)])
  texts.push(["a wide table", length => `${"|a".repeat(500)}\n${"|-".repeat(500)}\n${"|\n".repeat(length / 2)}`])
  texts.push(["a long item", length => `- a\n${"  b\n".repeat(length / 4)}`])
  const read = text => assert.ok(rendered(text).length < 20 * text.length)
  for (const [what, textOf] of texts) isLinear(what, textOf, read)
})

test("Markdown is what was written", async () => {
  const { rendered } = await source("app/text/markup.ts")
  const formulas = text => [...rendered(text).matchAll(/<(?:span|p) class="formula">(.*?)<\/(?:span|p)>/gs)].map(([, formula]) => formula)
  for (const [text, ...expected] of [
    ["a $x_1$ and \\(y\\) and $$z$$ b", "$x_1$", "\\(y\\)", "$$z$$"],
    ["a\n$$\nx\n$$\nb", "$$\nx\n$$"],
    ["a\n\n  \\[ x \\]  \n\nb", "\\[ x \\]"],
    // Sums of money, and code.
    ["$5 or $6"],
    ["`$a` and `$b`"],
    ["it costs $a, see `b$`"],
    ["$a`b`$ \\( `c` \\)"],
    ["a\n$$ no end\nb"],
  ]) {
    assert.deepEqual(formulas(text), expected, text)
  }
  // What is no formula ends no paragraph.
  assert.equal(rendered("a\n$$ b\nc"), "<p>a<br>$$ b<br>c</p>\n")
  const long = "Some **words** with `code` in them, and a [link](https://example.org).\n".repeat(300)
  const html = rendered(long)
  for (const tag of ["<strong>", "<code>", "<a "]) assert.ok(html.split(tag).length - 1 > 290, tag)
  assert.equal(rendered(`${"> ".repeat(40)}the end`).split("<blockquote>").length - 1, 32)
  assert.match(rendered(`${"> ".repeat(4_000)}the end`), /the end/)
  assert.match(rendered("|a|b|\n|-|-|\n|1|\n"), /<td>1<\/td>\n<td><\/td>/)
})

test("the mark says what goes on, by the session's own times and not by the connection", async () => {
  const [{ activity }, { view }] = [await source("app/model/activity.ts"), await source("app/model/share.ts")]
  const NOW = Date.UTC(2026, 10, 20, 12)
  const [SECOND, MINUTE, HOUR, DAY] = [1_000, 60_000, 3_600_000, 86_400_000]
  const told = ({ items = [], asks = [], heard = 0, state = { name: "live" } }) => {
    const held = items.map(([key, value], n) => [key, { key, value, revision: 1, first: 1, order: n, type: key.split("/")[0] }])
    const { mark, words } = activity({ state, asks, heard }, view({ items: new Map(held) }), NOW)
    return [mark, words]
  }
  const asked = ago => ["message/m1", { id: "m1", role: "user", time: { created: NOW - ago } }]
  const answer = (ago, completed) => ["message/m2", { id: "m2", role: "assistant", parentID: "m1", time: { created: NOW - ago, ...(completed && { completed: NOW - ago }) } }]
  const call = (ago, status) => ["part/m2/p1", { id: "p1", type: "tool", tool: "bash", state: { status, time: { start: NOW - ago, ...(status === "completed" && { end: NOW - ago }) } } }]
  const cases = [
    [{ items: [] }, ["ended", "ended"]],
    [{ items: [asked(5 * SECOND)] }, ["live", "thinking"]],
    [{ items: [asked(20 * SECOND), answer(20 * SECOND), call(10 * SECOND, "running")] }, ["live", "running bash"]],
    [{ items: [asked(20 * SECOND), answer(20 * SECOND), call(10 * SECOND, "completed")] }, ["live", "working"]],
    [{ items: [asked(HOUR), answer(11 * MINUTE), call(10 * MINUTE, "running")] }, ["stalled", "nothing for 10 min"]],
    [{ items: [asked(3 * HOUR), answer(3 * HOUR), call(2 * HOUR, "running")] }, ["ended", "ended 2 h ago"]],
    [{ items: [asked(MINUTE), answer(20 * SECOND, true)] }, ["live", "live"]],
    [{ items: [asked(HOUR), answer(10 * MINUTE, true)] }, ["waiting", "idle for 10 min"]],
    [{ items: [asked(4 * DAY), answer(3 * DAY + HOUR, true)] }, ["ended", "ended 3 days ago"]],
    // What changes while it is looked at goes on, whatever its times say.
    [{ items: [asked(4 * DAY), answer(3 * DAY, true)], heard: NOW - SECOND }, ["live", "live"]],
    [{ items: [asked(HOUR)], asks: [{ ask: {} }] }, ["waiting", "waiting for an answer"]],
    [{ items: [asked(4 * DAY), answer(3 * DAY, true)], asks: [{ ask: {}, settled: {} }] }, ["ended", "ended 3 days ago"]],
    [{ items: [asked(SECOND)], state: { name: "waiting", attempt: 1 } }, ["away", "reconnecting"]],
    [{ items: [asked(SECOND)], state: { name: "connecting" } }, ["away", "connecting"]],
    [{ items: [asked(SECOND)], state: { name: "closed", error: { code: "NotFound" } } }, ["ended", "deleted"]],
  ]
  for (const [what, expected] of cases) assert.deepEqual(told(what), expected, JSON.stringify(what))
})
