// What people reported of programs that show sessions: each input of the table comes out right on the page, as it does in the host's
// documents (tests/it/cli/field.rs).
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { capshare, fact, host, isWell, reader, share, unfold } from "../lib.mjs"

const DATA = process.env.DATA
const FIELD = join(DATA, "field")

/** Pushes a file of the table; gives the share's URL. */
function pushed(served, file) {
  const said = capshare("push", "--to", served.direct, "--json", file)
  return JSON.parse(said.split("\n").find(line => line.includes('"shared"'))).url
}

/** What the page says, with all of it open. */
async function said(page) {
  await unfold(page)
  return page.locator(".list").innerText()
}

function tells(what, text, { told = [], never = [], once = [] }) {
  let from = 0
  for (const word of told) {
    const at = text.indexOf(word, from)
    assert.ok(at >= 0, `${what}: ${JSON.stringify(word)} is not told, or too early: ${text}`)
    from = at + word.length
  }
  for (const word of never) assert.ok(!text.includes(word), `${what}: ${JSON.stringify(word)} is told: ${text}`)
  for (const word of once) assert.equal(text.split(word).length, 2, `${what}: ${JSON.stringify(word)}: ${text}`)
}

export default async function () {
  const served = await host()
  const viewport = { width: 1280, height: 12_000 }
  for (const row of JSON.parse(readFileSync(join(FIELD, "expected.json"), "utf8"))) {
    const page = await reader(pushed(served, join(FIELD, row.file)), { viewport })
    const text = await said(page)
    tells(row.what, text, row)
    // Files that were read are told without the numbers of their lines, which are counted.
    if (row.page) tells(row.what, text, { told: row.page, never: row.page_never })
    if (row.tokens) assert.equal(await page.locator(".figure", { hasText: "Tokens" }).locator("dd").innerText(), row.tokens.join(" in ") + " out")
    if (row.title) assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), row.title)
    if (row.pictures) {
      const drawn = await page.locator(".picture img").evaluateAll(all => all.map(image => image.naturalWidth))
      assert.deepEqual(drawn, Array(row.pictures).fill(64), row.what)
      assert.match(text, /notes\.txt\s+text\/plain · 11 B/)
      assert.match(text, /hello notes/)
      const [saved] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save a.pdf" }).click()])
      assert.deepEqual([saved.suggestedFilename(), readFileSync(await saved.path(), "utf8")], ["a.pdf", "%PDF-1.4"])
    }
    if (row.right_to_left) {
      const sides = await page.evaluate(() => {
        const of = (selector, side) => [...document.querySelectorAll(selector)].map(one => [getComputedStyle(one).direction, side?.(one)])
        const typed = document.querySelector(".typed")
        const range = document.createRange()
        const last = typed.lastChild
        range.setStart(last, last.textContent.length - 1)
        range.setEnd(last, last.textContent.length)
        // The last sign of a text that is read from the right stands left of its first word.
        const end = range.getBoundingClientRect().left
        range.setStart(typed.firstChild, 0)
        range.setEnd(typed.firstChild, 1)
        return { title: of("h1"), item: of(".markdown li"), paragraph: of(".markdown > p"), code: of("pre, code"), isLeft: end < range.getBoundingClientRect().left }
      })
      const all = (found, direction) => assert.ok(found.length > 0 && found.every(([one]) => one === direction), JSON.stringify(sides))
      all(sides.title, "rtl")
      all(sides.item, "rtl")
      all(sides.paragraph, "ltr")
      all(sides.code, "ltr")
      assert.ok(sides.isLeft, JSON.stringify(sides))
    }
    isWell(page)
    await page.context().close()
  }

  // A long text is there to its end, piece by piece, in an answer, a thought and an instruction.
  const long = `${"word ".repeat(50_000)}THE END OF IT`
  const part = (id, fields) => ({ type: "part", data: { id, messageID: "msg_1", ...fields } })
  const answer = fields => ({ type: "message", data: { id: "msg_1", role: "assistant", ...fields } })
  const parts = { text: { text: long }, reasoning: { text: long }, subtask: { agent: "build", description: "d", prompt: long } }
  for (const [type, fields] of Object.entries(parts)) {
    const page = await reader(share(served, `ses_${type}`, [answer({}), part("prt_1", { type, ...fields })]).url)
    if (type !== "text") await page.locator(".row.part .fold-label").click()
    const more = page.getByRole("button", { name: /It goes on/ })
    await more.waitFor()
    assert.equal(await page.getByText("THE END OF IT").count(), 0)
    await fact(`${type} is there to its end`, async () => {
      if ((await page.getByText("THE END OF IT").count()) > 0) return true
      await more.click()
      return false
    })
    assert.equal(await more.count(), 0)
    isWell(page)
    await page.context().close()
  }

  // A sign in the fragment that is no part of a URL is no reason to stand still, and a session that is over is not live.
  const over = await reader(`${pushed(served, join(FIELD, "clocks-apart.json"))}#50%`)
  await over.locator(".live", { hasText: /^ended \d+ days ago$/ }).waitFor()
  assert.ok(!(await over.title()).startsWith("●"))
  isWell(over)
  const now = Date.now()
  const fresh = share(served, "ses_fresh", [
    { type: "session", data: { id: "ses_fresh", title: "Fresh" } },
    answer({ time: { created: now } }),
    part("prt_1", { type: "tool", tool: "bash", state: { status: "running", input: { command: "sleep" }, time: { start: now } } }),
  ])
  const live = await reader(fresh.url)
  await live.locator(".live-live", { hasText: "running bash" }).waitFor()
  assert.ok((await live.title()).startsWith("●"))

  // On paper is all of it, not what is in the window.
  const many = share(served, "ses_many", [
    answer({ time: { created: 1, completed: 2 } }),
    ...Array.from({ length: 205 }, (_, n) => part(`prt_${n}`, { type: "text", text: `part number ${n}.` })),
  ])
  const paper = await reader(many.url)
  const printed = await paper.evaluate(() => {
    dispatchEvent(new Event("beforeprint"))
    const rows = document.querySelectorAll(".row.part").length
    dispatchEvent(new Event("afterprint"))
    return rows
  })
  assert.equal(printed, 205)
  await fact("the list is short again", async () => (await paper.locator(".row.part").count()) < 100)
  isWell(paper)
}
