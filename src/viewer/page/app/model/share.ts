import type { Item, Replica } from "/client.js"
import { opened } from "./newer"
import { byId, byTime } from "./order"
import { type Fields, at, decoded, fields, flag, list, number, text } from "./read"
import { type Moment, type Recording, cameBy, record } from "./replay"

/** A message with its parts, in order. A part whose message is not here yet stands under one without a value. */
export interface Message {
  readonly id: string
  readonly value: Fields
  readonly parts: readonly Item[]
  /** Taken back by the session's user. */
  readonly undone: boolean
  /** A subagent's, below the call that began it. */
  readonly below: boolean
}

/** What the page shows of a share, or of what it was at a place of its recording. */
export interface View {
  readonly session: Fields
  readonly title: string
  readonly messages: readonly Message[]
  readonly models: readonly Fields[]
  readonly diffs: readonly unknown[]
  /** Items of types that this page has no place for. */
  readonly others: readonly Item[]
  readonly totals: Totals
  /** By part key: what has not ended at this place, and how much of it is there (0 to 1). */
  readonly growing: ReadonlyMap<string, number>
}

export interface Totals {
  readonly cost: number
  readonly input: number
  readonly output: number
  readonly reasoning: number
  readonly cached: number
  readonly parts: number
  /** From the first message to the last sign of work, in ms; undefined if nothing has a time. */
  readonly duration: number | undefined
  readonly started: number | undefined
}

/** Everything in the order of the session, to be played. */
export function recording(replica: Replica): Recording {
  return record(arranged(replica.items.values()).flatMap(({ item, parts }) => (item ? [item, ...parts] : parts)))
}

/** The share as it is; or, with a place, as it was there. */
export function view(replica: Replica, place?: { recording: Recording; at: number }): View {
  let items: Iterable<Item> = replica.items.values()
  const growing = new Map<string, number>()
  if (place) {
    const { moments } = place.recording
    const came = moments.slice(0, cameBy(place.recording, place.at))
    for (const moment of came) if (moment.end > place.at) growing.set(moment.item.key, share(moment, place.at))
    const rest = [...replica.items.values()].filter(({ key }) => !/^(message|part|session_diff)/.test(key))
    items = [...rest, ...came.map(moment => moment.item)]
    if (came.length === moments.length) items = replica.items.values()
  }
  const all = [...items]
  const session = fields(replica.items.get("session")?.value)
  const revert = at(session, "revert")
  const undoneFrom = revert ? text(revert, "messageID") : ""
  let undone = false
  const messages = arranged(all).map(({ id, item, parts, below }) => {
    undone ||= undoneFrom !== "" && id === undoneFrom
    return { id, ...((parts.length === 0 && item && opened(id, item)) || { value: fields(item?.value), parts }), undone, below }
  })
  const of = (prefix: string) => all.filter(item => item.key.startsWith(prefix))
  return {
    session,
    title: text(session, "title") || "Untitled session",
    messages,
    models: of("model/").map(item => fields(item.value)),
    diffs: list(all.find(item => item.key === "session_diff")?.value),
    others: of("other/"),
    totals: totals(session, messages, place === undefined),
    growing,
  }
}

function share(moment: Moment, at: number): number {
  return (at - moment.at) / Math.max(1, moment.end - moment.at)
}

interface Group {
  readonly id: string
  item: Item | undefined
  readonly parts: Item[]
  below: boolean
}

function arranged(items: Iterable<Item>): Group[] {
  const groups = new Map<string, Group>()
  let own = ""
  const group = (id: string) => {
    const found = groups.get(id) ?? { id, item: undefined, parts: [], below: false }
    groups.set(id, found)
    return found
  }
  for (const item of items) {
    const [lane, id] = item.key.split("/")
    if (lane === "message") group(decoded(id)).item = item
    else if (lane === "part") group(decoded(id)).parts.push(item)
    else if (lane === "session") own = text(item.value, "id")
  }
  const sorted = [...groups.values()]
  for (const { parts } of sorted) parts.sort(byId)
  sorted.sort((a, b) => byTime(a.item ?? a.parts[0]!, b.item ?? b.parts[0]!))
  return belowTheirCalls(sorted, own)
}

/** Puts the messages of subagents, which are of other sessions, behind the messages with the calls that began them. */
function belowTheirCalls(sorted: Group[], own: string): Group[] {
  const sessionOf = (group: Group) => text(group.item?.value, "sessionID")
  const others = new Set(sorted.map(sessionOf).filter(session => session !== "" && session !== own))
  if (own === "" || others.size === 0) return sorted
  const begun = (group: Group) =>
    group.parts.map(part => text(part.value, "state", "metadata", "sessionId")).filter(session => others.has(session))
  const called = new Set(sorted.flatMap(begun))
  const below = new Map<string, Group[]>()
  const order: Group[] = []
  for (const group of sorted) {
    const session = sessionOf(group)
    group.below = called.has(session) && session !== own
    if (!group.below) order.push(group)
    else below.set(session, [...(below.get(session) ?? []), group])
  }
  const placed: Group[] = []
  const place = (group: Group) => {
    placed.push(group)
    for (const session of begun(group)) {
      const groups = below.get(session) ?? []
      below.delete(session)
      groups.forEach(place)
    }
  }
  order.forEach(place)
  // Sessions that began each other stand below no message; they stand at the end.
  return [...placed, ...[...below.values()].flat()]
}

function totals(session: Fields, messages: readonly Message[], whole: boolean): Totals {
  const sum = { cost: 0, input: 0, output: 0, reasoning: 0, cached: 0, parts: 0 }
  let [started, ended]: (number | undefined)[] = []
  for (const { value, parts } of messages) {
    add(sum, value)
    sum.parts += parts.length
    const created = number(value, "time", "created")
    if (created !== undefined) started = Math.min(started ?? created, created)
    const last = number(value, "time", "completed") ?? created
    if (last !== undefined) ended = Math.max(ended ?? last, last)
  }
  // What the session says of itself holds for all of it, also for messages that are not in the share.
  if (whole && number(session, "tokens", "input") !== undefined) {
    Object.assign(sum, { cost: 0, input: 0, output: 0, reasoning: 0, cached: 0 })
    add(sum, session)
  }
  started ??= number(session, "time", "created")
  const duration = started !== undefined && ended !== undefined ? Math.max(0, ended - started) : undefined
  return { ...sum, duration, started }
}

function add(sum: { cost: number; input: number; output: number; reasoning: number; cached: number }, value: Fields): void {
  sum.cost += number(value, "cost") ?? 0
  sum.input += number(value, "tokens", "input") ?? 0
  sum.output += number(value, "tokens", "output") ?? 0
  sum.reasoning += number(value, "tokens", "reasoning") ?? 0
  sum.cached += number(value, "tokens", "cache", "read") ?? 0
}

/** The newest to-do list that the session made. */
export function todos(messages: readonly Message[]): readonly unknown[] {
  for (let m = messages.length - 1; m >= 0; m -= 1) {
    const { parts } = messages[m]!
    for (let p = parts.length - 1; p >= 0; p -= 1) {
      const { value } = parts[p]!
      if (text(value, "tool") === "todowrite") {
        const found = list(value, "state", "input", "todos")
        if (found.length > 0) return found
      }
    }
  }
  return []
}

/** Whether a text is the user's own, rather than put in for the model to read. */
export function isOwn(part: Item): boolean {
  return !flag(part.value, "synthetic") && !flag(part.value, "ignored")
}
