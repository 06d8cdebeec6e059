import type { ComponentChildren, JSX } from "preact"
import { useState } from "preact/hooks"
import { count, day, duration, money, plural } from "../model/format"
import { type Fields, text } from "../model/read"
import { type Live, said } from "../model/live"
import type { View } from "../model/share"
import { Icon } from "../parts/icons"
import { changed } from "./Changes"
import { theme, toggleTheme } from "./theme"

/** The bar that stays: whose page this is, what is shown, whether it is live, and who watches. */
export function Bar({ live, title, onHelp }: { live: Live; title: string; onHelp(): void }): JSX.Element {
  const [now, setTheme] = useState(theme())
  return (
    <div class="bar">
      <a class="mark" href="#top" aria-label="To the top of the page"><span class="mark-a" /><span class="mark-b" /></a>
      <span class="bar-title">{title}</span>
      <span class="bar-end">
        <LiveMark live={live} />
        <Watching live={live} />
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

function LiveMark({ live }: { live: Live }): JSX.Element {
  const { state } = live
  const [kind, words] =
    state.name === "live" ? ["live", "live"]
    : state.name === "closed" ? ["ended", state.error?.code === "NotFound" ? "deleted" : "ended"]
    : state.name === "waiting" && state.attempt > 0 ? ["away", "reconnecting"]
    : ["away", "connecting"]
  return <span class={`live live-${kind}`} role="status"><span class="live-dot" aria-hidden="true" />{words}</span>
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
  const { session, totals } = view
  const models = names(view)
  const agent = text(session, "agent")
  const { files, added, removed } = changed(view)
  return (
    <header class="hero">
      <p class="hero-line">
        {models.map(name => <span class="chip chip-model" key={name}>{name}</span>)}
        {agent && <span class="chip">{agent}</span>}
        {totals.started !== undefined && <time class="quiet" dateTime={iso(totals.started)}>{day(totals.started)}</time>}
      </p>
      <h1>{view.title}</h1>
      <dl class="figures">
        {totals.duration !== undefined && <Figure name="Duration">{duration(totals.duration)}</Figure>}
        <Figure name="Cost">{money(totals.cost)}</Figure>
        <Figure name="Tokens" title={`${totals.input} in, ${totals.output} out, ${totals.reasoning} reasoning, ${totals.cached} from the cache`}>
          {count(totals.input + totals.cached)} <small>in</small> {count(totals.output + totals.reasoning)} <small>out</small>
        </Figure>
        <Figure name="Messages">{view.messages.length.toLocaleString("en")}</Figure>
        {files > 0 && (
          <Figure name="Files">{files} <small class="added">+{count(added)}</small> <small class="removed">−{count(removed)}</small></Figure>
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
