// A session of 3,000 parts with a long text each, whose document is cut off on its way: the newest is there and live, and a part that a link
// points at before it; when the network holds, all of it comes, and each text is whole where it is shown.
import assert from "node:assert/strict"
import { fact, host, isWell, producer, reader, shown, held } from "../lib.mjs"

const PARTS = 3_000
const words = n => `part ${n} begins ${"and goes on and on ".repeat(80)}until part ${n} ends`
const id = n => `prt_${String(n).padStart(5, "0")}`

function items() {
  const all = [{ type: "session", data: { id: "ses_1", title: "A long one", time: { created: 1, updated: 2 } } }]
  for (let n = 0; n < PARTS; n += 1) {
    const message = `msg_${String(Math.floor(n / 10)).padStart(5, "0")}`
    if (n % 10 === 0) all.push({ type: "message", data: { id: message, role: n % 20 === 0 ? "user" : "assistant", sessionID: "ses_1", time: { created: n } } })
    all.push({ type: "part", data: { id: id(n), messageID: message, sessionID: "ses_1", type: "text", text: words(n) } })
  }
  return all
}

export default async function () {
  const served = await host()
  const share = await producer(served, "ses_1", items())
  await fact("all of it is there", async () => (await fetch(`${served.direct}/share/${share.id}.md`).then(one => one.text())).includes(words(PARTS - 1)))

  // The document ends after the lines that are wanted first, and again and again, until it may come.
  let lines = 2
  let isHeldUp = true
  const holdUp = async page =>
    page.route("**/state/**", async route => {
      const body = await fetch(route.request().url()).then(one => one.text())
      await route.fulfill({ contentType: "application/x-ndjson", body: isHeldUp ? body.split("\n").slice(0, lines).join("\n") + "\n" : body })
    })
  const row = (page, n) => page.locator(`[data-row="${id(n)}"]`)

  const page = await reader(share.url, { settle: false, prepare: holdUp })
  await page.locator(".row.part").first().waitFor()
  assert.ok((await page.locator(".row.part").first().getAttribute("data-row")) > id(PARTS - 100), "the newest comes first")
  await page.waitForFunction(() => globalThis.capshare.state() === "live")
  const loading = () => page.locator(".loading").textContent()
  assert.match(await loading(), /Loading the whole session: [\d,]+ of 3,301 items so far/)
  assert.equal(await page.evaluate(() => globalThis.capshare.ready()), false)
  // It is live though most of it is not here.
  share.send([{ type: "part", data: { id: id(PARTS), messageID: "msg_00299", sessionID: "ses_1", type: "text", text: "it came while the rest was on its way" } }])
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight))
  await page.getByText("it came while the rest was on its way").waitFor()

  lines = 3
  const other = await reader(`${share.url}#${id(70)}`, { settle: false, prepare: holdUp })
  await fact("the row is in view, and has the focus's mark", async () => (await row(other, 70).boundingBox())?.y < 200)
  assert.ok((await row(other, 70).textContent()).includes("until part 70 ends"))
  assert.equal(await other.evaluate(() => globalThis.capshare.ready()), false)
  assert.ok((await other.evaluate(() => globalThis.capshare.items().length)) < 400)

  // All of it comes when it can, and what is read stays where it is.
  isHeldUp = false
  const before = (await row(other, 70).boundingBox()).y
  for (const one of [page, other]) await one.waitForFunction(() => globalThis.capshare.ready())
  assert.ok(Math.abs((await row(other, 70).boundingBox()).y - before) < 2, "it stays where it was")
  assert.equal(await page.locator(".loading").count(), 0)
  assert.deepEqual(await shown(page), await held(served, share.id))

  // Whole where they are shown, wherever that is.
  for (const n of [0, 1_500, 200, 2_900, 0]) {
    await page.evaluate(id => (location.hash = id), id(n))
    await fact(`part ${n} is whole`, async () => (await row(page, n).textContent().catch(() => "")).includes(`until part ${n} ends`))
    assert.equal(await row(page, n).getAttribute("aria-busy"), "false")
  }
  // A part that is short changes and grows: it is shown as it is then.
  share.send([{ type: "part", data: { id: id(0), messageID: "msg_00000", sessionID: "ses_1", type: "text", text: `${words(0)}, and goes on after its end` } }])
  await fact("the new end is there", async () => (await row(page, 0).textContent()).includes("and goes on after its end"))
  for (const one of [page, other]) isWell(one)
}
