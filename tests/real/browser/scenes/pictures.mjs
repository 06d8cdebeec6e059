// Draws the pictures in tests/real/screenshots, when SCREENSHOTS names that folder; else only that they can be drawn.
import { writeFileSync } from "node:fs"
import { PNG } from "pngjs"
import { host, isWell, reader, share } from "../lib.mjs"
import { showcase } from "../showcase.mjs"

const DESK = { viewport: { width: 1280, height: 860 } }
const PICTURES = {
  light: [{ ...DESK, colorScheme: "light" }],
  dark: [{ ...DESK, colorScheme: "dark" }, page => page.evaluate(() => scrollTo(0, 2_050))],
  changes: [{ ...DESK, colorScheme: "light" }, page => page.getByRole("tab", { name: /Changes/ }).click()],
  phone: [{ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: "light" }],
}

export default async function () {
  const served = await host()
  const { session, items } = showcase(Date.UTC(2026, 10, 20, 9, 30))
  const { url } = share(served, session, items)
  for (const [name, [options, act]] of Object.entries(PICTURES)) {
    const page = await reader(url, { ...options, reducedMotion: "reduce" })
    await act?.(page)
    await page.waitForFunction(() => document.querySelector("[data-coloured], .diff, .picture img"))
    await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))
    const picture = await page.screenshot({ animations: "disabled" })
    if (process.env.SCREENSHOTS) writeFileSync(`${process.env.SCREENSHOTS}/${name}.png`, packed(picture))
    isWell(page)
    await page.context().close()
  }
}

/** The same picture in fewer bytes. */
function packed(bytes) {
  return PNG.sync.write(PNG.sync.read(bytes), { deflateLevel: 9, deflateStrategy: 0, filterType: -1, colorType: 2, inputHasAlpha: true })
}
