// A reload, a network that is gone for a while, and a host that restarts leave no gap.
import assert from "node:assert/strict"
import { fact, held, host, isWell, producer, reader, recording, shown } from "../lib.mjs"

export default async function () {
  const served = await host()
  const { session, syncs } = recording()
  const share = await producer(served, session, syncs[0])
  // What a browser says when nobody answers is no fault of the page.
  const page = await reader(share.url, { expect: [/WebSocket connection to .* failed/, /Failed to load resource: net::/] })
  const chunk = Math.ceil(syncs.length / 4)
  const send = async n => {
    const sent = syncs.slice(1 + n * chunk, 1 + (n + 1) * chunk).flat()
    share.send(sent)
    const keys = sent.filter(item => item.type === "part").map(({ data }) => `part/${data.messageID}/${data.id}`)
    await fact("the store has what was sent", async () => {
      const keysHeld = new Set((await held(served, share.id)).map(([key]) => key))
      return keys.every(key => keysHeld.has(key))
    })
  }
  const whole = what => fact(`page and store hold the same, ${what}`, async () => JSON.stringify(await shown(page)) === JSON.stringify(await held(served, share.id)))

  await send(0)
  await page.reload()
  await page.waitForFunction(() => globalThis.capshare?.ready())
  await whole("after a reload")

  // The share goes on while the network is away, for as long as the page tries in vain three times: about 7 s.
  served.network.cut()
  await page.getByText("reconnecting").waitFor()
  await send(1)
  await fact("three attempts were in vain", () => served.network.refused >= 3)
  served.network.mend()
  await page.waitForFunction(() => globalThis.capshare.state() === "live")
  await whole("after a cut")

  // A host that goes without a word, and another over the same store.
  await send(2)
  await share.push.stop("SIGINT")
  await served.stop("SIGKILL")
  await page.getByText("reconnecting").waitFor()
  await served.start()
  await page.waitForFunction(() => globalThis.capshare.state() === "live")
  const again = await producer(served, session, syncs.slice(1 + 3 * chunk).flat())
  assert.equal(again.id, share.id)
  await fact("the store has all of it", async () => (await held(served, share.id)).length === 138)
  await whole("after a restart")
  assert.equal((await shown(page)).length, 138)
  isWell(page)
}
