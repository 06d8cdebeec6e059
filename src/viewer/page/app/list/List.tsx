import { Component, type ComponentChildren, createRef, options } from "preact"
import { Heights } from "./heights"

interface Props<R extends { id: string }> {
  rows: readonly R[]
  render(row: R, place: number): ComponentChildren
  guess(row: R): number
  /** Gets rows that may be seen soon, when others were drawn. */
  soon(rows: readonly R[]): void
  /** Keep the end in view. */
  follow: boolean
  /** Keep the first row where it is, though others come above it: it is being read. */
  keep: boolean
  /** The reader scrolled to the end, or away from it. */
  onEnd(atEnd: boolean): void
  /** Gets the list itself, for as long as it is in the document. */
  handle(list: List<R> | undefined): void
  /** Another row is at the top of what is visible. */
  onTop(id: string | undefined): void
  /** How much of the window's top and bottom is covered. */
  inset: { top: number; bottom: number }
}

/** Beyond the window, above and below it, in pixels. */
const OVERSCAN = 500
/** Rows on each side that are drawn at once. */
const AT_ONCE = 4
/** Rows on each side of those that are drawn which may be seen soon. */
const SOON = 24
/** For so long rows are drawn before whatever else waits has its turn. */
const TURN_MS = 16
/** How often in a row other rows are drawn, though nobody scrolls. */
const ROUNDS_MAX = 60
/** Rows that are printed: some hundred pages. */
const PRINTED_MAX = 3_000
/** So near to its end counts as there. */
const END = 48
/** How far below the top of what is visible a row is brought. */
const BELOW = 12
/** By these the reader goes on to something else, and may move what is shown: a click opens what is folded. */
const ACTS = ["keydown", "pointerdown", "click"] as const

/**
 * A list of which only what is in the window is in the document: a few dozen rows, whatever there are.
 *
 * It scrolls with the window. The row at the top of the window stays where it is when rows above it come, go or turn out to
 * be higher than was guessed; with `follow`, the end does.
 */
