// For everybody: what an accessibility check finds, in each form of the page, and all of it by the keyboard.
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { host, isWell, reader, share, unfold } from "../lib.mjs"
import { showcase } from "../showcase.mjs"

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

/** What is wrong by the rules of WCAG 2.2 and by good practice, if it is serious. */
async function findings(page) {
  // The page's policy lets no script of ours in, so it comes by the debugger, as a reader's extension would.
  await page.evaluate(AXE)
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }))
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical")
  return serious.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html, any }) => `${html.slice(0, 200)} ${any[0]?.message ?? ""}`).join(" | ")}`)
}

/** The row with the focus is visible; of what is higher than the window, the beginning. */
function inView(page) {
  return page.waitForFunction(() => {
    const { top, bottom } = document.activeElement.getBoundingClientRect()
    return document.activeElement.hasAttribute("data-row") && top >= 48 && (bottom <= innerHeight - 60 || top < 80)
  })
}

/** On a slow machine a picture has its height only after the focus moved on: the row with the focus stays in view all the same. */
async function growsLate(page, focused) {
  // A row that was in view already: it did not have to be brought there.
  const press = async () => {
    await page.keyboard.press("j")
    await inView(page)
    return page.evaluate(() => document.activeElement.getBoundingClientRect().top > 160)
  }
  for (let n = 0; !(await press()); n += 1) assert.ok(n < 40, "no row was in view already")
  const row = await focused()
  const grow = where =>
    page.evaluate(where => {
      const late = document.createElement("div")
      late.style.height = where === "above" ? "3000px" : "700px"
      const on = document.activeElement
      const grown = where === "above" ? on.previousElementSibling : on
      grown.querySelector(".content").append(late)
    }, where)
  for (const where of ["above", "within"]) {
    await grow(where)
    await inView(page)
    assert.equal(await focused(), row, where)
  }
  // Who scrolls on is not brought back.
  await page.mouse.move(500, 500)
  await page.mouse.wheel(0, 200)
  await page.waitForFunction(() => document.activeElement.getBoundingClientRect().top < 0)
  await grow("within")
  assert.ok(await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(document.activeElement.getBoundingClientRect().top < 0))))))
}

export default async function () {
  const served = await host()
  const { session, items } = showcase(Date.UTC(2026, 10, 20, 9, 30))
  const { url } = share(served, session, items)
  const FORMS = {
    light: { colorScheme: "light" },
    dark: { colorScheme: "dark" },
    phone: { colorScheme: "light", viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
  }
  for (const [name, options] of Object.entries(FORMS)) {
    const page = await reader(url, { reducedMotion: "reduce", ...options })
    for (let last = -1; ; ) {
      await unfold(page)
      assert.deepEqual(await findings(page), [], name)
      const at = await page.evaluate(() => (scrollBy(0, 700), new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(scrollY))))))
      if (at === last) break
      last = at
    }
    await page.getByRole("tab", { name: /Changes/ }).click()
    assert.deepEqual(await findings(page), [], `${name}, changes`)
    await page.getByRole("button", { name: "Keyboard shortcuts" }).click()
    assert.deepEqual(await findings(page), [], `${name}, keys`)
    isWell(page)
    await page.context().close()
  }

  // By the keyboard: part by part with the focus, the tabs, the colours, the list of keys, the replay.
  const page = await reader(url, { colorScheme: "light" })
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("data-row"))
  await page.keyboard.press("j")
  const first = await page.waitForFunction(() => document.activeElement?.getAttribute("data-row")).then(handle => handle.jsonValue())
  for (let n = 0; n < 20; n += 1) {
    const before = await focused()
    await page.keyboard.press("j")
    await page.waitForFunction(before => ![null, undefined, before].includes(document.activeElement?.getAttribute("data-row")), before)
    await inView(page)
  }
  for (let n = 0; n < 20; n += 1) {
    const before = await focused()
    await page.keyboard.press("k")
    await page.waitForFunction(before => document.activeElement?.getAttribute("data-row") !== before, before)
  }
  assert.equal(await focused(), first)
  await growsLate(page, focused)
  await page.keyboard.press("c")
  await page.getByRole("region", { name: "src/queue.rs", exact: true }).waitFor()
  await page.keyboard.press("c")
  await page.keyboard.press("?")
  await page.getByRole("dialog", { name: "Keys" }).waitFor()
  await page.keyboard.press("Escape")
  await page.getByRole("dialog", { name: "Keys" }).waitFor({ state: "hidden" })
  await page.keyboard.press("G")
  await page.waitForFunction(() => document.documentElement.scrollHeight - innerHeight - scrollY < 2)
  await page.locator("body").press("n")

  // What is read out: landmarks, the list with the place of each part in it, and the state of the connection.
  assert.equal(await page.getByRole("main").count(), 1)
  assert.equal(await page.getByRole("feed").count(), 1)
  const place = await page.locator("article").first().evaluate(row => [row.getAttribute("aria-posinset"), row.getAttribute("aria-setsize")].map(Number))
  assert.ok(place[0] >= 1 && place[1] > 20, `${place}`)
  await page.getByRole("status").filter({ hasText: "ended" }).waitFor()
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(250, 248, 244)")
  await page.getByRole("button", { name: "Use dark colours" }).click()
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(19, 19, 17)")
  await page.reload()
  await page.getByRole("button", { name: "Use light colours" }).waitFor()
  isWell(page)
}
