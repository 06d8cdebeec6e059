import { OutOfStep, type Step } from "./frames"
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
  /** Its place in the order in which items came here: the first is 0. */
  readonly order: number
}

/** Which keys a step touched; `all` when what was held before is forgotten. */
export interface Touched {
  readonly all: boolean
  readonly keys: ReadonlySet<string>
}

/**
 * A copy of a share, folded from the steps of its channel.
 *
 * A snapshot that replaces a copy is gathered aside until it is whole, so that what is shown never shrinks to its first
 * piece. A change that is older than what is held is left out: a step that was cut and is sent again does no harm. Values
 * are never changed in place: what a patch is not about stays the same object.
 */
export class Replica {
  /** The revision of the last step that is here in full; 0 before the first. */
  revision = 0
  syncCount = 0
  #items = new Map<string, Item>()
  #next: Map<string, Item> | undefined
  #order = 0

  /** Every item by its key, in the order in which they came. */
  get items(): ReadonlyMap<string, Item> {
    return this.#items
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
      } else {
        const first = change.first ?? (held ? held.first : change.revision)
        const { key, type, revision } = change
        if ("patch" in change && held?.revision !== change.base) throw new OutOfStep(`${key} is not held as of ${change.base}`)
        const value = "patch" in change ? patched(held?.value, change.patch) : change.value
        into.set(key, { key, type, value, revision, first, order: held?.order ?? this.#order++ })
      }
    }
    if (!step.more) {
      this.revision = step.revision
      this.syncCount = step.syncCount
      if (this.#next) {
        this.#items = this.#next
        this.#next = undefined
        return { all: true, keys: new Set(this.#items.keys()) }
      }
    }
    return this.#next ? { all: false, keys: new Set() } : { all: false, keys }
  }
}
