import type { JSX } from "preact"
import { text } from "../model/read"

const WORDS: Record<string, string> = { completed: "done", in_progress: "in progress", cancelled: "cancelled", pending: "open" }

/** A list of what is to be done, each with how far it is. */
export function Todos({ todos }: { todos: readonly unknown[] }): JSX.Element {
  return (
    <ul class="todos">
      {todos.map((todo, place) => {
        const status = text(todo, "status")
        return (
          <li key={place} class={`todo todo-${Object.hasOwn(WORDS, status) ? status : "pending"}`}>
            <span class="todo-box" role="img" aria-label={Object.hasOwn(WORDS, status) ? WORDS[status] : "open"} />
            <span>{text(todo, "content") || "…"}</span>
          </li>
        )
      })}
    </ul>
  )
}
