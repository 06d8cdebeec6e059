import type { Item } from "/client.js"
import { type Fields, at, decoded, flag, list, text } from "./read"
import { type Message, type View, isOwn } from "./share"

/** One line of the list: the head of a message, or a part. What is equal to the row of before is the same object. */
export type Row = Head | PartRow | Run

export interface Head {
  readonly kind: "head"
  readonly item: Item | undefined
  /** Unique in the list, and the anchor of links: the message's or the part's id. */
  readonly id: string
  readonly message: Fields
  readonly role: Role
  readonly undone: boolean
  /** A subagent's, below the call that began it. */
  readonly below: boolean
  readonly bare: boolean
}

export interface PartRow {
  readonly kind: "part"
  readonly id: string
  readonly item: Item
  readonly message: Fields
  readonly role: Role
  readonly undone: boolean
  readonly below: boolean
  /** How much of it is there, 0 to 1, while a replay passes through it. */
  readonly grown: number
  readonly last: boolean
}

/** Calls that follow each other, as one row. */
export interface Run {
  readonly kind: "run"
  readonly id: string
  readonly item?: undefined
  readonly parts: readonly PartRow[]
  readonly message: Fields
  readonly role: Role
  readonly undone: boolean
  readonly below: boolean
}

export type Role = "user" | "assistant"

/** Makes rows of views, and gives the same object for what did not change. */
export class Rows {
  #before = new Map<string, Row>()

  of(view: View): Row[] {
    const rows: Row[] = []
    const now = new Map<string, Row>()
    const push = (row: Row) => {
      // Ids are unique for those who follow the contract; for others the second gets another name.
      const id = now.has(row.id) ? `${row.id}~${rows.length}` : row.id
      const before = this.#before.get(id)
      const kept = before && same(before, { ...row, id }) ? before : { ...row, id }
      now.set(id, kept)
      rows.push(kept)
    }
    let speaker = ""
    for (const message of view.messages) {
      const { value, undone, below } = message
      const role: Role = text(value, "role") === "user" ? "user" : "assistant"
      const parts = message.parts.filter(isShown)
      const named = `${role}/${who(value)}/${undone}/${below && text(value, "sessionID")}`
      const error = at(value, "error") !== undefined
      // One turn of the model is many messages, one for each step: they are told as one.
      if (role === "user" || named !== speaker || error) {
        push({ kind: "head", item: message.item, id: message.id, message: value, role, undone, below, bare: parts.length === 0 })
      }
      speaker = named
      parts.forEach((item, place) => {
        const id = decoded(item.key.split("/")[2])
        const grown = view.growing.get(item.key) ?? 1
        push({ kind: "part", id, item, message: value, role, undone, below, grown, last: place === parts.length - 1 })
      })
    }
    this.#before = now
    return rows
  }
}

/** The row that a link's anchor means: itself, or for a message told with the one before it, its first part. */
export function rowOf(rows: readonly Row[], messages: readonly Message[], anchor: string): string | undefined {
  if (rows.some(row => row.id === anchor)) return anchor
  const first = messages.find(message => message.id === anchor)?.parts.find(isShown)
  return first && decoded(first.key.split("/")[2])
}

/** What a speaker is called: the model, or the agent for want of one. */
export function who(message: Fields): string {
  return text(message, "modelID") || text(message, "model", "modelID") || text(message, "agent")
}

function isShown(part: Item): boolean {
  const { value } = part
  switch (text(value, "type")) {
    case "step-start":
    case "snapshot":
      return false
    case "text":
      return text(value, "text").trim() !== "" || !isOwn(part)
    case "reasoning":
      return text(value, "text").trim() !== ""
    case "patch":
      return list(value, "files").length > 0
    default:
      return !flag(value, "ignored")
  }
}

function same(a: Row, b: Row): boolean {
  if (a.kind !== b.kind || a.undone !== b.undone || a.below !== b.below || a.message !== b.message) return false
  if (a.kind === "head") return a.bare === (b as Head).bare
  if (a.kind === "run") return false
  const { item, grown, last } = b as PartRow
  // A short value stays as it is though the whole one changed.
  const isEqual = a.item.value === item.value && (item.size === undefined || a.item.revision === item.revision)
  return isEqual && a.grown === grown && a.last === last
}
