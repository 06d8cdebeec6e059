// How long a large session takes to load, and what it costs: measured, by hand, and no test. It tells figures as JSON and asserts none.
//
//   SCENE=loading EXPORT=huge.json CAPSHARE=target/release/capshare DATA=tests/data node scenes.mjs
//
// EXPORT is an export or a transcript that `capshare push` takes, such as one of 100 MB and 20,000 parts. Run it with the program of before
// and with that of now, on a machine that does nothing else. SLOW=1 opens the share at 50 kB/s and 400 ms both ways instead.
//
// - readable: a row of the newest message is in the document, written by the host or by the script; live: changes would be shown;
//   whole: nothing is loaded in the background any more;
// - wire: bytes that came over the connection until the page was whole, and those of `share.info`, which the session has as JSON;
// - heap: after garbage collection, once whole and after scrolling through in leaps and steps; longest: of the tasks meanwhile.
import { execFileSync } from "node:child_process"
import { connect, createServer } from "node:net"
import { home, host, reader } from "../lib.mjs"

const RATE = 50_000
const ONE_WAY_MS = 200

/** TCP to a port, as over a slow line: all connections share the rate, and each byte takes its time. */
async function line(port, slow) {
  const told = { bytes: 0 }
  let free = 0
  const server = createServer(from => {
    const to = connect(port, "127.0.0.1")
    for (const socket of [from, to]) socket.setNoDelay(true).on("error", () => (from.destroy(), to.destroy()))
    const later = (ms, act) => (slow ? setTimeout(act, ms) : act())
    // A handshake takes a round trip before the request can leave.
    let open = slow ? Date.now() + 2 * ONE_WAY_MS : 0
    from.on("data", data => later(Math.max(0, open - Date.now()) + ONE_WAY_MS, () => to.write(data)))
    to.on("data", data => {
      told.bytes += data.length
      if (!slow) return void from.write(data)
      for (let at = 0; at < data.length; at += 1_400) {
        const piece = data.subarray(at, at + 1_400)
        free = Math.max(free, Date.now()) + (piece.length / RATE) * 1_000
        setTimeout(() => from.destroyed || from.write(piece), free - Date.now() + ONE_WAY_MS)
      }
      // A sender goes on only as fast as the line.
      if (free - Date.now() > 500) {
        to.pause()
        setTimeout(() => to.resume(), free - Date.now() - 250)
      }
    })
    from.on("close", () => to.destroy())
    to.on("close", () => later(Math.max(0, free - Date.now()) + ONE_WAY_MS, () => from.end()))
  })
  await new Promise(done => server.listen(0, "127.0.0.1", done))
  return { url: `http://127.0.0.1:${server.address().port}`, told }
}

export default async function () {
  const served = await host()
  const began = Date.now()
  const pushed = execFileSync(process.env.CAPSHARE, ["push", "--to", served.direct, "--json", process.env.EXPORT], { env: { HOME: home, TMPDIR: home }, encoding: "utf8", maxBuffer: 1 << 26 })
  const { id } = JSON.parse(pushed.split("\n").find(line => line.includes('"shared"')))
  const figures = { pushed_s: (Date.now() - began) / 1_000 }
  const slow = Boolean(process.env.SLOW)
  const { url, told } = await line(Number(served.direct.split(":").pop()), slow)
  const page = await reader("about:blank", { settle: false, host: new URL(url).host })
  await page.addInitScript(() => {
    globalThis.longTasks = []
    new PerformanceObserver(list => globalThis.longTasks.push(...list.getEntries().map(entry => Math.round(entry.duration)))).observe({ type: "longtask" })
    globalThis.marks = {}
    const since = (name, holds) => !(name in globalThis.marks) && holds() && (globalThis.marks[name] = Math.round(performance.now()))
    const look = setInterval(() => {
      const { capshare } = globalThis
      since("readable_ms", () => document.querySelector(".row, main article, main section"))
      since("styled_ms", () => performance.getEntriesByName("first-contentful-paint").length > 0 && document.querySelector("main article, main section, .row"))
      since("page_ms", () => document.querySelector(".row.part"))
      since("live_ms", () => capshare?.state() === "live" && document.querySelector(".row.part"))
      since("whole_ms", () => capshare?.ready() && (capshare.isWhole?.() ?? true))
      if ("whole_ms" in globalThis.marks && "live_ms" in globalThis.marks) clearInterval(look)
    }, 20)
  })
  await page.goto(`${url}/share/${id}${process.env.ANCHOR ? `#${process.env.ANCHOR}` : ""}`, { waitUntil: "commit" })
  await page.waitForFunction(() => { const { whole_ms, live_ms } = globalThis.marks ?? {}; return whole_ms && live_ms }, undefined, { timeout: 600_000 })
  Object.assign(figures, await page.evaluate(() => globalThis.marks))
  figures.wire_bytes = told.bytes
  const { byteCount, itemCount } = await (await fetch(`${served.direct}/events/${id}`, { method: "POST", body: '{"id":1,"procedure":"share.info"}' })).json().then(({ data }) => data)
  Object.assign(figures, { share_bytes: byteCount, items: itemCount, ratio: told.bytes / byteCount })
  figures.script_bytes = await page.evaluate(() => performance.getEntriesByType("resource").filter(({ name }) => name.endsWith(".js")).map(({ name, encodedBodySize }) => [name.split("/").pop(), encodedBodySize]))
  figures.loading_tasks_ms = await page.evaluate(() => globalThis.longTasks.splice(0).filter(ms => ms > 100))

  const session = await page.context().newCDPSession(page)
  await session.send("Performance.enable")
  const heap = async () => {
    await session.send("HeapProfiler.collectGarbage")
    const { metrics } = await session.send("Performance.getMetrics")
    return Math.round(metrics.find(({ name }) => name === "JSHeapUsedSize").value / 1e6)
  }
  figures.heap_mb = await heap()
  if (!slow) {
    await page.mouse.move(600, 500)
    await page.evaluate(() => globalThis.longTasks.splice(0))
    const frames = () => page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))
    const steps = async count => {
      for (let n = 0; n < count; n += 1) {
        await page.mouse.wheel(0, 700)
        await frames()
      }
    }
    const leaps = Number(process.env.LEAPS ?? 60)
    for (let leap = 0; leap <= leaps; leap += 1) {
      await page.evaluate(part => scrollTo(0, part * document.documentElement.scrollHeight), leap / leaps)
      await steps(10)
    }
    const tasks = await page.evaluate(() => globalThis.longTasks)
    figures.heap_scrolled_mb = await heap()
    figures.longest_ms = Math.max(0, ...tasks)
    figures.over_50 = tasks.filter(ms => ms > 50).length
    figures.tasks = tasks.sort((a, b) => b - a).slice(0, 12)
    figures.scrolled_bytes = told.bytes
  }
  figures.wrong = page.wrong
  console.log(JSON.stringify(figures, undefined, 1))
}
