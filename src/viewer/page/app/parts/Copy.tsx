import type { JSX } from "preact"
import { useState } from "preact/hooks"
import { Icon } from "./icons"

/** How long a button says that something was copied, in ms. */
const SAID_MS = 2_000

/** Puts a text on the clipboard. False if the browser does not let the page: it was served without TLS, or nobody clicked. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return false
  }
}

/** A button that copies a text. */
export function Copy({ text, label }: { text: () => string | Promise<string>; label: string }): JSX.Element {
  const [said, say] = useState("")
  const press = async () => {
    say((await copy(await text())) ? "Copied" : "The browser does not allow it")
    setTimeout(() => say(""), SAID_MS)
  }
  return (
    <button type="button" class="copy" aria-label={said || label} title={said || label} onClick={press}>
      <Icon name={said === "Copied" ? "done" : said ? "warn" : "copy"} size={14} />
    </button>
  )
}

/** Gives each block of code in rendered Markdown its language and a button that copies it. They stand beside the code and are not selected with it. */
export function addCopies(box: HTMLElement): void {
  for (const code of box.querySelectorAll<HTMLElement>("pre > code")) {
    const pre = code.parentElement!
    if (pre.parentElement?.classList.contains("copyable")) continue
    const frame = document.createElement("div")
    frame.className = "copyable"
    pre.replaceWith(frame)
    const language = document.createElement("span")
    language.className = "language"
    language.textContent = code.dataset["lang"] ?? ""
    const button = document.createElement("button")
    button.type = "button"
    button.className = "copy"
    button.title = "Copy the code"
    button.setAttribute("aria-label", "Copy the code")
    button.textContent = "Copy"
    button.addEventListener("click", async () => {
      button.textContent = (await copy(code.textContent ?? "")) ? "Copied" : "Not allowed"
      setTimeout(() => (button.textContent = "Copy"), SAID_MS)
    })
    frame.append(pre, language, button)
  }
}
