// The recorded session grows while it is watched.
import assert from "node:assert/strict"
import { fact, held, host, isWell, producer, reader, recording, shown } from "../lib.mjs"

export default async function () {
  const served = await host()
  const { session, syncs } = recording()
  const share = await producer(served, session, syncs[0])
  const page = await reader(share.url)
  await page.waitForFunction(() => globalThis.capshare.state() === "live")
  const parts = () => page.locator(".row.part").count()
  const before = await parts()

  // It was opened at its end, and stays there as it grows.
  for (const sync of syncs.slice(1)) {
    share.send(sync)
    const last = sync.filter(item => item.type === "part").pop()
    if (!last) continue
    const key = `part/${last.data.messageID}/${last.data.id}`
    await page.waitForFunction(key => globalThis.capshare.items().some(item => item.key === key), key)
  }
  assert.ok((await parts()) > before, "parts appeared")
  await fact("page and store hold the same", async () => JSON.stringify(await shown(page)) === JSON.stringify(await held(served, share.id)))
  assert.equal((await shown(page)).length, 138)

  // What it is about: title, model, tokens, and the newest in view.
  await page.getByRole("heading", { level: 1, name: "Scripted session notes" }).waitFor()
  assert.equal(await page.title(), "● Scripted session notes · capshare")
  await page.locator(".live-live").waitFor()
  assert.equal(await page.locator(".chip-model").textContent(), "fake")
  assert.match(await page.locator(".figure", { hasText: "Tokens" }).textContent(), /24k in 1\.4k out/)
  const left = await page.evaluate(() => document.documentElement.scrollHeight - innerHeight - scrollY)
  assert.ok(left < 2, `the newest is in view: ${left} px below`)

  // A reader who scrolled away is left where they are, is told that there is more, and can follow again.
  await page.evaluate(() => scrollTo(0, 0))
  await page.waitForFunction(() => scrollY === 0)
  const more = { ...syncs.flat().find(item => item.type === "part" && item.data.type === "text").data, id: "prt_ffffffffffffffffffffffffff", text: "One more thing." }
  share.send([{ type: "part", data: more }])
  await page.getByRole("button", { name: /1 change, follow/ }).waitFor()
  assert.equal(await page.evaluate(() => scrollY), 0)
  await page.getByRole("button", { name: /follow/ }).click()
  await page.waitForFunction(() => document.documentElement.scrollHeight - innerHeight - scrollY < 2)

  // A text that is typed: each time it is sent whole, and the page is told what was added, which it shows at the end of what it had.
  const frames = []
  const other = await reader(share.url, { frames })
  const typed = { ...more, id: `${more.id}1`, text: "A sentence that is typed. ".repeat(20) }
  const key = `part/${typed.messageID}/${typed.id}`
  const told = () => frames.flatMap(frame => frame.payload?.changes ?? []).filter(change => change.key === key)
  const row = () => other.locator(".row.part", { hasText: typed.text.trim() })
  const step = async end => {
    typed.text += end
    share.send([{ type: "part", data: typed }])
    await row().waitFor()
  }
  await step("It begins. ")
  for (let n = 1; n <= 8; n += 1) await step(`Word ${n} of the rest. `)
  assert.deepEqual(told().map(({ patch, value }) => [patch?.length, value?.text.length]), [[undefined, 531], ...Array(8).fill([1, undefined])])
  assert.ok(JSON.stringify(told().slice(1)).length < 8 * 300, JSON.stringify(told().slice(1)))
  assert.equal(await row().count(), 1)
  for (const one of [page, other]) {
    await fact("page and store hold the same", async () => JSON.stringify(await shown(one)) === JSON.stringify(await held(served, share.id)))
    isWell(one)
  }
}
