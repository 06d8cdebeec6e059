// A replay begins with nothing and ends with everything; links point at a revision, at a message, at a part.
import assert from "node:assert/strict"
import { fact, host, isWell, producer, reader, recording } from "../lib.mjs"

export default async function () {
  const served = await host()
  const { session, syncs } = recording()
  const share = await producer(served, session, syncs[0])
  const page = await reader(share.url)
  for (const sync of syncs.slice(1, 12)) {
    const before = await page.evaluate(() => globalThis.capshare.revision())
    share.send(sync)
    await page.waitForFunction(before => globalThis.capshare.revision() > before, before)
  }
  const slider = page.getByRole("slider", { name: "Place in the recording" })
  const figure = async name => Number((await page.locator(".figure", { hasText: name }).locator("dd").textContent()).replace(/\D/g, ""))
  const [revision, messages] = [await figure("Revision"), await figure("Messages")]
  assert.ok(revision >= 11 && messages > 5, `${revision} ${messages}`)

  // From the beginning, at the highest speed, to the end: what is shown only grows, and ends as what is.
  await slider.fill("0")
  assert.equal(await figure("Revision"), 1)
  assert.equal(await page.locator(".row").count() < 4, true)
  await page.getByLabel("Speed").selectOption("8")
  await page.getByRole("button", { name: "Play", exact: true }).click()
  let last = 0
  await fact("it is played to its end", async () => {
    const now = await figure("Messages")
    assert.ok(now >= last, `${now} after ${last}`)
    last = now
    return page.getByRole("button", { name: "Now", exact: true }).isDisabled()
  })
  assert.deepEqual([await figure("Revision"), await figure("Messages")], [revision, messages])

  // A link at a revision shows what was there then, and what comes meanwhile does not move it.
  const then = await reader(`${share.url}?revision=5`)
  await then.waitForFunction(() => document.querySelector(".dock-replay"))
  const at = async () => Number(await then.locator(".figure", { hasText: "Revision" }).locator("dd").textContent())
  assert.equal(await at(), 5)
  const shown = Number(await then.locator("#tab-messages .tab-count").textContent())
  assert.ok(shown > 0 && shown < messages, `${shown} of ${messages}`)
  share.send(syncs[12])
  await then.waitForFunction(revision => globalThis.capshare.revision() > revision, revision)
  assert.equal(await at(), 5)
  // The address follows the replay, and leads to the same moment, with the message that it names.
  await then.getByRole("slider", { name: "Place in the recording" }).fill("3200")
  const moment = await fact("the address says the place", async () => /[?&]t=3\.2\b/.test(then.url()) && then.url())
  assert.equal(new URL(moment).searchParams.has("revision"), false)
  const again = await reader(moment)
  await fact("the link leads there", async () => (await again.getByRole("slider", { name: "Place in the recording" }).inputValue()) === (await then.getByRole("slider", { name: "Place in the recording" }).inputValue()))
  assert.equal(await again.locator("#tab-messages .tab-count").textContent(), await then.locator("#tab-messages .tab-count").textContent())
  isWell(again)
  await again.context().close()
  await then.getByRole("button", { name: "Back to now" }).click()
  await fact("now is no place", async () => !/[?&](t|revision)=/.test(then.url()))
  await then.waitForFunction(shown => Number(document.querySelector("#tab-messages .tab-count").textContent) > shown, messages - 1)

  // A link at a part brings it to the top, under the bar; a link at a message that is told with another, its first part.
  const parts = syncs.slice(0, 12).flat().filter(item => item.type === "part" && item.data.type === "tool").map(item => item.data)
  for (const anchor of [parts[3].id, parts[4].messageID]) {
    const linked = await reader(`${share.url}#${anchor}`)
    const top = () => linked.locator(".row.focused").evaluate(row => row.getBoundingClientRect().top)
    await fact(`${anchor} is in view`, async () => (await linked.locator(".row.focused").count()) === 1 && (await top()) >= 40 && (await top()) < 120)
    isWell(linked)
    await linked.context().close()
  }

  // A link is copied with a click, and is the one that leads here.
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"])
  const id = await page.evaluate(() => [...document.querySelectorAll(".row.part")].find(row => row.getBoundingClientRect().top > 200).dataset.row)
  const row = page.locator(`[data-row="${id}"]`)
  await row.hover({ position: { x: 4, y: 4 } })
  await row.getByRole("link", { name: "Copy a link to this part" }).click()
  await page.getByText("Link copied").waitFor()
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `${share.url}#${id}`)
  isWell(page)
  isWell(then)
}
