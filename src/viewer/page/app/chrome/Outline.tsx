import type { JSX } from "preact"
import { text } from "../model/read"
import { type View, isOwn, todos } from "../model/share"
import { Todos } from "../parts/Todos"

/** Entries at most; of a longer session the newest. */
const ENTRIES = 60

/** Beside the messages, where there is room: what the user asked, and what is to be done. */
export function Outline({ view, onJump }: { view: View; onJump(id: string): void }): JSX.Element {
  const asked = view.messages.flatMap(message => {
    if (text(message.value, "role") !== "user") return []
    const part = message.parts.find(part => text(part.value, "type") === "text" && isOwn(part))
    const words = text(part?.value, "text").trim()
    return words ? [{ id: message.id, words: words.length > 140 ? `${words.slice(0, 140)}…` : words }] : []
  })
  const list = todos(view.messages)
  return (
    <aside class="outline" aria-label="Outline">
      {asked.length > 0 && (
        <nav aria-label="Prompts">
          <h2>Prompts</h2>
          <ol>
            {asked.slice(-ENTRIES).map(({ id, words }) => (
              <li key={id}>
                <a href={`#${encodeURIComponent(id)}`} onClick={event => { event.preventDefault(); onJump(id) }}><span dir="auto">{words}</span></a>
              </li>
            ))}
          </ol>
        </nav>
      )}
      {list.length > 0 && <section aria-label="To do"><h2>To do</h2><Todos todos={list} /></section>}
    </aside>
  )
}
