import type { JSX } from "preact"
import { useLayoutEffect, useRef } from "preact/hooks"
import { plural } from "../model/format"
import { todos, type View } from "../model/share"
import { Todos } from "../parts/Todos"
import type { Chapter } from "./chapters"

interface Props {
  view: View
  chapters: readonly Chapter[]
  /** The chapter in which the reader is. */
  at: string | undefined
  /** On a narrow screen it is a sheet, which is open or not. */
  open: boolean
  onJump(id: string): void
}

/** Beside the messages, where there is room, and else as a sheet: what the user asked, what came of it, and what is to be done. */
export function Outline({ view, chapters, at, open, onJump }: Props): JSX.Element {
  const box = useRef<HTMLElement>(null)
  useLayoutEffect(() => {
    const [aside, link] = [box.current, box.current?.querySelector("[aria-current]")]
    if (!aside || !link) return
    // Only the outline is to move, and not the page.
    const [outer, inner] = [aside.getBoundingClientRect(), link.getBoundingClientRect()]
    if (inner.top < outer.top || inner.bottom > outer.bottom) aside.scrollTop += inner.top - outer.top - outer.height / 3
  }, [at, open])
  const list = todos(view.messages)
  return (
    <aside class={`outline ${open ? "outline-open" : ""}`} aria-label="Outline" ref={box}>
      {chapters.length > 0 && (
        <nav aria-label="Prompts">
          <h2>{plural(chapters.length, "prompt")}</h2>
          <ol>
            {chapters.map(({ id, words, edits, failures }) => (
              <li key={id}>
                <a
                  href={`#${encodeURIComponent(id)}`} aria-current={id === at ? "location" : undefined}
                  onClick={event => { event.preventDefault(); onJump(id) }}
                >
                  <span class="outline-words" dir="auto">{words}</span>
                  {(edits > 0 || failures > 0) && (
                    <small class="quiet">
                      {edits > 0 && plural(edits, "edit")}{edits > 0 && failures > 0 && ", "}
                      {failures > 0 && <span class="removed">{failures.toLocaleString("en")} failed</span>}
                    </small>
                  )}
                </a>
              </li>
            ))}
          </ol>
        </nav>
      )}
      {list.length > 0 && <section aria-label="To do"><h2>To do</h2><Todos todos={list} /></section>}
    </aside>
  )
}
