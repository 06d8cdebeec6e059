import { Component, type ComponentChildren, createRef } from "preact"
import { markWords, rangesIn } from "../list/marks"
import { plural } from "../model/format"
import type { Row } from "../model/rows"
import type { Whole } from "../model/whole"
import { type Hit, pattern, Search as Looking } from "../model/search"
import type { Kind } from "../parts/kinds"
import { reveal } from "../parts/Fold"
import { Icon } from "../parts/icons"

interface Props {
  rows: readonly Row[]
  /** Gives the whole values of what is held short. */
  values: Whole
  /** Brings a row to the top of the window. */
  onJump(id: string): void
  /** Gets what is found, to be shown on the slider; nothing once the search is closed. */
  onFound(hits: readonly Hit[]): void
  onClose(): void
}

type Filter = Kind | "failures"

interface State {
  words: string
  filter: Filter | undefined
  /** The part that was gone to last. */
  at: string | undefined
}

const NAMES: readonly (readonly [Filter, string])[] = [
  ["prompts", "Prompts"],
  ["answers", "Answers"],
  ["thoughts", "Thoughts"],
  ["commands", "Commands"],
  ["edits", "Edits"],
  ["calls", "Other calls"],
  ["others", "Other parts"],
  ["failures", "Failures"],
]

/** A session that goes on is looked through again so often, in ms. */
const AGAIN_MS = 500

/** The search over the whole session: how many parts have the words, of which kind they are, and the way from one to the next. */
export class Search extends Component<Props, State> {
  override state: State = { words: "", filter: undefined, at: undefined }
  readonly #looking = new Looking(this.props.values, () => {
    this.setState({})
    this.props.onFound(this.#shown())
  })
  #input = createRef<HTMLInputElement>()
  #unmark = () => {}
  #again: ReturnType<typeof setTimeout> | undefined
  /** Where the reader was before, to be given the focus again. */
  readonly #before = document.activeElement

  override componentDidMount(): void {
    this.#input.current?.focus()
    this.#start()
  }

  override componentDidUpdate(before: Props, state: State): void {
    if (state.words !== this.state.words) {
      clearTimeout(this.#again)
      this.#again = undefined
      this.#start()
    } else if (before.rows !== this.props.rows) {
      this.#again ??= setTimeout(() => {
        this.#again = undefined
        this.#start()
      }, AGAIN_MS)
    }
  }

  override componentWillUnmount(): void {
    clearTimeout(this.#again)
    this.#looking.stop()
    this.#unmark()
    this.props.onFound([])
    if (this.#before instanceof HTMLElement) this.#before.focus({ preventScroll: true })
  }

  override render({ onClose }: Props, { words, filter, at }: State): ComponentChildren {
    const shown = this.#shown()
    const { hits, whole } = this.#looking
    const place = shown.findIndex(hit => hit.id === at)
    const asks = words.trim() !== "" || filter !== undefined
    const says = !asks ? "" : place >= 0 ? `${place + 1} of ${plural(shown.length, "part")}` : plural(shown.length, "part")
    return (
      <search class="search" onKeyDown={this.#pressed}>
        <div class="search-line">
          <Icon name="search" />
          <input
            ref={this.#input} type="search" aria-label="Search the session" placeholder="Search the session" value={words} autoComplete="off"
            spellcheck={false} onInput={event => this.setState({ words: event.currentTarget.value, at: undefined })}
          />
          <span class="search-count" role="status">{says}{!whole && asks && " so far"}</span>
          <button type="button" class="plain" aria-label="Previous" title="Previous (Shift+Enter)" disabled={!asks || shown.length === 0} onClick={() => this.#go(-1)}>
            <Icon name="up" size={14} />
          </button>
          <button type="button" class="plain" aria-label="Next" title="Next (Enter)" disabled={!asks || shown.length === 0} onClick={() => this.#go(1)}>
            <Icon name="down" size={14} />
          </button>
          <button type="button" class="plain" aria-label="Close the search" title="Close (Escape)" onClick={onClose}><Icon name="close" size={14} /></button>
        </div>
        <div class="search-kinds" role="group" aria-label="Only parts of one kind">
          {NAMES.map(([name, label]) => {
            const count = hits.filter(hit => is(hit, name)).length
            return count > 0 && (
              <button type="button" key={name} class="chip" aria-pressed={filter === name} onClick={() => this.#filter(filter === name ? undefined : name)}>
                {label} <span class="tab-count">{count.toLocaleString("en")}</span>
              </button>
            )
          })}
        </div>
      </search>
    )
  }

  #filter(filter: Filter | undefined): void {
    this.setState({ filter, at: undefined }, () => this.props.onFound(this.#shown()))
  }

  /** What was found, of the kind that was chosen; nothing while nothing is asked for. */
  #shown(): readonly Hit[] {
    const { words, filter } = this.state
    if (filter !== undefined) return this.#looking.hits.filter(hit => is(hit, filter))
    return words.trim() === "" ? [] : this.#looking.hits
  }

  #start(): void {
    const words = pattern(this.state.words)
    this.#looking.start(this.props.rows, words)
    this.#unmark()
    const box = document.querySelector<HTMLElement>(".list")
    this.#unmark = box && words ? markWords(box, words) : () => {}
  }

  #pressed = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      event.preventDefault()
      this.props.onClose()
    } else if (event.key === "Enter" && event.target === this.#input.current) {
      event.preventDefault()
      this.#go(event.shiftKey ? -1 : 1)
    }
  }

  /** Goes to the next part; from where the reader is, if that is none of what was found. */
  #go(by: 1 | -1): void {
    const shown = this.#shown()
    if (shown.length === 0) return
    const before = shown.findIndex(hit => hit.id === this.state.at)
    const place = before < 0 ? this.#near(shown, by) : (before + by + shown.length) % shown.length
    const hit = shown[place]!
    this.setState({ at: hit.id })
    reveal(hit.id, hit.from)
    this.props.onJump(hit.id)
    const words = pattern(this.state.words)
    // Once the row is drawn, what is found in it may lie far below its beginning.
    if (words) this.#bring(hit.id, words, FRAMES_MAX)
  }

  /** Scrolls to the words in a row when they are drawn, unless the reader has gone on. */
  #bring(id: string, words: RegExp, frames: number): void {
    requestAnimationFrame(() => {
      if (this.state.at === id && !bring(id, words) && frames > 0) this.#bring(id, words, frames - 1)
    })
  }

  /** The first part that was found below the top of the window, or the last above it. */
  #near(shown: readonly Hit[], by: 1 | -1): number {
    const places = new Map(this.props.rows.map((row, place) => [row.id, place]))
    const visible = [...document.querySelectorAll<HTMLElement>(".list [data-row]")].find(row => row.getBoundingClientRect().bottom > BAR)
    const from = places.get(visible?.dataset["row"] ?? "") ?? 0
    const next = shown.findIndex(hit => (places.get(hit.id) ?? 0) >= from)
    if (by > 0) return next < 0 ? 0 : next
    return ((next < 0 ? shown.length : next) - 1 + shown.length) % shown.length
  }
}

