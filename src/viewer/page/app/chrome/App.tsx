import { Component, type ComponentChildren } from "preact"
import { List } from "../list/List"
import { activity } from "../model/activity"
import { type Density, DENSITIES, density, keepDensity, shownIn } from "../model/density"
import { plural } from "../model/format"
import type { Live } from "../model/live"
import { Player } from "../model/player"
import { decoded, text } from "../model/read"
import { type Row as AnyRow, rowOf } from "../model/rows"
import type { Hit } from "../model/search"
import type { View } from "../model/share"
import { reveal } from "../parts/Fold"
import { Icon } from "../parts/icons"
import { Row } from "../parts/Row"
import { Asks } from "./Asks"
import { Changes } from "./Changes"
import { type Chapter, chapterAt } from "./chapters"
import { Content } from "./content"
import { Dock } from "./Dock"
import { Ended } from "./Ended"
import { Bar, Hero } from "./Header"
import { Help } from "./Help"
import { onKeys } from "./keys"
import { Outline } from "./Outline"
import type { Search } from "./Search"

interface Props {
  live: Live
  /** The revision that the address points at. */
  revision: number | undefined
  /** The place of the recording that the address points at, in seconds. */
  moment: number | undefined
  /** Counts up with each change of what is shown: the page is drawn again. */
  turn: number
  /** A message or part that the address points at. */
  anchor: string
}

interface State {
  tab: "messages" | "changes"
  follow: boolean
  help: boolean
  /** The row that the keys are at. */
  focus: string | undefined
  note: string
  density: Density
  /** The search, which is loaded when it is first asked for; `undefined` while it is closed. */
  search: typeof Search | undefined
  /** The outline is open as a sheet. */
  outline: boolean
  /** The chapter in which the reader is. */
  chapter: string | undefined
}

/** What the bar and the dock cover of the window. */
const INSET = { top: 56, bottom: 72 }
const INSET_SEARCHING = { top: 148, bottom: 72 }

/** A session that worked less than this ago is met at its end. */
const FRESH_MS = 60_000

/** How long the replay has rested when the address is changed, in ms. */
const PLACE_MS = 300
/** Who was shown the newest for so long before all else was here has begun to read it. */
const READING_MS = 1_000

/** How often the page looks at the clock. */
const CLOCK_MS = 10_000

/** The page. */
export class App extends Component<Props, State> {
  override state: State = {
    tab: "messages", follow: false, help: false, focus: undefined, note: "", density: density(), search: undefined, outline: false,
    chapter: undefined,
  }
  readonly player = new Player(this.props.live, () => {
    this.setState({})
    this.#tellPlace()
  })
  readonly content = new Content(this.props.live, this.player, () => this.setState({}))
  #outline: { of: readonly unknown[]; drawn: ComponentChildren } | undefined
  #list: List<AnyRow> | undefined
  #met = false
  /** When the newest were shown, while all else is loaded. */
  #since: number | undefined
  #seen = 0
  #off = () => {}
  #clock: ReturnType<typeof setInterval> | undefined
  #note: ReturnType<typeof setTimeout> | undefined
  #told: ReturnType<typeof setTimeout> | undefined

