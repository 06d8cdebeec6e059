import type { Item } from "/client.js"
import { number } from "./read"

/**
 * The order of a session: messages by the time at which they were made, parts by their ids.
 *
 * OpenCode's ids begin with a time of 48 bits that wraps every 795 days, so two of them are compared by the shorter way
 * round. Ids of another shape say nothing of time: then what came first stands first.
 */
export function byTime(a: Item, b: Item): number {
  const [at, bt] = [number(a.value, "time", "created"), number(b.value, "time", "created")]
  return at !== undefined && bt !== undefined && at !== bt ? at - bt : byId(a, b)
}

export function byId(a: Item, b: Item): number {
  const [at, bt] = [stamp(a.key), stamp(b.key)]
  if (at !== undefined && bt !== undefined) {
    if (at !== bt) return (at > bt) === (Math.abs(at - bt) < HALF) ? 1 : -1
    return a.key < b.key ? -1 : 1
  }
  return a.first - b.first || a.order - b.order
}

const HALF = 2 ** 47
const STAMP = /\/[a-z]+_([0-9a-f]{12})[0-9A-Za-z]{14}$/

function stamp(key: string): number | undefined {
  const found = STAMP.exec(key)
  return found?.[1] === undefined ? undefined : Number.parseInt(found[1], 16)
}