/** What the bar and the search cover of the window's top, in pixels. */
const BAR = 150

/** Frames in which a row is waited for: about two seconds. */
const FRAMES_MAX = 120

/** Scrolls to the words in a row, if they are not visible. False if they are not drawn. */
function bring(id: string, words: RegExp): boolean {
  const row = [...document.querySelectorAll<HTMLElement>(".list [data-row]")].find(row => row.dataset["row"] === id)
  const content = row?.querySelector(".content")
  const [first] = content ? rangesIn(content, words) : []
  if (!first) return false
  // Code and output scroll by themselves.
  for (let element = first.startContainer.parentElement; element && element !== row; element = element.parentElement) {
    if (element.scrollHeight <= element.clientHeight && element.scrollWidth <= element.clientWidth) continue
    const [inner, outer] = [first.getBoundingClientRect(), element.getBoundingClientRect()]
    if (inner.top < outer.top || inner.bottom > outer.bottom) element.scrollTop += inner.top - outer.top - element.clientHeight / 2
    if (inner.left < outer.left || inner.right > outer.right) element.scrollLeft += inner.left - outer.left - element.clientWidth / 2
  }
  const box = first.getBoundingClientRect()
  if (box.top < BAR || box.bottom > innerHeight - BAR) scrollBy({ top: box.top - BAR - 40, behavior: "instant" })
  return true
}

function is(hit: Hit, filter: Filter): boolean {
  return filter === "failures" ? hit.failed : hit.kind === filter
}
