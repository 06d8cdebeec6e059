import type { Item, Put } from "/client.js"
import type { Live } from "./live"
import { opened } from "./newer"
import { added } from "./order"
import type { PartRow, Row } from "./rows"

/** Bytes of whole values that are kept, besides those that are shown. */
const KEPT_BYTES = 16_000_000
/** Keys of one call: as many as the host takes. */
const KEYS_MAX = 64
/** How long it is gathered what is wanted. */
const GATHER_MS = 20
/** After a call that failed. */
const AGAIN_MS = 2_000

interface Kept {
  readonly item: Item
  readonly size: number
  /** When it was last shown. */
  turn: number
}

/** An item that a message of OpenCode's newer form holds: the message, and which of its parts it is. */
export interface Within extends Item {
  readonly within?: { readonly id: string; readonly message: Item; readonly n: number }
}

/**
 * The whole values of items that are held short: asked for when they are shown, and let go of when others were shown since.
 *
 * What is asked for is told by `changed`, with the keys.
 */
export class Whole {
  #kept = new Map<string, Kept>()
  #bytes = 0
  #turn = 0
  #wanted = new Set<string>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #asking = false

  constructor(
    private readonly live: Live,
    private readonly changed: (keys: readonly string[]) => void,
  ) {}

  /** The page is drawn anew: what is not asked for by `of` from now on is not shown any more. */
  turn(): void {
    this.#turn += 1
    this.#wanted.clear()
  }

  /** The item with its whole value; until that is here, the item. */
  of(item: Within): Item {
    const { within } = item
    if (within) {
      const message = this.of(within.message)
      return message === within.message ? item : (opened(within.id, message)?.parts[within.n] ?? item)
    }
    if (item.size === undefined) return item
    const kept = this.#kept.get(item.key)
    if (kept) {
      kept.turn = this.#turn
      // Those that were shown last are the last.
      this.#kept.delete(item.key)
      this.#kept.set(item.key, kept)
      if (kept.item.revision >= item.revision) return kept.item
    }
    this.#wanted.add(item.key)
    this.#later(GATHER_MS)
    return kept?.item ?? item
  }

  /** Rows with their whole values, which are not kept. A part of which the host says nothing more stays short. */
  async all(rows: readonly Row[]): Promise<Row[]> {
    const whole = new Map<Row, Row>()
    await this.each(rows, row => void whole.set(row.of, row.whole))
    return rows.map(row => whole.get(row) ?? row)
  }

  /**
   * Gives each part of which only the beginning is held with its whole value, as they come; none of these is kept. It ends early if
   * `isWanted` says so.
   *
   * @throws Error The host did not answer.
   */
  async each(rows: readonly Row[], give: (row: { of: PartRow; whole: PartRow }) => void, isWanted = () => true): Promise<void> {
    const byKey = new Map<string, PartRow[]>()
    for (const row of rows) {
      if (row.kind !== "part" || row.item.size === undefined) continue
      const { within }: Within = row.item
      added(byKey, within?.message.key ?? row.item.key, row)
    }
    const keys = [...byKey.keys()]
    const { channel } = this.live
    if (!channel) throw new Error("the page is not connected yet")
    while (keys.length > 0 && isWanted()) {
      const asked = keys.splice(0, KEYS_MAX)
      const { changes, left } = await channel.call<{ changes: Put[]; left: string[] }>("share.items", { keys: asked })
      if (!isWanted()) return
      for (const { key, type, value, revision } of changes) {
        for (const of of byKey.get(key) ?? []) {
          const { first, order, within }: Within = of.item
          const item = { key, type, value, revision, first, order }
          const found = within ? opened(within.id, item)?.parts[within.n] : item
          if (found) give({ of, whole: { ...of, item: found } })
        }
      }
      // Without progress it would be asked for ever.
      if (left.length < asked.length) keys.unshift(...left)
    }
  }

  #later(ms: number): void {
    if (!this.#asking) this.#timer ??= setTimeout(() => void this.#ask(), ms)
  }

  async #ask(): Promise<void> {
    this.#timer = undefined
    const { channel, replica } = this.live
    const keys = [...this.#wanted].slice(0, KEYS_MAX)
    if (keys.length === 0 || !channel) return
    this.#asking = true
    let isDone = false
    const came: string[] = []
    try {
      const { changes } = await channel.call<{ changes: Put[] }>("share.items", { keys })
      isDone = true
      for (const { key, type, value, revision } of changes) {
        const held = replica.items.get(key)
        if (!held || held.size === undefined) continue
        const { size } = held
        this.#drop(key)
        this.#kept.set(key, { item: { key, type, value, revision, first: held.first, order: held.order }, size, turn: this.#turn })
        this.#bytes += size
        came.push(key)
      }
    } catch {
      // Asked again, with what is shown then.
    }
    this.#asking = false
    this.#makeRoom()
    if (came.length > 0) this.changed(came)
    else if (!isDone && this.live.state.name !== "closed") this.#later(AGAIN_MS)
  }

  #makeRoom(): void {
    for (const [key, { turn }] of this.#kept) {
      if (this.#bytes <= KEPT_BYTES) break
      if (turn < this.#turn) this.#drop(key)
    }
  }

  #drop(key: string): void {
    this.#bytes -= this.#kept.get(key)?.size ?? 0
    this.#kept.delete(key)
  }
}
