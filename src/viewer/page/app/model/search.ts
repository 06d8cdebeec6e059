import { hasFailed, type Kind, kindOf } from "../parts/kinds"
import { at, json, text } from "./read"
import type { PartRow, Row } from "./rows"
import type { Whole } from "./whole"

/** A part in which the words stand. */
export interface Hit {
  /** The part's row. */
  readonly id: string
  /** The item's key. */
  readonly key: string
  readonly kind: Kind
  readonly failed: boolean
  /** Where in the part's text the words begin; 0 if they stand in a call. */
  readonly from: number
}

/** What is looked for: words in their order, whatever their case and whatever white space is between them. `undefined` if there are no words. */
export function pattern(words: string): RegExp | undefined {
  const escaped = words.trim().slice(0, WORDS_MAX).replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&").replace(/\s+/g, "\\s+")
  return escaped ? new RegExp(escaped, "iu") : undefined
}

const WORDS_MAX = 200

/** How long the search goes on before it lets the page draw, in ms. */
const SLICE_MS = 12

/** How often it is told that more was found in whole values, in ms. */
const TOLD_MS = 200

/** How long the reader has typed nothing when whole values are asked for, in ms. */
const RESTED_MS = 300

/** Values within each other that are looked into at most: what is deeper is the JSON of what is above it. */
const DEPTH_MAX = 8

/**
 * Looks through all parts, a little at a time, and through what changed once more. Rows that did not change are the same objects, so
 * what was found in them is known.
 */
export class Search {
  hits: readonly Hit[] = []
  /** Whether all parts were looked through. */
  whole = true
  #pattern: RegExp | undefined
  #known = new WeakMap<Row, Hit | null>()
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Counts up with each search: what comes for an earlier one is of no use. */
  #turn = 0

  /** `values` gives what is held short. `changed` is called each time more was found, and when all was looked through. */
  constructor(
    private readonly values: Whole,
    private readonly changed: () => void,
  ) {}

  /** Looks for these words in these rows. Without words, every part is found. */
  start(rows: readonly Row[], pattern: RegExp | undefined): void {
    if (pattern?.source !== this.#pattern?.source) this.#known = new WeakMap()
    this.#pattern = pattern
    this.stop()
    this.whole = false
    const hits: Hit[] = []
    let place = 0
    const slice = () => {
      const until = performance.now() + SLICE_MS
      // The clock is not asked for each row, most of which are short.
      while (place < rows.length && (place % 16 !== 0 || performance.now() < until)) {
        const hit = this.#look(rows[place]!)
        if (hit) hits.push(hit)
        place += 1
      }
      const isThrough = place >= rows.length
      // Until then the hits of before stay, so that nothing flickers while a session goes on.
      if (isThrough || hits.length > this.hits.length) this.hits = isThrough ? hits : [...hits]
      const unknown = isThrough ? rows.filter(row => row.kind === "part" && !this.#known.has(row)) : []
      this.whole = isThrough && unknown.length === 0
      if (!isThrough) this.#timer = setTimeout(slice)
      else if (!this.whole) this.#timer = setTimeout(() => void this.#fetch(rows, unknown), RESTED_MS)
      this.changed()
    }
    slice()
  }

  /** Looks through the whole values of what is held short and has the words not in its beginning. */
  async #fetch(rows: readonly Row[], unknown: readonly Row[]): Promise<void> {
    const turn = this.#turn
    let told = performance.now()
    const tell = () => {
      told = performance.now()
      this.hits = rows.flatMap(row => this.#known.get(row) ?? [])
      this.changed()
    }
    try {
      await this.values.each(unknown, ({ of, whole }) => {
        if (turn !== this.#turn) return
        const hit = this.#look(whole)
        this.#known.set(of, hit)
        if (hit && performance.now() - told > TOLD_MS) tell()
      }, () => turn === this.#turn)
      this.whole = true
    } catch {
      // It is told for what it is: not the whole. The next change, or the next words, begin anew.
    }
    if (turn === this.#turn) tell()
  }

  stop(): void {
    this.#turn += 1
    clearTimeout(this.#timer)
  }

  #look(row: Row): Hit | null {
    if (row.kind !== "part") return null
    const known = this.#known.get(row)
    if (known !== undefined) return known
    const from = this.#pattern ? found(row, this.#pattern) : 0
    // Of what is held short the rest may have them.
    if (from < 0 && row.item.size !== undefined) return null
    const hit = from < 0 ? null : { id: row.id, key: row.item.key, kind: kindOf(row), failed: hasFailed(row), from }
    this.#known.set(row, hit)
    return hit
  }
}

/** Where in a part the words stand; below 0: nowhere. */
function found({ item }: PartRow, pattern: RegExp): number {
  const { value } = item
  switch (text(value, "type")) {
    case "text":
    case "reasoning": {
      const written = text(value, "text")
      const place = written.search(pattern)
      // As it reads: words of which a part is bold or code are words all the same.
      return place >= 0 ? place : written.replace(/[*`]+/g, "").search(pattern)
    }
    case "tool": {
      const state = at(value, "state")
      const said = [at(value, "tool"), at(state, "title"), at(state, "input"), at(state, "output"), at(state, "error"), at(state, "metadata")]
      return said.some(one => isIn(one, pattern, DEPTH_MAX)) ? 0 : -1
    }
    case "file":
      // Not the address, which is often the whole file.
      return [text(value, "filename"), text(value, "mime")].some(one => pattern.test(one)) ? 0 : -1
    default:
      return isIn(value, pattern, DEPTH_MAX) ? 0 : -1
  }
}

function isIn(value: unknown, pattern: RegExp, depth: number): boolean {
  if (typeof value === "string") return pattern.test(value)
  if (typeof value !== "object" || value === null) return value !== undefined && value !== null && pattern.test(String(value))
  if (depth === 0) return pattern.test(json(value))
  return Object.values(value).some(inner => isIn(inner, pattern, depth - 1))
}