export class List<R extends { id: string }> extends Component<Props<R>, { from: number; to: number }> {
  override state = { from: 0, to: 12 }
  #box = createRef<HTMLDivElement>()
  #byId = new Map<string, R>()
  #heights = new Heights(id => {
    const row = this.#byId.get(id)
    return row ? this.props.guess(row) : 0
  })
  #rows: readonly R[] = []
  /** The row that stays, and how far below the top of what is visible it begins. */
  #anchor: { id: string; below: number } | undefined
  /** The row that is kept visible and keeps the focus. */
  #held: string | undefined
  /** Where the window stood when we last knew. If it stands elsewhere, the reader scrolled, and we hear of it next frame. */
  #at = 0
  /** The reader scrolled away from the end, and whoever says `follow` may not know it yet. */
  #away = false
  #resized = new ResizeObserver(() => (this.#begin(), this.#settle()))
  #width = 0
  #frame = 0
  #later = 0
  #began = 0
  #rounds = 0
  #printing = false
  #top: string | undefined

  override componentDidMount(): void {
    this.props.handle(this)
    addEventListener("scroll", this.#scrolled, { passive: true })
    addEventListener("resize", this.#scrolled)
    addEventListener("beforeprint", this.#print)
    addEventListener("afterprint", this.#printed)
    for (const act of ACTS) addEventListener(act, this.#release, { capture: true, passive: true })
    this.#at = scrollY
    this.#settle()
  }

  override componentWillUnmount(): void {
    this.props.handle(undefined)
    removeEventListener("scroll", this.#scrolled)
    removeEventListener("resize", this.#scrolled)
    removeEventListener("beforeprint", this.#print)
    removeEventListener("afterprint", this.#printed)
    for (const act of ACTS) removeEventListener(act, this.#release, { capture: true })
    cancelAnimationFrame(this.#frame)
    cancelAnimationFrame(this.#later)
    this.#resized.disconnect()
  }

  override componentDidUpdate(before: Props<R>): void {
    if (this.props.follow && !before.follow) {
      this.#anchor = undefined
      this.#held = undefined
      this.#away = false
    }
    this.#settle()
  }

  /** Brings a row to the top of what is visible. */
  jump(id: string): void {
    if (this.#heights.place(id) === undefined) return
    this.#anchor = { id, below: BELOW }
    this.#held = undefined
    this.#away = true
    this.#at = scrollY
    this.#rounds = 0
    this.#settle()
  }

  /**
   * Gives a row the focus, and keeps it visible: what is higher than the window, from its beginning on.
   *
   * This lasts until the reader does something else. Rows may be drawn and measured long after the focus moved, and grow when
   * their pictures and colours come.
   */
  hold(id: string): void {
    if (this.#heights.place(id) === undefined) return
    if (this.#isElsewhere()) this.#stand()
    this.#held = id
    this.#away = true
    this.#rounds = 0
    this.#settle()
  }

  /** The row at the top of what is visible, where one stands that was jumped to. */
  top(): string | undefined {
    return this.#heights.id(this.#heights.at(this.#visible().top + BELOW + 1))
  }

  override render({ rows, render, soon, keep }: Props<R>): ComponentChildren {
    if (rows !== this.#rows) {
      const first = this.#rows[0]
      if (keep && first && !this.#anchor) this.#anchor = { id: first.id, below: -this.#visible().top }
      this.#rows = rows
      this.#byId = new Map(rows.map(row => [row.id, row]))
      this.#heights.list(rows.map(row => row.id))
    }
    const from = Math.min(this.state.from, rows.length)
    const to = Math.min(this.state.to, rows.length)
    const drawn = rows.slice(from, to).map((row, index) => render(row, from + index))
    soon(rows.slice(Math.max(0, from - SOON), from))
    soon(rows.slice(to, to + SOON))
    const style = {
      paddingTop: `${this.#heights.top(from)}px`,
      paddingBottom: `${this.#heights.total - this.#heights.top(to)}px`,
    }
    return (
      <div class="list" role="feed" aria-label="Messages" ref={this.#box} style={style}>
        {drawn}
        {this.#printing && to < rows.length && (
          <p class="bad">
            {`Printed are the first ${to.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows. The whole is in ${location.origin}${location.pathname}.md`}
          </p>
        )}
      </div>
    )
  }

  /** What of the list is visible, in its own measure. */
  #visible(): { top: number; bottom: number } {
    const box = this.#box.current
    if (!box) return { top: 0, bottom: innerHeight }
    const above = box.getBoundingClientRect().top
    const { inset } = this.props
    return { top: inset.top - above, bottom: innerHeight - inset.bottom - above }
  }

  #scrolled = (): void => {
    this.#rounds = 0
    this.#hear()
    cancelAnimationFrame(this.#frame)
    this.#frame = requestAnimationFrame(() => (this.#begin(), this.#settle()))
  }

  /** If the reader scrolled, that is where to stay. */
  #hear(): void {
    if (!this.#isElsewhere()) return
    this.#held = undefined
    this.#stand()
    this.#away = document.documentElement.scrollHeight - innerHeight - scrollY > END
    this.props.onEnd(!this.#away)
  }

  #release = (): void => {
    this.#held = undefined
  }

  /** Takes the place to which the reader scrolled for the one to stay at. */
  #stand(): void {
    this.#at = scrollY
    const { top } = this.#visible()
    const place = this.#heights.at(top)
    const id = this.#heights.id(place)
    this.#anchor = id !== undefined && top > 0 ? { id, below: this.#heights.top(place) - top } : undefined
  }

  /** On paper nobody scrolls: all rows are in the document while it is printed, and at once. */
  #print = (): void => {
    this.#printing = true
    const later = options.debounceRendering
    options.debounceRendering = draw => draw()
    this.setState({ from: 0, to: Math.min(this.props.rows.length, PRINTED_MAX) })
    if (later) options.debounceRendering = later
    else delete options.debounceRendering
  }

  #printed = (): void => {
    this.#printing = false
    this.#rounds = 0
    this.#settle()
  }

  /** Measures what is shown, keeps what is to stay where it is, and shows what is to be seen. */
  #settle(): void {
    const box = this.#box.current
    if (!box || this.#printing) return
    // Before anything is measured: what the reader sees is where it was taken to be until now.
    this.#hear()
    if (box.clientWidth !== this.#width) {
      this.#width = box.clientWidth
      this.#heights.forget()
    }
    this.#resized.disconnect()
    for (const child of box.children as Iterable<HTMLElement> & HTMLCollection) {
      const id = child.dataset["row"]
      if (id !== undefined) this.#heights.measured(id, child.getBoundingClientRect().height)
      this.#resized.observe(child)
    }
    const { from, to } = this.state
    box.style.paddingTop = `${this.#heights.top(from)}px`
    box.style.paddingBottom = `${this.#heights.total - this.#heights.top(to)}px`
    if (!this.#isElsewhere()) {
      if (this.props.follow && !this.#away) this.#scroll(document.documentElement.scrollHeight - innerHeight)
      else this.#stay()
    }
    this.#keep(box)
    const { top, bottom } = this.#visible()
    const wanted = { from: this.#heights.at(top - OVERSCAN), to: this.#heights.at(bottom + OVERSCAN) + 1 }
    const seen = { from: this.#heights.at(top), to: this.#heights.at(bottom) + 1 }
    // Of the rows that are drawn already those stay that are wanted, if they are beside what is to be seen.
    const near = from <= seen.to && to >= seen.from
    const kept = near ? { from: Math.max(from, wanted.from), to: Math.min(to, wanted.to) } : { from: seen.from, to: seen.from }
    const isLacking = !near || seen.from < from || seen.to > to
    // Rows come a few at a time, those that are to be seen before those beyond the window: nobody waits for what is not seen.
    const reach = isLacking ? seen : wanted
    const next = {
      from: Math.min(kept.from, Math.max(reach.from, kept.from - AT_ONCE)),
      to: Math.max(kept.to, Math.min(reach.to, kept.to + AT_ONCE)),
    }
    const id = this.top()
    if (id !== this.#top) {
      this.#top = id
      this.props.onTop(id)
    }
    if (next.from === from && next.to === to) {
      this.#rounds = 0
      return
    }
    // Guesses may be wrong many times over; they are not wrong for ever.
    if (this.#rounds++ >= ROUNDS_MAX) return
    const isLate = performance.now() - this.#began > TURN_MS
    cancelAnimationFrame(this.#later)
    if (isLacking && !isLate) this.setState(next)
    else this.#later = requestAnimationFrame(() => (this.#begin(), this.#printing || this.setState(next)))
  }

  /** A task begins in which rows may be drawn. */
  #begin(): void {
    this.#began = performance.now()
  }

  #stay(): void {
    const anchor = this.#anchor
    const place = anchor && this.#heights.place(anchor.id)
    if (!anchor || place === undefined) return
    const by = this.#heights.top(place) - anchor.below - this.#visible().top
    if (Math.abs(by) >= 0.5) this.#scroll(scrollY + by)
  }

  /** Moves to the row that is held, if it is not visible, and gives it the focus, if the focus is nowhere or at another row. */
  #keep(box: HTMLElement): void {
    const id = this.#held
    const place = id === undefined ? undefined : this.#heights.place(id)
    if (id === undefined || place === undefined || this.#isElsewhere()) return
    const { top, bottom } = this.#visible()
    if (this.#heights.top(place) < top || this.#heights.top(place + 1) > bottom) {
      this.#anchor = { id, below: BELOW }
      this.#stay()
    }
    const at = document.activeElement
    const free = at === null || at === document.body || at.hasAttribute("data-row")
    const row = [...box.children as Iterable<HTMLElement> & HTMLCollection].find(child => child.dataset["row"] === id)
    if (free && row !== at) row?.focus({ preventScroll: true })
  }

  #scroll(to: number): void {
    if (Math.abs(scrollY - to) >= 0.5) scrollTo({ top: to, behavior: "instant" })
    this.#at = scrollY
  }

  #isElsewhere(): boolean {
    // At the end of a page that became shorter the browser put us, and not the reader.
    if (scrollY < this.#at && scrollY >= document.documentElement.scrollHeight - innerHeight - 1) this.#at = scrollY
    return Math.abs(scrollY - this.#at) > 1
  }
}
