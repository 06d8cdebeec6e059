// One of everything: each kind of part is shown as what it is.
import assert from "node:assert/strict"
import { host, isWell, reader, share } from "../lib.mjs"
import { showcase } from "../showcase.mjs"

export default async function () {
  const served = await host()
  const { session, items } = showcase(Date.UTC(2026, 10, 20, 9, 30))
  const { url } = share(served, session, items)
  const page = await reader(url, { viewport: { width: 1280, height: 6_000 } })
  const row = text => page.locator(".row", { hasText: text }).first()

  assert.match(await page.locator(".figure", { hasText: "Cost" }).textContent(), /\$0\.41/)
  assert.match(await page.locator(".figure", { hasText: "Files" }).textContent(), /3 \+20 −6/)
  assert.deepEqual(await page.locator(".chip-model").allTextContents(), ["Claude Sonnet", "Qwen Coder 30B"])

  // Text is Markdown, with a table and coloured code; reasoning is folded.
  await row("Found it").locator("table td", { hasText: "21 of 400" }).waitFor()
  await row("Found it").locator(".hljs-keyword", { hasText: "while" }).waitFor()
  const thought = row("Thought for 4.2 s")
  assert.equal(await thought.getByRole("list").count(), 0)
  await thought.getByRole("button", { name: /Thought/ }).click()
  await thought.getByRole("listitem").first().waitFor()

  // A command that failed shows its end first, and all of it when asked.
  const shell = row("Run the test until it fails")
  assert.match(await shell.textContent(), /exit code 101/)
  await shell.getByText("right: 20").waitFor()
  assert.equal(await shell.getByText("run 3: ok").count(), 0)
  await shell.getByRole("button", { name: "Show all 23 lines" }).click()
  await shell.getByText("run 3: ok").waitFor()

  // An edit is a diff; a file that was read has no line numbers in its text; a search says what it looked for and where.
  const edit = row("Edit")
  assert.equal(await edit.locator(".diff-add").count(), 8)
  assert.equal(await edit.locator(".diff-del").count(), 4)
  const read = page.locator(".row", { has: page.locator(".tool-name", { hasText: "Read" }) })
  await read.getByRole("button", { name: /lines/ }).click()
  assert.match(await read.locator("pre").textContent(), /^ {4}\/\/\/ Sends what waits/)
  await row("reconnect_keeps_the_queue in").waitFor()
  await row("https://docs.rs/tokio").locator(".tool-name", { hasText: "Fetch" }).waitFor()
  await row("Look for other sleeps").getByRole("button", { name: "Result" }).waitFor()
  await row("rejected permission").locator(".tool-state", { hasText: "failed" }).waitFor()
  await row("kubectl_get").getByRole("button", { name: "Input" }).click()
  await row("kubectl_get").getByText('"namespace"').waitFor()
  assert.equal(await page.locator(".outline .todo-completed").count(), 2)
  await page.getByText("context compacted by itself").waitFor()
  const picture = page.getByRole("img", { name: "ci-failures.png" })
  assert.ok(await picture.evaluate(image => image.naturalWidth === 360), "the picture is drawn")

  // The changed files, from a patch, from two contents, and new.
  await page.getByRole("tab", { name: /Changes 3/ }).click()
  for (const [file, added, removed] of [["src/queue.rs", 8, 4], ["tests/reconnect.rs", 3, 2], ["tests/support/clock.rs", 9, 0]]) {
    const section = page.getByRole("region", { name: file, exact: true })
    assert.deepEqual([await section.locator(".diff-add").count(), await section.locator(".diff-del").count()], [added, removed], file)
  }
  isWell(page)

  // Messages of OpenCode's newer form hold what others have in parts.
  const newer = share(served, "ses_newer", [
    { type: "session", data: { id: "ses_newer", title: "Newer", location: { directory: "/x" } } },
    { type: "message", data: { id: "msg_1", type: "user", text: "Mend the *queue*", time: { created: 1 } } },
    { type: "message", data: { id: "msg_2", type: "assistant", agent: "build", model: { id: "m-9", providerID: "p" }, time: { created: 2 }, content: [
      { type: "reasoning", id: "r", text: "Where is it?" },
      { type: "tool", id: "c", name: "bash", time: { created: 3, completed: 2503 }, state: { status: "completed", input: { command: "cargo test" }, structured: {}, content: [{ type: "text", text: "3 passed" }] } },
      { type: "text", id: "t", text: "It was **here**." },
    ] } },
    { type: "message", data: { id: "msg_3", type: "hologram", beam: 7, time: { created: 4 } } },
  ])
  const later = await reader(newer.url)
  // What somebody typed stands as it was typed.
  await later.locator(".row.from-user", { hasText: "Mend the *queue*" }).waitFor()
  await later.locator(".speaker", { hasText: "m-9" }).first().waitFor()
  await later.locator(".row.from-assistant strong", { hasText: "here" }).waitFor()
  await later.locator(".row", { hasText: "cargo test" }).getByText("3 passed").waitFor()
  await later.getByRole("button", { name: /Thought/ }).waitFor()
  await later.getByRole("button", { name: "hologram" }).waitFor()
  isWell(later)
}
