// 5,000 parts, made of the recorded ones: the document holds what is in view, wherever the reader is. FIGURES=1 tells times.
import assert from "node:assert/strict"
import { fact, host, isWell, reader, recording, share } from "../lib.mjs"

/** Parts that the share is to have. */
const PARTS = 5_000
/** Rows that the document may hold: twice what fits into the window and the margins around it, at the least height. */
const ROWS_MAX = 120
/** Elements, for so many rows and the rest of the page; what one row may have is folded. */
const ELEMENTS_MAX = 6_000

function long() {
  const { session, syncs } = recording()
  const last = new Map()
  for (const item of syncs.flat()) last.set(item.data.id ?? item.type, item)
  const whole = [...last.values()]
  const messages = whole.filter(item => item.type === "message")
  const parts = whole.filter(item => item.type === "part")
  const items = whole.filter(item => !["message", "part"].includes(item.type))
  for (let round = 0, count = 0; count < PARTS; round += 1) {
    const again = id => id.replace(/.{6}$/, String(round).padStart(6, "0"))
    for (const { data } of messages) {
      items.push({ type: "message", data: { ...data, id: again(data.id), time: { ...data.time, created: data.time.created + round * 60_000 } } })
      for (const part of parts.filter(part => part.data.messageID === data.id)) {
        if (count++ < PARTS) items.push({ type: "part", data: { ...part.data, id: again(part.data.id), messageID: again(data.id) } })
      }
    }
  }
  return { session, items }
}

export default async function () {
  const served = await host()
  const { session, items } = long()
  const { url } = share(served, session, items)
  const page = await reader(url, { settle: false })
  await page.locator(".row.part").first().waitFor()
  const first = await page.evaluate(() => performance.now())
  const painted = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime)
  await page.waitForFunction(() => globalThis.capshare?.ready())
  const whole = await page.evaluate(() => performance.now())
  assert.equal(await page.evaluate(() => globalThis.capshare.items().filter(({ key }) => key.startsWith("part/")).length), PARTS)

  const size = () => page.evaluate(() => ({ rows: document.querySelectorAll(".row").length, elements: document.querySelectorAll("*").length }))
  const isSmall = ({ rows, elements }) => assert.ok(rows > 0 && rows <= ROWS_MAX && elements <= ELEMENTS_MAX, `${rows} rows, ${elements} elements`)
  isSmall(await size())

  // Through a stretch of it, and by leaps: rows are always there, none is shown twice, and they are in order.
  await page.evaluate(() => {
    globalThis.longTasks = []
    new PerformanceObserver(list => globalThis.longTasks.push(...list.getEntries().map(entry => entry.duration))).observe({ type: "longtask" })
  })
  const inOrder = () =>
    page.evaluate(() => {
      const rows = [...document.querySelectorAll(".row")]
      const places = rows.map(row => Number(row.getAttribute("aria-posinset")))
      const box = rows.map(row => row.getBoundingClientRect())
      const covered = Math.min(...box.map(({ top }) => top)) <= Math.max(56, document.querySelector(".list").getBoundingClientRect().top + 1) && Math.max(...box.map(({ bottom }) => bottom)) >= Math.min(innerHeight, document.querySelector(".list").getBoundingClientRect().bottom - 1)
      return places.every((place, n) => n === 0 || place === places[n - 1] + 1) && covered
    })
  await page.mouse.move(600, 500)
  for (let n = 0; n < 60; n += 1) {
    await page.mouse.wheel(0, 700)
    await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))
    isSmall(await size())
  }
  for (const part of [0.5, 0.9, 0.1, 1, 0]) {
    await page.evaluate(part => scrollTo(0, part * document.documentElement.scrollHeight), part)
    await fact("the window is full of rows, in order", inOrder)
    isSmall(await size())
  }

  // What is being read stays where it is when what is above it turns out to be of another height.
  await page.evaluate(() => scrollTo(0, 0.4 * document.documentElement.scrollHeight))
  await fact("rows are shown", inOrder)
  // Of what is far from the newest the texts are loaded when they are shown.
  const isWhole = () => page.evaluate(() => !document.querySelector(".row[aria-busy=true]"))
  for (let n = 0; n < 15; n += 1) {
    await fact("rows are whole", isWhole)
    const id = await page.evaluate(() => [...document.querySelectorAll(".row")].find(row => row.getBoundingClientRect().top > 300)?.dataset.row)
    const top = () => page.evaluate(id => document.querySelector(`[data-row="${CSS.escape(id)}"]`)?.getBoundingClientRect().top, id)
    const before = await top()
    await page.mouse.wheel(0, -120)
    await fact("it moved as far as the wheel did", async () => Math.abs((await top()) - before - 120) < 2)
  }
  isWell(page)

  if (process.env.FIGURES) {
    const session = await page.context().newCDPSession(page)
    await session.send("HeapProfiler.collectGarbage")
    const { metrics } = await session.send("Performance.enable").then(() => session.send("Performance.getMetrics"))
    const heap = metrics.find(({ name }) => name === "JSHeapUsedSize").value
    const tasks = await page.evaluate(() => globalThis.longTasks)
    const { rows, elements } = await size()
    console.log(JSON.stringify({ painted_ms: Math.round(painted), live_ms: Math.round(first), whole_ms: Math.round(whole), heap_mb: heap / 1e6, long_tasks_ms: tasks, rows, elements }))
  }
}
