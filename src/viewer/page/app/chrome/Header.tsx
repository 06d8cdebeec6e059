import type { ComponentChildren, JSX } from "preact"
import { useState } from "preact/hooks"
import type { Activity } from "../model/activity"
import { count, day, duration, money, plural } from "../model/format"
import { type Fields, text } from "../model/read"
import { type Live, said } from "../model/live"
import type { View } from "../model/share"
import { Icon } from "../parts/icons"
import { theme, toggleTheme } from "./theme"

/** The bar that stays: whose page this is, what is shown, whether it is live, and who watches. */
export function Bar({ live, activity, title, onHelp, onSearch }: { live: Live; activity: Activity; title: string; onHelp(): void; onSearch(): void }): JSX.Element {
  const [now, setTheme] = useState(theme())
  return (
    <div class="bar">
      <a class="mark" href="#top" aria-label="To the top of the page"><span class="mark-a" /><span class="mark-b" /></a>
      <span class="bar-title" dir="auto">{title}</span>
      <span class="bar-end">
        <LiveMark activity={activity} />
        <Watching live={live} />
        <button type="button" class="plain" aria-label="Search the session" title="Search (/)" onClick={onSearch}><Icon name="search" /></button>
        <button type="button" class="plain" aria-label={`Use ${now === "dark" ? "light" : "dark"} colours`} title="Light or dark" onClick={() => setTheme(toggleTheme())}>
          <Icon name={now === "dark" ? "sun" : "moon"} />
        </button>
        <button type="button" class="plain" aria-label="Keyboard shortcuts" title="Keyboard shortcuts" onClick={onHelp}>
          <Icon name="help" />
        </button>
      </span>
    </div>
  )
}

/** What goes on in the session. */
function LiveMark({ activity }: { activity: Activity }): JSX.Element {
  return <span class={`live live-${activity.mark}`} role="status"><span class="live-dot" aria-hidden="true" />{activity.words}</span>
}

function Watching({ live }: { live: Live }): JSX.Element | null {
  const [error, setError] = useState("")
  const { presence } = live
  if (!presence || live.state.name !== "live") return null
  const { viewers, names } = presence
  const send = (event: SubmitEvent) => {
    event.preventDefault()
    const name = String(new FormData(event.currentTarget as HTMLFormElement).get("name") ?? "").trim()
    live.name(name || null).then(() => setError(""), (problem: unknown) => setError(said(problem)))
  }
  return (
    <details class="watching">
      <summary aria-label={`${viewers} watching`}><Icon name="eye" /> {count(viewers)}<span class="wide"> watching</span></summary>
      <div class="popover">
        <p>{plural(viewers, "reader")} on this host.</p>
        {names.length > 0 && <ul>{names.map((name, place) => <li key={place}>{name}</li>)}</ul>}
        <form onSubmit={send}>
          <label>Your name, for the others to see <input name="name" maxLength={64} autoComplete="nickname" /></label>
          <button type="submit">Show</button>
        </form>
        {error && <p class="bad" role="alert">{error}</p>}
      </div>
    </details>
  )
}

/** The head of the page: title, models, and the session in figures. */
export function Hero({ view, revision }: { view: View; revision: number }): JSX.Element {
  const { session, figures } = view
  const models = names(view)
  const agent = text(session, "agent")
  const { cost, tokens, changes } = figures
  return (
    <header class="hero">
      <p class="hero-line">
        {models.map(name => <span class="chip chip-model" key={name}>{name}</span>)}
        {agent && <span class="chip">{agent}</span>}
        {figures.started !== undefined && <time class="quiet" dateTime={iso(figures.started)}>{day(figures.started)}</time>}
      </p>
      <h1 dir="auto">{view.title}</h1>
      <dl class="figures">
        {figures.duration !== undefined && <Figure name="Duration">{duration(figures.duration)}</Figure>}
        {cost > 0 && <Figure name="Cost">{money(cost)}</Figure>}
        {tokens && (
          <Figure name="Tokens" title="Those from a cache and those of thoughts are counted too">
            {count(tokens.input)} <small>in</small> {count(tokens.output)} <small>out</small>
          </Figure>
        )}
        <Figure name="Messages">{view.messages.length.toLocaleString("en")}</Figure>
        {changes.files > 0 && (
          <Figure name="Files">
            {changes.files} <small class="added">+{count(changes.added)}</small> <small class="removed">−{count(changes.removed)}</small>
          </Figure>
        )}
        <Figure name="Revision">{revision.toLocaleString("en")}</Figure>
      </dl>
    </header>
  )
}

function Figure({ name, title, children }: { name: string; title?: string; children: ComponentChildren }): JSX.Element {
  return <div class="figure" title={title}><dt>{name}</dt><dd>{children}</dd></div>
}

function names(view: View): string[] {
  const name = (model: Fields) => text(model, "name") || text(model, "id")
  const used = view.models.map(name)
  const session = text(view.session, "model", "id")
  return [...new Set(used.length > 0 ? used : [session])].filter(Boolean).slice(0, 6)
}

function iso(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : ""
}
