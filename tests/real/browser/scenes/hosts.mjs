// A page whose host is killed goes on at another one, and comes back when that one drains, without a pause.
import assert from "node:assert/strict"
import { fact, held, hosts, isWell, producer, reader, recording, shown } from "../lib.mjs"

export default async function () {
  const [one, other] = await hosts(2)
  const { session, syncs } = recording()
  // Written at the other, which goes on when the first is gone.
  const share = await producer(other, session, syncs[0])
  const url = `${one.url}/share/${share.id}`
  await fact("the first host knows the other", async () => (await fetch(url)).headers.get("content-security-policy").includes(other.url))
  const page = await reader(url, { expect: [/WebSocket connection to .* failed/, /Failed to load resource: net::/] })
  const third = Math.ceil(syncs.length / 3)
  const whole = what => fact(`page and store hold the same, ${what}`, async () => JSON.stringify(await shown(page)) === JSON.stringify(await held(other, share.id)))
  const states = () => page.evaluate(() => globalThis.states)
  await page.evaluate(() => {
    globalThis.states = []
    setInterval(() => {
      const state = globalThis.capshare.state()
      if (globalThis.states.at(-1) !== state) globalThis.states.push(state)
    }, 5)
  })

  await one.stop("SIGKILL")
  share.send(syncs.slice(1, third).flat())
  await whole("after its host was killed")
  assert.ok(!(await states()).includes("waiting"), "it went to the other at once")

  await one.start()
  await page.evaluate(() => globalThis.states.splice(0))
  share.send(syncs.slice(third).flat())
  await fact("the store has all of it", async () => (await held(other, share.id)).length === 138)
  await share.push.stop("SIGINT")
  await other.stop("SIGTERM")
  await fact("page and store hold the same, after the other was drained", async () => JSON.stringify(await shown(page)) === JSON.stringify(await held(one, share.id)))
  assert.deepEqual(await states(), ["live"])
  assert.equal((await shown(page)).length, 138)
  isWell(page)
}
