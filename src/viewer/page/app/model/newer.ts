import type { Item } from "/client.js"
import type { Within } from "./whole"
import { type Fields, at, fields, list, text } from "./read"

/**
 * Messages of OpenCode's newer form, which hold themselves what other messages have in parts: opened, so that the page shows
 * them like any. The host's documents do the same (`src/viewer/render/newer.rs`).
 */
export interface Opened {
  readonly value: Fields
  readonly parts: readonly Within[]
}

/** By the message's value: what did not change is the same object, and is not drawn again. */
const known = new WeakMap<object, Opened>()

/** The message with parts; undefined if it has the usual form: one with a `role`. */
export function opened(id: string, item: Item): Opened | undefined {
  const value = fields(item.value)
  const type = text(value, "type")
  if (type === "" || at(value, "role") !== undefined) return undefined
  const before = known.get(value)
  if (before) return before
  const parts = partsOf(type, value).map((part, n) => ({ ...item, key: `part/${encodeURIComponent(id)}/${encodeURIComponent(`${id}.${n}`)}`, value: part, within: { id, message: item, n } }))
  const now = { value: { ...value, role: type, modelID: text(value, "model", "id") }, parts }
  known.set(value, now)
  return now
}

function partsOf(type: string, message: Fields): Fields[] {
  const words = text(message, "text")
  switch (type) {
    case "user":
      return [{ type: "text", text: words }, ...list(message, "files").map(file)]
    case "assistant":
      return list(message, "content").map(piece)
    case "synthetic":
    case "system":
      return [{ type: "text", text: words, synthetic: true }]
    case "shell": {
      const time = { start: at(message, "time", "created"), end: at(message, "time", "completed") }
      const [input, output] = [{ command: text(message, "command") }, text(message, "output")]
      return [{ type: "tool", tool: "bash", state: { status: "completed", input, output, time } }]
    }
    case "compaction":
      return [{ type: "compaction", auto: text(message, "reason") === "auto" }, { type: "text", text: text(message, "summary") }]
    case "agent-switched":
      return [{ type: "agent", name: text(message, "agent") }]
    default:
      return [message]
  }
}

/** What an assistant's message has of `content`. */
function piece(value: unknown): Fields {
  const piece = fields(value)
  const time = { start: at(piece, "time", "ran") ?? at(piece, "time", "created"), end: at(piece, "time", "completed") }
  if (text(piece, "type") === "reasoning") return { ...piece, time }
  if (text(piece, "type") !== "tool") return piece
  const content = list(piece, "state", "content")
  const files = [...list(piece, "state", "attachments"), ...content.filter(one => text(one, "type") === "file")]
  const said = content.map(one => text(one, "text")).filter(Boolean)
  return {
    type: "tool",
    tool: text(piece, "name"),
    state: {
      status: text(piece, "state", "status"),
      input: at(piece, "state", "input"),
      output: said.join("\n"),
      metadata: at(piece, "state", "structured"),
      error: at(piece, "state", "error"),
      attachments: files.map(file),
      time,
    },
  }
}

function file(value: unknown): Fields {
  return { type: "file", mime: text(value, "mime"), filename: text(value, "name"), url: text(value, "uri") }
}
