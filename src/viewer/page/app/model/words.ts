import { type Fields, at, fields, json, text } from "./read"

/**
 * The words of a result: its texts, each on lines of its own, or the JSON of what has none; empty if there is nothing. The host's
 * documents find them in the same way (`src/viewer/render/words.rs`).
 */
export function words(value: unknown): string {
  if (value === null || value === undefined) return ""
  if (typeof value !== "object") return String(value)
  if (Array.isArray(value)) return value.map(words).filter(Boolean).join("\n")
  const members = fields(value)
  if (Object.keys(members).length === 0) return ""
  const inner = typeof at(members, "text") === "string" ? at(members, "text") : (at(members, "content") ?? at(members, "resource"))
  return words(inner) || message(members, false) || json(value)
}

/** The words of an error: `{"name", "data": {"message"}}`, a text, or anything. */
export function errorWords(error: unknown): string {
  const members = fields(error)
  return (Object.keys(members).length > 0 && message(members, true)) || words(error)
}

function message(members: Fields, nameWillDo: boolean): string {
  const said = text(members, "data", "message") || text(members, "message")
  const name = text(members, "name")
  // So OpenCode names what somebody stopped.
  if (name === "MessageAbortedError") return said ? `interrupted: ${said}` : "interrupted"
  if (name && said) return `${name}: ${said}`
  return said || (nameWillDo && Object.keys(members).length === 1 ? name : "")
}
