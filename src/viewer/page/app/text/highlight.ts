/**
 * Colours for code, in a chunk of its own that is loaded when the first code is seen. Until then, and for languages that
 * are not in it, code is plain text.
 */
import type { HLJSApi } from "highlight.js"

/** More than this is left plain: colouring it would keep the page busy. */
const CODE_MAX = 30_000
const KEPT_MAX = 300
const made = new Map<string, string>()
let loading: Promise<HLJSApi> | undefined
let turn: Promise<unknown> = Promise.resolve()

/** Colours an element's text, if its language is known. Ids of languages and ends of file names will do. */
export async function highlight(element: HTMLElement, language: string): Promise<void> {
  const code = element.textContent ?? ""
  if (!language || code.length > CODE_MAX || element.dataset["coloured"]) return
  const name = language.toLowerCase()
  const key = `${name}\n${code}`
  if (!made.has(key)) {
    loading ??= import("./languages").then(module => module.default)
    const highlighter = await loading
    if (!highlighter.getLanguage(name)) return
    // One block at a time: whatever else there is to do comes between them.
    await (turn = turn.then(() => new Promise(done => setTimeout(done))))
    if (element.textContent !== code || !element.isConnected) return
    if (!made.has(key)) made.set(key, highlighter.highlight(code, { language: name, ignoreIllegals: true }).value)
  }
  const html = made.get(key)!
  if (made.size > KEPT_MAX) made.delete(made.keys().next().value!)
  // The highlighter escapes what it was given: its output is that text in spans with classes.
  element.innerHTML = html
  element.dataset["coloured"] = "yes"
}

/** The language of a file, by the end of its name. */
export function languageOf(file: string): string {
  const name = file.split("/").pop() ?? ""
  if (/^(Dockerfile|Containerfile)/.test(name)) return "dockerfile"
  if (/^(GNU)?[Mm]akefile$/.test(name)) return "makefile"
  return name.includes(".") ? (name.split(".").pop() ?? "") : ""
}
