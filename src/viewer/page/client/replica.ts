import { OutOfStep, type Placed, type Step } from "./frames"
import { patched } from "./patch"

/** An item as a replica holds it. */
export interface Item {
  readonly key: string
  readonly type: string
  readonly value: unknown
  /** The revision with which it got this value. */
  readonly revision: number
  /** The revision with which it first came. */
  readonly first: number
  /** Its place in the order in which items came: it is only to be compared. */
  readonly order: number
  /** Bytes of the whole value, if this one is short: its long texts are cut, and `share.items` gives all of it. */
  readonly size?: number
}

/** Which keys a step touched; `all` when what was held before is forgotten. */
export interface Touched {
  readonly all: boolean
  readonly keys: ReadonlySet<string>
}

/** What comes while a share is followed stands behind all that a document has. */
const FOLLOWED = 2 ** 52

/**
 * A copy of a share, folded from the steps of its channel.
 *
 * A snapshot that replaces a copy is gathered aside until it is whole, so that what is shown never shrinks to its first
 * piece. A change that is older than what is held is left out: a step that was cut and is sent again does no harm. Values
 * are never changed in place: what a patch is not about stays the same object.
 *
 * A copy may begin with the document of the share's state (`GET /state/{id}`) instead of a snapshot: `begin` with its first line,
 * then the channel from that revision on, and `add` with each line that follows, in whatever order these come.
 */
export class Replica {
  /** The revision of the last step that is here in full; 0 before the first. */
  revision = 0
  syncCount = 0
  #items = new Map<string, Item>()
  #next: Map<string, Item> | undefined
  #order = FOLLOWED
  /** While a document is loaded: what was removed, which it may bring. */
  #gone: Map<string, number> | undefined

  /** Every item by its key, in the order in which they came. */
  get items(): ReadonlyMap<string, Item> {
    return this.#items
  }

  /** A document of the state is being loaded, which has this revision. */
  begin(revision: number, syncCount: number): void {
    this.#gone ??= new Map()
    this.revision = Math.max(this.revision, revision)
    this.syncCount = Math.max(this.syncCount, syncCount)
  }

  /** Adds items of that document, but for those of which the channel has told more. `isLast`: it is here in full. */
  add(items: readonly Placed[], isLast = false): void {
    for (const { key, type, value, revision, first = revision, place, size } of items) {
      const held = this.#items.get(key)
      if ((this.#gone?.get(key) ?? 0) >= revision) continue
      // What is held may be newer, or whole and this not: only the place is not known of it.
      const isKept = held && (held.revision > revision || (held.revision === revision && held.size === undefined))
      this.#items.set(key, isKept ? { ...held, order: place } : { key, type, value, revision, first, order: place, ...(size !== undefined && { size }) })
    }
    if (isLast) this.#gone = undefined
  }

  /**
   * Folds one step in, and tells what it touched.
   *
   * @throws OutOfStep if a patch is not for the value that is held, which the channel that tells the step answers.
   */
  apply(event: "snapshot" | "changes", step: Step): Touched {
    if (event === "snapshot") this.#next = this.#items.size === 0 ? undefined : new Map()
    const into = this.#next ?? this.#items
    const keys = new Set<string>()
    for (const change of step.changes) {
      const held = into.get(change.key)
      if (held && held.revision > change.revision) continue
      if (held && "patch" in change && held.revision === change.revision) continue
      keys.add(change.key)
      if ("removed" in change) {
        into.delete(change.key)
        this.#gone?.set(change.key, change.revision)
      } else {
        const first = change.first ?? (held ? held.first : change.revision)
        const { key, type, revision } = change
        if ("patch" in change && held?.revision !== change.base) throw new OutOfStep(`${key} is not held as of ${change.base}`)
        const order = held?.order ?? this.#order++
        if ("patch" in change && held?.size !== undefined) {
          // A short value stays as it is, and is that of an earlier revision: all of it is to be asked for in any case.
          into.set(key, { ...held, type, revision, first })
          continue
        }
        const value = "patch" in change ? patched(held?.value, change.patch) : change.value
        into.set(key, { key, type, value, revision, first, order })
      }
    }
    if (!step.more) {
      this.revision = step.revision
      this.syncCount = step.syncCount
      if (this.#next) {
        this.#items = this.#next
        this.#next = undefined
        this.#gone = undefined
        return { all: true, keys: new Set(this.#items.keys()) }
      }
    }
    return this.#next ? { all: false, keys: new Set() } : { all: false, keys }
  }
}
