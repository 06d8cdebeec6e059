import type { Item } from "/client.js"
import { number } from "./read"

/**
 * A session as a recording: each item at the moment when it came.
 *
 * Moments are in the order of the revisions with which items first came; between two of one revision (a share of a session
 * that was over already has but one) by the items' own times. The axis is those times, in which no pause is longer than
 * 2 s, and of things that have no time each takes 250 ms. So the first `n` moments are what the share held at some point.
 */
export interface Moment {
  readonly item: Item
  /** When it comes, in ms from the beginning. */
  readonly at: number
  /** When it was complete: what was typed is typed until then. */
  readonly end: number
}

export interface Recording {
  readonly moments: readonly Moment[]
  /** In ms. */
  readonly length: number
}

const PAUSE_MS = 2_000
const STEP_MS = 250
/** Text of a part is shown as it grows for no longer than this. */
const TYPED_MS = 6_000

/** `isByTime`: the order is that of the items' times, which then tell also what came between. */
export function record(ordered: readonly Item[], isByTime: boolean): Recording {
  let before = 0
  const timed = ordered.map((item, place) => {
    const { start, end } = times(item)
    before = start ?? before
    return { item, place, start: before, end }
  })
  timed.sort((a, b) => a.item.first - b.item.first || (isByTime ? a.start - b.start : 0) || a.place - b.place)
  const moments: Moment[] = []
  let at = 0
  let last = timed[0]?.start ?? 0
  for (const { item, start, end } of timed) {
    const gap = start - last
    at += gap > 0 ? Math.min(gap, PAUSE_MS) : moments.length > 0 ? STEP_MS / 5 : 0
    last = Math.max(last, start)
    const took = end === undefined ? 0 : Math.min(Math.max(end - start, 0), TYPED_MS)
    moments.push({ item, at, end: at + took })
  }
  const length = moments.reduce((longest, moment) => Math.max(longest, moment.end), 0)
  return { moments, length }
}

/** How many moments have come at a place on the axis. */
export function cameBy({ moments }: Recording, at: number): number {
  let [low, high] = [0, moments.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (moments[middle]!.at <= at) low = middle + 1
    else high = middle
  }
  return low
}

/** The place at which a share stood at a revision. */
export function placeOf({ moments, length }: Recording, revision: number): number {
  const next = moments.findIndex(moment => moment.item.first > revision)
  if (next < 0) return length
  return next === 0 ? 0 : moments[next - 1]!.at
}

function times({ value }: Item): { start: number | undefined; end: number | undefined } {
  const start = number(value, "state", "time", "start") ?? number(value, "time", "start") ?? number(value, "time", "created")
  const end = number(value, "state", "time", "end") ?? number(value, "time", "end")
  return { start, end }
}
