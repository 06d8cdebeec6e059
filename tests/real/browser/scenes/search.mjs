// Looking for something in a session, seeing less of it, finding one's way by the outline, and taking a piece of it along.
import assert from "node:assert/strict"
import { fact, host, isWell, producer, reader } from "../lib.mjs"

const SESSION = "ses_search"
const START = Date.UTC(2026, 10, 20, 9, 30)
const TURNS = 60

/** A session of many turns; the words that are looked for stand far apart, and one of them deep in what is folded. */
function turn(n) {
  const at = START + n * 60_000
  const [asked, said] = [`msg_${String(2 * n).padStart(4, "0")}`, `msg_${String(2 * n + 1).padStart(4, "0")}`]
  const part = (id, messageID, data) => ({ type: "part", data: { id, messageID, sessionID: SESSION, ...data } })
  const call = (name, tool, state) =>
    part(`prt_${n}_${name}`, said, { type: "tool", tool, callID: `${n}_${name}`, state: { status: "completed", time: { start: at, end: at + 900 }, title: "", output: "", ...state } })
  const output = Array.from({ length: 40 }, (_, line) => (n === 31 && line === 33 ? "the Needle lies here" : `line ${line} of ${n}`)).join("\n")
  return [
    { type: "message", data: { id: asked, sessionID: SESSION, role: "user", time: { created: at } } },
    part(`prt_${n}_ask`, asked, { type: "text", text: n === 7 ? "Where is the needle?" : `Do step ${n}` }),
    { type: "message", data: { id: said, sessionID: SESSION, role: "assistant", parentID: asked, modelID: "model-x", time: { created: at + 100 } } },
    call("read", "read", { input: { filePath: `/src/${n}.rs` }, output: "<file>\n00001| fn main() {}\n</file>" }),
    call("look", "grep", { input: { pattern: "main" } }),
    call("run", "bash", { input: { command: `make step-${n}` }, output, metadata: { exit: n === 20 ? 2 : 0 } }),
    ...(n % 10 === 0 ? [call("edit", "edit", { input: { filePath: `/src/${n}.rs`, oldString: "a", newString: "b" } })] : []),
    part(`prt_${n}_say`, said, { type: "text", text: n === 52 ? "No **nee**dle in\n\n```sh\nls haystack\n```" : `Step ${n} is done` }),
  ]
}

