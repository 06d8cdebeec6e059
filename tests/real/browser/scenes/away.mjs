// A proxy answers in the host's place: the page waits, and goes on where it was, by whichever transport is left. Under another
// name than the host's own it follows at once, and says why a command is refused.
import assert from "node:assert/strict"
import { fact, held, host, isWell, producer, reader, recording, shown } from "../lib.mjs"

/** What a browser says when its requests are refused is no fault of the page. */
const REFUSED = [/WebSocket connection to .* failed/, /Failed to load resource/]

const answer = (status, type, body) =>
  `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`

/** How proxies answer while they do not find their host, or not its healthy self. */
const PROXIES = {
  Traefik: answer("404 Not Found", "text/plain; charset=utf-8", "404 page not found\n"),
  nginx: answer("403 Forbidden", "text/html", "<html><body>403 Forbidden</body></html>"),
  Envoy: answer("503 Service Unavailable", "text/plain", "no healthy upstream"),
  Kong: answer("404 Not Found", "application/json", '{"message":"no Route matched with those values"}'),
  login: "HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
  maintenance: answer("200 OK", "text/html", "<html><body>Back soon</body></html>"),
}

const isSocket = head => head.startsWith("GET /ws/")
const isStream = head => head.startsWith("GET /events/")

/** Waits for a fact while the browser is told that its network is back, for which the page does not wait out its delays. */
function hurried(page, what, holds) {
  return fact(what, async () => {
    await page.evaluate(() => dispatchEvent(new Event("online")))
    return holds()
  })
}

export default async function () {
  const served = await host()
  const { network } = served
  const { session, syncs } = recording()
  const share = await producer(served, session, syncs[0])
  let sent = 0
  const send = async () => {
    sent += 1
    const items = syncs[sent]
    share.send(items)
    const keys = items.filter(item => item.type === "part").map(({ data }) => `part/${data.messageID}/${data.id}`)
    await fact("the store has what was sent", async () => {
      const keysHeld = new Set((await held(served, share.id)).map(([key]) => key))
      return keys.every(key => keysHeld.has(key))
    })
  }
  const whole = (page, what) =>
    fact(`page and store hold the same, ${what}`, async () => JSON.stringify(await shown(page)) === JSON.stringify(await held(served, share.id)))
  const isLive = page => page.evaluate(() => globalThis.capshare.state() === "live")

  const page = await reader(share.url, { expect: REFUSED })
  for (const [name, answer] of Object.entries(PROXIES)) {
    let streams = 0
    network.instead = head => {
      if (isStream(head)) streams += 1
      return answer
    }
    network.reset()
    await send()
    await hurried(page, `${name}'s answer to both transports`, () => streams >= 2)
    assert.notEqual(await page.evaluate(() => globalThis.capshare.state()), "closed", name)
    network.instead = undefined
    await hurried(page, `it is back after ${name}`, () => isLive(page))
    await whole(page, `after ${name}`)
  }
  isWell(page)

  // Envoy without `upgrade_configs` refuses WebSockets, and the page follows by events. One 502 on the way back ends a
  // browser's own EventSource for good.
  let refused = 0
  let bad = 0
  network.instead = head => {
    if (isSocket(head)) return (refused += 1), answer("403 Forbidden", "text/plain", "")
    return isStream(head) && bad > 0 ? (bad -= 1, answer("502 Bad Gateway", "text/html", "<html></html>")) : undefined
  }
  const streaming = await reader(share.url, { expect: REFUSED, settle: false })
  await streaming.waitForFunction(() => globalThis.capshare)
  await hurried(streaming, "it follows by events", () => isLive(streaming))
  assert.equal(refused, 5)
  bad = 1
  network.reset()
  await streaming.getByText("reconnecting").waitFor()
  await send()
  await hurried(streaming, "it is back after 502", async () => bad === 0 && (await isLive(streaming)))
  await whole(streaming, "after 502")
  isWell(streaming)

  // Under a name that is not the host's own its WebSocket would be refused: the page begins with events.
  const named = await host("--public-url", "http://share.example.org")
  const elsewhere = await producer(named, "ses_elsewhere", syncs[0].map(item => ({ ...item })))
  let sockets = 0
  named.network.instead = head => void (sockets += isSocket(head) ? 1 : 0)
  // By its address it would be taken for its own.
  const foreign = named.url.replace("127.0.0.1", "elsewhere.localhost")
  const other = await reader(`${foreign}/share/${elsewhere.id}`, { expect: [/Failed to load resource.*403/] })
  await other.waitForFunction(() => globalThis.capshare.state() === "live")
  await other.getByLabel("1 watching").click()
  await other.getByLabel(/Your name/).fill("Ann")
  await other.getByRole("button", { name: "Show", exact: true }).click()
  await other.getByRole("alert").filter({ hasText: "open the page under the host's public URL" }).waitFor()
  assert.equal(sockets, 0)
  isWell(other)
}
