// A private share: whoever has the link with its grant sees it, and nothing of the grant stays in the address.
import assert from "node:assert/strict"
import { capshare, host, isWell, reader, recording, share } from "../lib.mjs"

const REFUSED = [/Failed to load resource: the server responded with a status of 401/, /WebSocket connection to .* failed/]

export default async function () {
  const served = await host()
  const { session, syncs } = recording()
  const { id, url } = share(served, session, syncs.flat(), "--visibility", "grant")
  const grant = JSON.parse(capshare("link", "--to", served.direct, "--json", id).trim().split("\n").pop()).token
  assert.match(grant, /^capgr_/)

  // Without it, the page says so, and shows nothing of the share.
  const stranger = await reader(url, { settle: false, expect: REFUSED })
  await stranger.getByText("This share is private").waitFor()
  assert.ok(!(await stranger.content()).includes("Scripted session notes"))
  isWell(stranger)

  // With it, in the fragment: it is gone from the address at once, and a reload in this tab needs it no more.
  const urls = []
  const page = await reader(`${url}#grant=${grant}`, { settle: false, expect: REFUSED })
  page.on("request", request => urls.push(request.url()))
  page.on("websocket", socket => urls.push(socket.url()))
  for (let n = 0; n < 2; n += 1) {
    await page.waitForFunction(() => globalThis.capshare?.state() === "live")
    await page.getByRole("heading", { level: 1, name: "Scripted session notes" }).waitFor()
    assert.equal(page.url(), url)
    if (n === 0) await page.reload()
  }
  assert.ok(urls.length > 0 && urls.every(one => !one.includes(grant)), urls.join("\n"))

  // The fallback shows it in a header.
  const walled = await reader("about:blank", { settle: false, host: new URL(url).host, expect: REFUSED })
  await walled.addInitScript(() => {
    globalThis.WebSocket = class extends EventTarget {
      constructor() {
        super()
        setTimeout(() => this.onclose?.({ code: 1006, reason: "" }))
      }
      close() {}
    }
  })
  await walled.goto(`${url}#grant=${grant}`)
  await walled.getByRole("heading", { level: 1, name: "Scripted session notes" }).waitFor()
  await walled.waitForFunction(() => globalThis.capshare?.state() === "live")
  isWell(walled)

  // When the grant is revoked, the page is told, and does not come back.
  capshare("unlink", "--to", served.direct, id, grant)
  await page.getByText("This share is private").waitFor()
  assert.equal(await page.evaluate(() => globalThis.capshare.state()), "closed")
  isWell(page)
}