export default async function () {
  const served = await host()
  const items = [{ type: "session", data: { id: SESSION, title: "Sixty steps" } }, ...Array.from({ length: TURNS }, (_, n) => turn(n)).flat()]
  const share = await producer(served, SESSION, items)
  const page = await reader(share.url)
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"])
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText())
  const count = page.locator(".search-count")
  const kind = name => page.getByRole("group", { name: "Only parts of one kind" }).getByRole("button", { name })
  /** Whether these words are marked where the reader sees them: in the row that was gone to, under the search and above the dock. */
  const inView = text =>
    page.evaluate(text => {
      const row = document.querySelector(".row.focused")
      const range = [...(CSS.highlights.get("found") ?? [])].find(range => row?.contains(range.startContainer))
      const [box, frame] = [range?.getBoundingClientRect(), range?.startContainer.parentElement.closest("pre")?.getBoundingClientRect()]
      const isShown = box && box.top > 130 && box.bottom < innerHeight - 70 && (!frame || (box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1))
      return Boolean(isShown) && row.textContent.includes(text)
    }, text)

  // Before a word is typed it says what there is of each kind.
  await page.keyboard.press("/")
  const input = page.getByRole("searchbox", { name: "Search the session" })
  await fact("the search has the focus", () => input.evaluate(input => input === document.activeElement))
  assert.match(await kind(/Prompts/).textContent(), /60/)
  assert.match(await kind(/Edits/).textContent(), /6/)
  assert.match(await kind(/Failures/).textContent(), /1/)

  // Words are found whatever their case, across what is bold, and in what is folded, which opens.
  await page.keyboard.type("needle")
  await fact("three parts are found", async () => (await count.textContent()) === "3 parts")
  await page.keyboard.press("Enter")
  const order = []
  for (const text of ["Where is the needle?", "the Needle lies here", "needle in"]) {
    order.push(await count.textContent())
    await fact(`${text} is in view`, () => inView(text))
    assert.ok(await page.evaluate(() => CSS.highlights.get("found").size > 0), "the words are marked")
    await page.keyboard.press("Enter")
  }
  assert.deepEqual(order.sort(), ["1 of 3 parts", "2 of 3 parts", "3 of 3 parts"])
  await page.keyboard.press("Shift+Enter")
  assert.equal(await page.locator(".mark-hits").evaluate(path => path.getAttribute("d").split("M").length - 1), 3)
  await kind(/Commands/).click()
  await fact("one command has it", async () => (await count.textContent()) === "1 part")

  // What comes while it is open is found as well.
  await kind(/Commands/).click()
  share.send(turn(60).map(item => (item.data.text?.startsWith("Step") ? { ...item, data: { ...item.data, text: "a needle at last" } } : item)))
  await fact("a fourth part is found", async () => /4 parts$/.test(await count.textContent()))

  // Nothing is found by what would be a pattern; without words nothing is marked.
  await input.fill("n.edle")
  await fact("nothing is found", async () => (await count.textContent()) === "0 parts")
  await page.keyboard.press("Escape")
  assert.equal(await input.count(), 0)
  assert.equal(await page.evaluate(() => CSS.highlights.has("found")), false)

  // The outline has every prompt, says where the reader is, and what came of each.
  const outline = page.getByRole("navigation", { name: "Prompts" })
  assert.equal(await outline.getByRole("link").count(), TURNS + 1)
  assert.match(await outline.getByRole("link", { name: /Do step 20/ }).textContent(), /1 edit, 1 failed/)
  await outline.getByRole("link", { name: /Do step 40/ }).click()
  await fact("it is said where one is", async () => /Do step 40/.test((await outline.locator("[aria-current]").textContent()) ?? ""))

  // Fewer rows: calls in a line, and none of them. The reader stays at what was read.
  const density = page.getByLabel("What is shown of the messages")
  const top = () => page.evaluate(() => [...document.querySelectorAll(".row")].find(row => row.getBoundingClientRect().bottom > 70)?.textContent)
  await density.selectOption("brief")
  await fact("calls are one line", async () => (await page.getByRole("button", { name: "Read 1 file, searched 1 time, edited 1 time, ran 1 command" }).count()) > 0)
  await fact("the place is kept", async () => /Do step 40|User/.test((await top()) ?? ""))
  await page.getByRole("button", { name: "Read 1 file, searched 1 time, edited 1 time, ran 1 command" }).first().click()
  await page.locator(".run .tool-name", { hasText: "Shell" }).first().waitFor()
  await density.selectOption("talk")
  await fact("only what was said is left", async () => (await page.locator(".tool").count()) === 0)
  // What a search finds is shown, whatever was chosen.
  await page.evaluate(() => document.activeElement?.blur())
  await page.keyboard.press("/")
  await fact("the search has the focus again", () => input.evaluate(input => input === document.activeElement))
  await page.keyboard.type("the needle lies")
  await page.keyboard.press("Enter")
  await fact("the command is shown", () => inView("the Needle lies here"))
  assert.equal(await density.inputValue(), "all")
  await page.keyboard.press("Escape")

  // A command, a block of code and a message are copied as they were written.
  await page.getByRole("button", { name: "Copy the command" }).first().click()
  await fact("a command is copied", async () => /^make step-\d+$/.test(await clipboard()))
  await page.evaluate(() => (location.hash = "prt_52_say"))
  const said = page.locator(".row.focused", { hasText: "haystack" })
  await said.getByRole("button", { name: "Copy the code" }).click()
  await fact("the code is copied", async () => (await clipboard()).trim() === "ls haystack")
  await page.evaluate(() => (location.hash = "msg_0105"))
  await page.locator(".row.head.focused").getByRole("button", { name: "Copy this message as Markdown" }).click()
  await fact("the message is copied", async () => /\*\*Shell\*\*[^]*```sh\nmake step-52\n```[^]*No \*\*nee\*\*dle/.test(await clipboard()))
  isWell(page)

  // Of a large session the page holds only the beginnings of what is old: the rest is looked through all the same, and copied whole.
  const long = n => `${`Line of text ${n}. `.repeat(120)}${n === 3 ? "The quicksilver ends it." : ""}`
  const large = await producer(served, "ses_search_large", [
    { type: "session", data: { id: "ses_search_large", title: "Much text" } },
    ...Array.from({ length: 400 }, (_, n) => [
      { type: "message", data: { id: `msg_l${n}`, sessionID: "ses_search_large", role: n % 2 ? "assistant" : "user", time: { created: START + n } } },
      { type: "part", data: { id: `prt_l${n}`, messageID: `msg_l${n}`, sessionID: "ses_search_large", type: "text", text: long(n) } },
    ]).flat(),
  ])
  const other = await reader(large.url)
  await other.context().grantPermissions(["clipboard-read", "clipboard-write"])
  await other.keyboard.press("/")
  await other.getByRole("searchbox").fill("quicksilver")
  await fact("what is held short is found", async () => (await other.locator(".search-count").textContent()) === "1 part")
  await other.keyboard.press("Enter")
  await fact("it is shown", () => other.evaluate(() => [...(CSS.highlights.get("found") ?? [])].some(range => range.getBoundingClientRect().top > 130 && range.getBoundingClientRect().top < innerHeight - 70)))
  await other.evaluate(() => (location.hash = "msg_l5"))
  await other.locator(".row.head.focused").getByRole("button", { name: "Copy this message as Markdown" }).click()
  await fact("the whole message is copied", async () => (await other.evaluate(() => navigator.clipboard.readText())).trim() === long(5).trim())
  isWell(other)

  // On a phone the outline is a sheet.
  const phone = await reader(share.url, { viewport: { width: 390, height: 844 } })
  assert.equal(await phone.getByRole("navigation", { name: "Prompts" }).isVisible(), false)
  await phone.getByRole("button", { name: "Outline" }).click()
  await phone.getByRole("link", { name: /Do step 3\b/ }).click()
  await phone.locator(".row.focused").waitFor()
  assert.equal(await phone.getByRole("navigation", { name: "Prompts" }).isVisible(), false)
  isWell(phone)
}
