// A page whose host is killed goes on at another one, and comes back when that one drains, without a pause. Its reader's name goes along.
import assert from "node:assert/strict"
import { WebSocket } from "ws"
import { fact, held, hosts, isWell, producer, reader, recording, shown } from "../lib.mjs"

export default async function () {
  globalThis.WebSocket ??= WebSocket
  const { connect } = await import(process.env.CLIENT)
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

  await page.getByLabel("1 watching").click()
  await page.getByLabel(/Your name/).fill("Ann")
  await page.getByRole("button", { name: "Show", exact: true }).click()
  await page.getByRole("listitem").filter({ hasText: /^Ann$/ }).waitFor()
  await page.getByLabel("1 watching").click()
  const isNamed = host => {
    const watcher = connect(`${host.url}/share/${share.id}`)
    let names = []
    watcher.on("presence", presence => (names = presence.names))
    return fact(`${host.url} knows the reader's name`, () => names.includes("Ann")).finally(() => watcher.close())
  }

  await one.stop("SIGKILL")
  share.send(syncs.slice(1, third).flat())
  await whole("after its host was killed")
  assert.ok(!(await states()).includes("waiting"), "it went to the other at once")
  await isNamed(other)

  await one.start()
  await page.evaluate(() => globalThis.states.splice(0))
  share.send(syncs.slice(third).flat())
  await fact("the store has all of it", async () => (await held(other, share.id)).length === 138)
  await share.push.stop("SIGINT")
  await other.stop("SIGTERM")
  await fact("page and store hold the same, after the other was drained", async () => JSON.stringify(await shown(page)) === JSON.stringify(await held(one, share.id)))
  assert.deepEqual(await states(), ["live"])
  await isNamed(one)
  assert.equal((await shown(page)).length, 138)
  isWell(page)
}
