import type { Item, Replica } from "/client.js"
import { opened } from "./newer"
import { type Figures, figures } from "./figures"
import { type Told, added, ofMessages, ofParts } from "./order"
import { isUncounted } from "../text/diff"
import { type Fields, at, decoded, fields, flag, list, number, text, word } from "./read"
import { type Moment, type Recording, cameBy, record } from "./replay"

/** A message with its parts, in order. A part whose message is not here yet stands under one without a value. */
export interface Message {
  readonly id: string
  readonly value: Fields
  /** Undefined while it is not here. */
  readonly item: Item | undefined
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
  readonly figures: Figures
  /** By part key: what has not ended at this place, and how much of it is there (0 to 1). */
  readonly growing: ReadonlyMap<string, number>
}

/** Everything in the order of the session, to be played. */
export function recording(replica: Replica): Recording {
  const { groups, isByTime } = arranged(replica.items.values())
  return record(groups.flatMap(({ item, parts }) => (item ? [item, ...parts] : parts)), isByTime)
}

/** The share as it is; or, with a place, as it was there. `whole` gives an item that is held short with its whole value, once that is here. */
export function view(replica: Replica, place?: { recording: Recording; at: number }, whole = (item: Item) => item): View {
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
  const messages = arranged(all).groups.map(({ id, item, parts, below }) => {
    undone ||= undoneFrom !== "" && id === undoneFrom
    return { id, item, ...((parts.length === 0 && item && opened(id, item)) || { value: fields(item?.value), parts }), undone, below }
  })
  const diffs = diffsOf(all.find(item => item.key === "session_diff"), whole)
  const of = (prefix: string) => all.filter(item => item.key.startsWith(prefix)).sort(asTheyCame)
  return {
    session,
    title: titleOf(session),
    messages,
    models: of("model/").map(item => fields(item.value)),
    diffs,
    others: of("other/"),
    figures: figures(session, messages, diffs, place === undefined),
    growing,
  }
}

/** What the session changed. Where it is not said how many lines changed, they are counted, and that takes all of them. */
export function diffsOf(item: Item | undefined, whole: (item: Item) => Item): readonly unknown[] {
  const diffs = list(item?.value)
  return item?.size !== undefined && diffs.some(isUncounted) ? list(whole(item).value) : diffs
}

/** The session's title, as every document has it. */
function titleOf(session: Fields): string {
  const id = text(session, "id").trim()
  return text(session, "title").trim() || (id ? `Session ${id}` : "A shared session")
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

/** Messages with their parts in the order of the session; `isByTime`: it is that of their times. */
interface Arranged {
  readonly groups: readonly Group[]
  readonly isByTime: boolean
}

function arranged(items: Iterable<Item>): Arranged {
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
    else if (lane === "session") own = word(item.value, "id")
  }
  const all = [...groups.values()]
  for (const group of all) {
    const came = group.parts.sort(asTheyCame)
    const order = ofParts(came.map(({ key }) => decoded(key.split("/")[2])))
    group.parts.splice(0, came.length, ...order.map(place => came[place]!))
  }
  // Parts whose message is not here yet stand at the end, as in the host's documents.
  const there = all.filter(({ item }) => item).sort((a, b) => asTheyCame(a.item!, b.item!))
  const { places, isByTime } = ofMessages(there.map(told))
  const sorted = [...places.map(place => there[place]!), ...all.filter(({ item }) => !item)]
  return { groups: belowTheirCalls(sorted, own), isByTime }
}

function asTheyCame(a: Item, b: Item): number {
  return a.first - b.first || a.order - b.order
}

/** What a message says about its place. */
function told({ id, item }: Group): Told {
  const value = item?.value
  const role = at(value, "role")
  const created = number(value, "time", "created")
  return {
    id,
    parent: word(value, "parentID"),
    session: word(value, "sessionID"),
    isUser: (typeof role === "string" ? role : at(value, "type")) === "user",
    created: created === undefined ? undefined : Math.trunc(Math.min(TIME_MAX, Math.max(-TIME_MAX, created))),
  }
}

/** Times beyond it are that time, as in the host's documents, which count them in 64 bits. */
const TIME_MAX = 2 ** 63

/** Puts the messages of subagents, which are of other sessions, behind the messages with the calls that began them. */
function belowTheirCalls(sorted: Group[], own: string): Group[] {
  const sessionOf = (group: Group) => word(group.item?.value, "sessionID")
  const others = new Set(sorted.map(sessionOf).filter(session => session !== "" && session !== own))
  if (own === "" || others.size === 0) return sorted
  // A part without its message began nothing yet.
  const begun = (group: Group) => (group.item ? group.parts.map(sessionBegun).filter(session => others.has(session)) : [])
  const called = new Set(sorted.flatMap(begun))
  const below = new Map<string, Group[]>()
  // The last is the next: a message, or the session of a subagent.
  const next: (Group | string)[] = []
  for (const group of sorted) {
    const session = sessionOf(group)
    group.below = called.has(session) && session !== own
    if (group.below) added(below, session, group)
    else next.push(group)
  }
  next.reverse()
  const placed: Group[] = []
  for (let one = next.pop(); one !== undefined; one = next.pop()) {
    if (typeof one === "string") {
      for (const group of (below.get(one) ?? []).reverse()) next.push(group)
      below.delete(one)
    } else {
      placed.push(one)
      for (const session of begun(one).reverse()) next.push(session)
    }
  }
  // Sessions that began each other stand below no message; they stand at the end.
  return [...placed, ...[...below.values()].flat()]
}

/** The session that a call began; empty if the part is no call, or the call began no session. */
function sessionBegun({ value }: Item): string {
  const isCall = word(value, "type") === "tool" && typeof at(value, "tool") === "string"
  return isCall ? word(value, "state", "metadata", "sessionId") : ""
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
