/**
 * The order of a session, by the rules of the host's documents (`src/viewer/render/order.rs`): times are believed unless they put
 * more answers in a wrong place than the order does in which messages arrived, and an answer never stands before what it answers.
 */

/** What a message says about its place. */
export interface Told {
  readonly id: string
  /** The message that it answers; empty if it says none. */
  readonly parent: string
  /** The session that it is of. */
  readonly session: string
  readonly isUser: boolean
  /** When it was made, in whole ms since 1970. */
  readonly created: number | undefined
}

export interface Order {
  /** The places of what was given, in the order in which it is told. */
  readonly places: readonly number[]
  /** It is that of the messages' times, so that times tell what came when. */
  readonly isByTime: boolean
}

/** The order of messages, which are given as they arrived. */
export function ofMessages(told: readonly Told[]): Order {
  const places = new Map(told.map(({ id }, place) => [id, place]))
  const parents = told.map(({ parent }, place) => {
    const found = parent === "" ? undefined : places.get(parent)
    return found === place ? undefined : found
  })
  const arrival = told.map((_, place) => place)
  const times = byTime(told)
  const timesAgree = misplaced(told, parents, times) <= misplaced(told, parents, arrival)
  const chosen = timesAgree ? times : arrival
  const ordered = behindParents(parents, chosen)
  return { places: ordered, isByTime: timesAgree && ordered.every((place, n) => place === chosen[n]) }
}

/** The order of parts, whose ids are given as they arrived. */
export function ofParts(ids: readonly string[]): readonly number[] {
  return byStamps(ids.map((_, place) => place), ids.map(stamp))
}

function byTime(told: readonly Told[]): number[] {
  const keys = inherited(told.map(({ created }) => created))
  const order = told.map((_, place) => place).sort((a, b) => keys[a]! - keys[b]! || a - b)
  const stamps = told.map(({ id }) => stamp(id))
  const placed: number[] = []
  // Of messages of one time, or without one, their ids tell more.
  for (let from = 0; from < order.length; ) {
    let to = from + 1
    while (to < order.length && keys[order[to]!] === keys[order[from]!]) to += 1
    for (const place of byStamps(order.slice(from, to), stamps)) placed.push(place)
    from = to
  }
  return placed
}

function byStamps(places: readonly number[], stamps: readonly (number | undefined)[]): readonly number[] {
  const first = places.map(place => stamps[place]).find(found => found !== undefined)
  if (first === undefined) return places
  const keys = inherited(places.map(place => (stamps[place] === undefined ? undefined : after(first, stamps[place]))))
  const order = places.map((_, n) => n).sort((a, b) => keys[a]! - keys[b]! || a - b)
  return order.map(n => places[n]!)
}

/** Times of which none is missing: what says none has that of the one before it. */
function inherited(times: readonly (number | undefined)[]): number[] {
  let before = -Number.MAX_VALUE
  return times.map(time => (before = time ?? before))
}

const STAMP = /^[a-z]+_([0-9a-f]{12})[0-9A-Za-z]{14}$/

/** The time in an id of OpenCode's form. */
function stamp(id: string): number | undefined {
  const found = STAMP.exec(id)
  return found?.[1] === undefined ? undefined : Number.parseInt(found[1], 16)
}

const WHOLE = 2 ** 48

/** How much later than `first` a stamp is, by the shorter way round: stamps have 48 bits and begin anew every 795 days. */
function after(first: number, stamp: number): number {
  const distance = (stamp - first + WHOLE) % WHOLE
  return distance >= WHOLE / 2 ? distance - WHOLE : distance
}

/** Number of answers that stand before what they answer, or behind another message of the user's than that. */
function misplaced(told: readonly Told[], parents: readonly (number | undefined)[], order: readonly number[]): number {
  const seen = new Set<number>()
  const asked = new Map<string, number>()
  let count = 0
  for (const place of order) {
    const { isUser, session } = told[place]!
    const parent = parents[place]
    if (isUser) {
      asked.set(session, place)
    } else if (parent !== undefined) {
      const other = asked.get(session)
      if (!seen.has(parent) || (told[parent]!.isUser && other !== undefined && other !== parent)) count += 1
    }
    seen.add(place)
  }
  return count
}

/** Puts one more into the list that a map has for a key. */
export function added<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key)
  if (list) list.push(value)
  else lists.set(key, [value])
}

/** Moves each answer that would stand before what it answers right behind that. */
function behindParents(parents: readonly (number | undefined)[], order: readonly number[]): number[] {
  const seen = new Set<number>()
  const waiting = new Map<number, number[]>()
  const told: number[] = []
  for (const first of order) {
    const parent = parents[first]
    if (parent !== undefined && !seen.has(parent)) {
      added(waiting, parent, first)
      continue
    }
    const next = [first]
    for (let place = next.pop(); place !== undefined; place = next.pop()) {
      seen.add(place)
      told.push(place)
      for (const answer of (waiting.get(place) ?? []).reverse()) next.push(answer)
      waiting.delete(place)
    }
  }
  // Messages that answer each other.
  return [...told, ...order.filter(place => !seen.has(place))]
}