  override componentDidMount(): void {
    this.#off = onKeys({
      step: by => this.#step(by),
      ends: end => (end ? this.#follow() : scrollTo({ top: 0 })),
      follow: () => (this.state.follow ? this.setState({ follow: false }) : this.#follow()),
      tab: () => this.#tab(this.state.tab === "messages" ? "changes" : "messages"),
      play: () => this.player.toggle(),
      now: () => this.player.now(),
      link: () => this.state.focus !== undefined && this.#link(this.state.focus),
      help: () => this.setState({ help: !this.state.help }),
      search: () => this.#search(),
      density: () => this.#density(DENSITIES[(DENSITIES.findIndex(([name]) => name === this.state.density) + 1) % DENSITIES.length]![0]),
    })
    addEventListener("hashchange", this.#toAnchor)
    // How long nothing came is told without that anything comes.
    this.#clock = setInterval(() => this.setState({}), CLOCK_MS)
    this.componentDidUpdate()
  }

  override componentWillUnmount(): void {
    this.#off()
    clearInterval(this.#clock)
    clearTimeout(this.#told)
    removeEventListener("hashchange", this.#toAnchor)
  }

  override componentDidUpdate(): void {
    const { live, revision, moment, anchor } = this.props
    const isPlace = revision !== undefined || moment !== undefined
    const { view } = this.content.now()
    document.title = `${activity(live, view, Date.now()).mark === "live" ? "● " : ""}${view.title} · capshare`
    if (!this.state.follow && this.#seen === 0) this.#seen = live.news
    if (!live.whole) this.#since ??= performance.now()
    if (this.#met) return
    // What a link points at is shown at once; a place of the recording takes all that there is.
    if (anchor && !isPlace && rowOf(this.content.now().rows, view.messages, anchor) !== undefined) {
      this.#met = true
      this.#jump(anchor)
      return
    }
    const updatedAt = Number(text(view.session, "time", "updated"))
    if (!live.ready || (!live.whole && (anchor || isPlace || Date.now() - updatedAt >= FRESH_MS))) return
    this.#met = true
    // Who reads the newest already goes on with that.
    if (!anchor && !isPlace && this.#since !== undefined && performance.now() - this.#since > READING_MS) return
    if (revision !== undefined && revision < live.replica.revision) this.player.toRevision(revision)
    if (moment !== undefined && moment * 1_000 < this.player.recording().length) this.player.seek(moment * 1_000)
    const updated = Number(text(this.content.now().view.session, "time", "updated"))
    if (anchor) this.#jump(anchor)
    else if (!isPlace && Date.now() - updated < FRESH_MS) this.#follow()
    else if (document.documentElement.scrollHeight <= innerHeight) this.#follow()
  }

  override render({ live }: Props, { tab, follow, help, focus, note, search: Search, outline }: State): ComponentChildren {
    this.content.whole.turn()
    const { view, rows: whole, chapters } = this.content.now()
    const rows = this.content.shown(this.state.density)
    const { player } = this
    const folder = text(view.session, "directory")
    const fresh = follow || player.at !== undefined ? 0 : live.news - this.#seen
    const { files } = view.figures.changes
    return (
      <>
        <Bar live={live} activity={activity(live, view, Date.now())} title={view.title} onHelp={() => this.setState({ help: true })} onSearch={() => this.#search()} />
        {Search && tab === "messages" && <Search rows={whole} values={this.content.whole} onJump={this.#jumpRow} onFound={this.#found} onClose={() => this.setState({ search: undefined })} />}
        <div class="page" id="top">
          <Hero view={view} revision={player.revision()} />
          <Ended live={live} />
          <div class="tabs">
            <div class="tabs-list" role="tablist" aria-label="What is shown">
              {this.#tabButton("messages", "Messages", view.messages.length)}
              {this.#tabButton("changes", "Changes", files)}
            </div>
            {tab === "messages" && (
              <span class="tabs-end">
                <button type="button" class="plain outline-button" aria-expanded={outline} onClick={() => this.setState({ outline: !outline })}>
                  <Icon name="outline" /> Outline
                </button>
                <label class="density">
                  <span class="hidden">What is shown of the messages</span>
                  <select value={this.state.density} onChange={event => this.#density(event.currentTarget.value as Density)}>
                    {DENSITIES.map(([name, words]) => <option key={name} value={name}>{words}</option>)}
                  </select>
                </label>
              </span>
            )}
          </div>
          <div class="columns">
            <div class="panel" role="tabpanel" id={`panel-${tab}`} aria-labelledby={`tab-${tab}`}>
              {tab === "changes" ? (
                <Changes view={view} diffs={this.content.diffs()} />
              ) : rows.length === 0 ? (
                <p class="empty">{live.ready ? "Nothing has been said yet." : "Loading…"}</p>
              ) : (
                <List
                  handle={list => (this.#list = list)}
                  rows={rows}
                  guess={guess}
                  soon={rows => rows.forEach(row => this.content.item(row))}
                  follow={follow || player.playing}
                  keep={this.#since !== undefined && performance.now() - this.#since > READING_MS && !this.#met}
                  inset={Search ? INSET_SEARCHING : INSET}
                  onEnd={this.#atEnd}
                  onTop={this.#atTop}
                  render={(row, place) => (
                    <Row
                      key={row.id} row={row} item={this.content.item(row)} wholeOf={this.content.wholeOf} place={place} total={rows.length} folder={folder}
                      focused={row.id === focus} onLink={this.#link} quote={this.content.quote}
                    />
                  )}
                />
              )}
            </div>
            {tab === "messages" && this.#outlined(view, chapters)}
          </div>
        </div>
        <div class="bottom">
          <Asks live={live} />
          {tab === "messages" && !follow && player.at === undefined && rows.length > 0 && live.news > 0 && (
            <button type="button" class="follow" onClick={this.#follow}>
              <Icon name="down" size={14} /> {fresh > 0 ? `${plural(fresh, "change")}, follow` : "Follow"}
            </button>
          )}
          <Dock player={player} revision={player.revision()} marks={this.content.marks()} />
        </div>
        <p class="hidden" aria-live="polite">{live.news > 0 && player.at === undefined ? `${plural(live.news, "change")} since you came` : ""}</p>
        <p class={`note ${note ? "note-shown" : ""}`} role="status">{note}</p>
        <Help open={help} onClose={() => this.setState({ help: false })} />
      </>
    )
  }

  #tabButton(name: State["tab"], label: string, count: number): ComponentChildren {
    const chosen = this.state.tab === name
    return (
      <button
        type="button" role="tab" id={`tab-${name}`} aria-selected={chosen} aria-controls={`panel-${name}`} tabIndex={chosen ? 0 : -1}
        onClick={() => this.#tab(name)}
        onKeyDown={event => /^Arrow(Left|Right)$/.test(event.key) && this.#tab(name === "messages" ? "changes" : "messages", true)}
      >
        {label} <span class="tab-count">{count.toLocaleString("en")}</span>
      </button>
    )
  }

  /** Drawn anew only with what it shows: it goes through all messages. */
  #outlined(view: View, chapters: readonly Chapter[]): ComponentChildren {
    const { chapter, outline } = this.state
    const of = [view, chapters, chapter, outline]
    if (!this.#outline?.of.every((one, place) => one === of[place])) {
      this.#outline = { of, drawn: <Outline view={view} chapters={chapters} at={chapter} open={outline} onJump={this.#toChapter} /> }
    }
    return this.#outline.drawn
  }

  #tab(tab: State["tab"], focus = false): void {
    this.setState({ tab, follow: false }, () => focus && document.getElementById(`tab-${tab}`)?.focus())
  }

  #found = (hits: readonly Hit[]): void => {
    this.content.hits = new Set(hits.map(hit => hit.key))
    this.setState({})
  }

  async #search(): Promise<void> {
    const { Search } = await import("./Search")
    this.setState({ search: Search, follow: false, tab: "messages" }, () => document.querySelector<HTMLInputElement>(".search input")?.select())
  }

  #density(density: Density): void {
    const top = this.#list?.top()?.replace(/^run:/, "")
    keepDensity(density)
    // What the reader was at stays in view, or what is nearest to it.
    this.setState({ density }, () => {
      const { rows } = this.content.now()
      const shown = this.content.shown(this.state.density)
      const from = rows.findIndex(row => row.id === top)
      const near = from < 0 ? undefined : rows.slice(0, from + 1).findLast(row => shownIn(shown, row.id))
      const row = shownIn(shown, near?.id ?? top ?? "")
      if (row && !this.state.follow) this.#list?.jump(row.id)
    })
    this.#say(DENSITIES.find(([name]) => name === density)?.[1] ?? "")
  }

  #follow = (): void => {
    this.player.now()
    this.#seen = 0
    this.setState({ follow: true, tab: "messages" })
  }

  #atEnd = (atEnd: boolean): void => {
    if (this.player.at !== undefined || atEnd === this.state.follow) return
    this.#seen = atEnd ? 0 : this.props.live.news
    this.setState({ follow: atEnd })
  }

  #atTop = (id: string | undefined): void => {
    const { rows, chapters } = this.content.now()
    const place = rows.findIndex(row => row.id === id || (id?.startsWith("run:") && `run:${row.id}` === id))
    const chapter = chapterAt(chapters, place)?.id
    if (chapter !== this.state.chapter) this.setState({ chapter })
  }

  #toChapter = (id: string): void => {
    this.setState({ outline: false })
    this.#jumpRow(id)
  }

  #toAnchor = (): void => {
    this.#jump(decoded(location.hash.slice(1)))
  }

  #jump = (anchor: string): void => {
    const { view, rows } = this.content.now()
    const id = rowOf(rows, view.messages, anchor)
    if (id !== undefined) this.#jumpRow(id)
  }

  /** Brings a row to the top of the window; one that is not shown makes all be shown. */
  #jumpRow = (id: string): void => {
    const row = shownIn(this.content.shown(this.state.density), id)
    if (row?.kind === "run") reveal(row.id, 0)
    const shown = row?.id ?? id
    this.setState({ follow: false, focus: shown, tab: "messages", ...(!row && { density: "all" as const }) }, () => this.#list?.jump(shown))
  }

  #step(by: 1 | -1): void {
    const rows = this.content.shown(this.state.density)
    const from = this.state.focus ?? this.#list?.top()
    const place = rows.findIndex(row => row.id === from)
    const next = rows[Math.max(0, Math.min(rows.length - 1, this.state.focus === undefined ? place : place + by))]
    if (!next) return
    this.setState({ follow: false, focus: next.id, tab: "messages" }, () => this.#list?.hold(next.id))
  }

  #link = (id: string): void => {
    const url = new URL(location.href)
    url.hash = encodeURIComponent(id)
    this.#place(url)
    history.replaceState(history.state, "", url)
    this.setState({ focus: id })
    // Where there is no clipboard, the address bar has the link.
    const copied = navigator.clipboard?.writeText(url.href) ?? Promise.reject()
    copied.then(() => this.#say("Link copied"), () => this.#say("The link is in the address bar"))
  }

  /** Puts the place of the replay into an address. */
  #place(url: URL): void {
    const { at } = this.player
    // A revision is a place too, and no more than one is told.
    url.searchParams.delete("revision")
    if (at === undefined) url.searchParams.delete("t")
    else url.searchParams.set("t", (Math.round(at / 100) / 10).toString())
  }

  /** Keeps the address at the place of the replay, once that rests. Browsers let it be changed a few times in a second. */
  #tellPlace(): void {
    clearTimeout(this.#told)
    if (this.player.playing) return
    this.#told = setTimeout(() => {
      const url = new URL(location.href)
      this.#place(url)
      if (url.href !== location.href) history.replaceState(history.state, "", url)
    }, PLACE_MS)
  }

  #say(note: string): void {
    clearTimeout(this.#note)
    this.setState({ note })
    this.#note = setTimeout(() => this.setState({ note: "" }), 2_500)
  }
}

/** How high a row may be that was never shown. */
function guess(row: AnyRow): number {
  if (row.kind !== "part") return row.kind === "head" ? 48 : 36
  const { value } = row.item
  switch (text(value, "type")) {
    case "text":
      return 36 + 25 * Math.ceil((row.item.size ?? text(value, "text").length) / 90)
    case "tool":
      return 150
    default:
      return 34
  }
}
