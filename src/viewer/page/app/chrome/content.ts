import type { Item } from "/client.js"
import { Condensed, type Density } from "../model/density"
import type { Live } from "../model/live"
import { type Marks, marks } from "../model/marks"
import type { Player } from "../model/player"
import { asMarkdown } from "../model/quoted"
import { at, list } from "../model/read"
import { type Row, Rows } from "../model/rows"
import { type View, view } from "../model/share"
import { type Within, Whole } from "../model/whole"
import { comparing, isUncounted } from "../text/diff"
import { type Chapter, chapters } from "./chapters"

/** What is shown of a share, at one version of it and one place of its recording. */
interface Shown {
  readonly version: number
  readonly at: number | undefined
  readonly view: View
  readonly rows: Row[]
  readonly chapters: readonly Chapter[]
}

/** What the page makes of the share that it holds, each thing once for each change. */
export class Content {
  readonly whole: Whole
  /** Keys of what the reader looks for. */
  hits: ReadonlySet<string> = new Set()
  #rows = new Rows()
  #condensed = new Condensed()
  #shown: Shown | undefined
  #marks: { rows: readonly Row[]; hits: ReadonlySet<string>; marks: Marks } | undefined

  /** `changed` is called when whole values are here. */
  constructor(
    private readonly live: Live,
    private readonly player: Player,
    private readonly changed: () => void,
  ) {
    this.whole = new Whole(live, keys => this.#came(keys))
  }

  /** What is shown now. */
  now(): Shown {
    const { live, player } = this
    const { at } = player
    if (this.#shown?.version !== live.version || this.#shown.at !== at) {
      const place = at === undefined ? undefined : { recording: player.recording(), at }
      const shown = view(live.replica, place, this.wholeOf)
      if (shown.diffs.some(isUncounted)) void comparing()?.then(() => this.#came(["session_diff"]))
      const rows = this.#rows.of(shown)
      this.#shown = { version: live.version, at, view: shown, rows, chapters: chapters(rows) }
    }
    return this.#shown
  }

  /** The rows, as dense as the reader wants them. */
  shown(density: Density): Row[] {
    return this.#condensed.of(this.now().rows, density)
  }

  /** What is marked on the slider: of the whole session, also while a part of it is replayed. */
  marks(): Marks {
    const { rows } = this.now()
    const before = this.#marks
    const isKept = before && (before.rows === rows || this.player.at !== undefined) && before.hits === this.hits
    if (!isKept) this.#marks = { rows, hits: this.hits, marks: marks(this.player.recording(), rows, this.hits) }
    return this.#marks!.marks
  }

  /** What a row shows, with its whole value once that is here. */
  item(row: Row): Item | undefined {
    // Of a message's own words only an error is shown.
    return row.item && (row.kind === "part" || at(row.message, "error") !== undefined) ? this.whole.of(row.item) : row.item
  }

  /** An item with its whole value, once that is here. */
  wholeOf = (item: Within): Item => this.whole.of(item)

  /** All of what the session changed, once that is here. */
  diffs(): readonly unknown[] {
    const { diffs } = this.now().view
    const item = this.live.replica.items.get("session_diff")
    void comparing()?.then(() => this.#came(["session_diff"]))
    return diffs.length > 0 && item ? list(this.whole.of(item).value) : diffs
  }

  /** What a message said, from its head to the next one, as Markdown. */
  quote = async (head: string): Promise<string> => {
    const { rows } = this.now()
    const from = rows.findIndex(row => row.id === head)
    const next = rows.findIndex((row, place) => place > from && row.kind === "head")
    return asMarkdown(await this.whole.all(rows.slice(from, next < 0 ? undefined : next)))
  }

  #came(keys: readonly string[]): void {
    if (keys.includes("session_diff")) this.#shown = undefined
    this.changed()
  }
}
