import { Component, type ComponentChildren } from "preact"
import { List } from "../list/List"
import { activity } from "../model/activity"
import { plural } from "../model/format"
import { type Live, said } from "../model/live"
import { Player } from "../model/player"
import { decoded, text } from "../model/read"
import { type Row as AnyRow, Rows, rowOf } from "../model/rows"
import { type View, view } from "../model/share"
import { Icon } from "../parts/icons"
import { Row } from "../parts/Row"
import { Asks } from "./Asks"
import { Changes } from "./Changes"
import { Dock } from "./Dock"
import { Bar, Hero } from "./Header"
import { Help } from "./Help"
import { onKeys } from "./keys"
import { Outline } from "./Outline"

interface Props {
  live: Live
  /** The revision that the address points at. */
  revision: number | undefined
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
}

/** What the bar and the dock cover of the window. */
const INSET = { top: 56, bottom: 72 }

/** A session that worked less than this ago is met at its end. */
const FRESH_MS = 60_000

/** How often the page looks at the clock. */
const CLOCK_MS = 10_000

/** The page. */
export class App extends Component<Props, State> {
  override state: State = { tab: "messages", follow: false, help: false, focus: undefined, note: "" }
  readonly player = new Player(this.props.live, () => this.setState({}))
  #rows = new Rows()
  #list: List<AnyRow> | undefined
  #shown: { version: number; at: number | undefined; view: View; rows: AnyRow[] } | undefined
  #met = false
  #seen = 0
  #off = () => {}
  #clock: ReturnType<typeof setInterval> | undefined
  #note: ReturnType<typeof setTimeout> | undefined

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
    })
    addEventListener("hashchange", this.#toAnchor)
    // How long nothing came is told without that anything comes.
    this.#clock = setInterval(() => this.setState({}), CLOCK_MS)
    this.componentDidUpdate()
  }

  override componentWillUnmount(): void {
    this.#off()
    clearInterval(this.#clock)
    removeEventListener("hashchange", this.#toAnchor)
  }

  override componentDidUpdate(): void {
    const { live, revision, anchor } = this.props
    const { view } = this.#now()
    document.title = `${activity(live, view, Date.now()).mark === "live" ? "● " : ""}${view.title} · capshare`
    if (!this.state.follow && this.#seen === 0) this.#seen = live.news
    if (this.#met || !live.ready) return
    this.#met = true
    if (revision !== undefined && revision < live.replica.revision) this.player.toRevision(revision)
    const updated = Number(text(this.#now().view.session, "time", "updated"))
    if (anchor) this.#jump(anchor)
    else if (revision === undefined && Date.now() - updated < FRESH_MS) this.#follow()
    else if (document.documentElement.scrollHeight <= innerHeight) this.#follow()
  }

  override render({ live }: Props, { tab, follow, help, focus, note }: State): ComponentChildren {
    const { view, rows } = this.#now()
    const { player } = this
    const folder = text(view.session, "directory")
    const fresh = follow || player.at !== undefined ? 0 : live.news - this.#seen
    const { files } = view.figures.changes
    return (
      <>
        <Bar live={live} activity={activity(live, view, Date.now())} title={view.title} onHelp={() => this.setState({ help: true })} />
        <div class="page" id="top">
          <Hero view={view} revision={player.revision()} />
          <Ended live={live} />
          <div class="tabs" role="tablist" aria-label="What is shown">
            {this.#tabButton("messages", "Messages", view.messages.length)}
            {this.#tabButton("changes", "Changes", files)}
          </div>
          <div class="columns">
            <div class="panel" role="tabpanel" id={`panel-${tab}`} aria-labelledby={`tab-${tab}`}>
              {tab === "changes" ? (
                <Changes view={view} />
              ) : rows.length === 0 ? (
                <p class="empty">{live.ready ? "Nothing has been said yet." : "Loading…"}</p>
              ) : (
                <List
                  handle={list => (this.#list = list)}
                  rows={rows}
                  guess={guess}
                  follow={follow || player.playing}
                  inset={INSET}
                  onEnd={this.#atEnd}
                  render={(row, place) => (
                    <Row key={row.id} row={row} place={place} total={rows.length} folder={folder} focused={row.id === focus} onLink={this.#link} />
                  )}
                />
              )}
            </div>
            {tab === "messages" && <Outline view={view} onJump={this.#jump} />}
          </div>
        </div>
        <div class="bottom">
          <Asks live={live} />
          {tab === "messages" && !follow && player.at === undefined && rows.length > 0 && live.news > 0 && (
            <button type="button" class="follow" onClick={this.#follow}>
              <Icon name="down" size={14} /> {fresh > 0 ? `${plural(fresh, "change")}, follow` : "Follow"}
            </button>
          )}
          <Dock player={player} revision={player.revision()} />
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

  #tab(tab: State["tab"], focus = false): void {
    this.setState({ tab, follow: false }, () => focus && document.getElementById(`tab-${tab}`)?.focus())
  }

  /** What is shown now, made once for each change. */
  #now(): { view: View; rows: AnyRow[] } {
    const { live } = this.props
    const at = this.player.at
    if (this.#shown?.version !== live.version || this.#shown.at !== at) {
      const shown = at === undefined ? view(live.replica) : view(live.replica, { recording: this.player.recording(), at })
      this.#shown = { version: live.version, at, view: shown, rows: this.#rows.of(shown) }
    }
    return this.#shown
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

  #toAnchor = (): void => {
    this.#jump(decoded(location.hash.slice(1)))
  }

  #jump = (anchor: string): void => {
    const { view, rows } = this.#now()
    const id = rowOf(rows, view.messages, anchor)
    if (id === undefined) return
    this.setState({ follow: false, focus: id, tab: "messages" }, () => this.#list?.jump(id))
  }

  #step(by: 1 | -1): void {
    const { rows } = this.#now()
    const from = this.state.focus ?? this.#list?.top()
    const place = rows.findIndex(row => row.id === from)
    const next = rows[Math.max(0, Math.min(rows.length - 1, this.state.focus === undefined ? place : place + by))]
    if (!next) return
    this.setState({ follow: false, focus: next.id, tab: "messages" }, () => this.#list?.hold(next.id))
  }

  #link = (id: string): void => {
    const url = new URL(location.href)
    url.hash = encodeURIComponent(id)
    if (this.player.at !== undefined) url.searchParams.set("revision", String(this.player.revision()))
    history.replaceState(history.state, "", url)
    this.setState({ focus: id })
    // Where there is no clipboard, the address bar has the link.
    const copied = navigator.clipboard?.writeText(url.href) ?? Promise.reject()
    copied.then(() => this.#say("Link copied"), () => this.#say("The link is in the address bar"))
  }

  #say(note: string): void {
    clearTimeout(this.#note)
    this.setState({ note })
    this.#note = setTimeout(() => this.setState({ note: "" }), 2_500)
  }
}

/** Why nothing more comes. */
function Ended({ live }: { live: Live }): ComponentChildren {
  const { state } = live
  if (state.name !== "closed" || !state.error) return null
  const { code } = state.error
  const words =
    code === "NotFound" ? "This share is gone: it was deleted, or never was."
    : code === "Unauthorized" ? "This share is private. Open it with the link that its owner gave you."
    : said(state.error)
  return <p class="ended" role="alert"><Icon name={code === "Unauthorized" ? "lock" : "warn"} /> {words}</p>
}

/** How high a row may be that was never shown. */
function guess(row: AnyRow): number {
  if (row.kind === "head") return 48
  const { value } = row.item
  switch (text(value, "type")) {
    case "text":
      return 36 + 25 * Math.ceil(text(value, "text").length / 90)
    case "tool":
      return 150
    default:
      return 34
  }
}
