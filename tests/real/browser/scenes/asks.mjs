// The producer asks those who watch: two of them agree, and the page shows how it stands. And who watches is told.
import assert from "node:assert/strict"
import { readFileSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { WebSocket } from "ws"
import { home, host, isWell, producer, reader, recording } from "../lib.mjs"

export default async function () {
  globalThis.WebSocket ??= WebSocket
  const { connect } = await import(process.env.CLIENT)
  const served = await host()
  const { session, syncs } = recording()
  const share = await producer(served, session, syncs[0])
  const [ann, bob] = [await reader(share.url), await reader(share.url)]
  await ann.waitForFunction(() => globalThis.capshare.state() === "live")
  // Two pages, before the third connection comes.
  await ann.getByLabel("2 watching").waitFor()

  // A reader's name is shown to the others when they give one.
  await ann.getByLabel("2 watching").click()
  await ann.getByLabel(/Your name/).fill("Ann")
  await ann.getByRole("button", { name: "Show", exact: true }).click()
  await bob.getByLabel("2 watching").click()
  await bob.getByRole("listitem").filter({ hasText: /^Ann$/ }).waitFor()
  await bob.getByLabel("2 watching").click()
  await ann.getByLabel("2 watching").click()

  const owner = connect(share.url)
  const secret = secretOf(share.id)
  const settled = new Promise(done => owner.on("settled", done))
  const { ask } = await owner.call("share.ask", { question: "Run <b>rm -rf build</b>?", choices: ["approve", "deny"], needed: 2, withinMs: 600_000, secret })
  const card = page => page.locator(".ask")
  for (const page of [ann, bob]) {
    await card(page).getByText("Run <b>rm -rf build</b>?").waitFor()
    await card(page).getByRole("button", { name: "approve 0/2" }).waitFor()
  }
  await ann.getByRole("button", { name: "approve" }).click()
  await card(bob).getByRole("button", { name: "approve 1/2" }).waitFor()
  // A page that comes later is asked too.
  await bob.reload()
  await bob.getByRole("button", { name: "approve 1/2" }).click()
  await card(ann).getByText("approve agreed").waitFor()
  assert.deepEqual(await settled.then(({ ask, outcome, choice }) => ({ ask, outcome, choice })), { ask, outcome: "agreed", choice: "approve" })
  owner.close()
  isWell(ann)
  isWell(bob)
}

/** The share's secret, as `capshare push` kept it for its owner. */
function secretOf(id) {
  const file = readdirSync(home, { recursive: true }).find(name => name.endsWith(`${id}.json`))
  return JSON.parse(readFileSync(join(home, file), "utf8")).secret
}
