import type { Item } from "/client.js"
import { Component, type ComponentChildren, type JSX } from "preact"
import { plural, time } from "../model/format"
import { at, json, number, text } from "../model/read"
import { errorWords } from "../model/words"
import { type Head, type PartRow, type Row as AnyRow, who } from "../model/rows"
import type { Within } from "../model/whole"
import { Code } from "./Code"
import { Copy } from "./Copy"
import { Icon } from "./icons"
import { Part, partIcon } from "./Part"
import { RunOf } from "./RunOf"

interface Props {
  row: AnyRow
  /** What it shows: the row's own item, with its whole value once that is here. */
  item: Item | undefined
  place: number
  total: number
  folder: string
  focused: boolean
  onLink(id: string): void
  /** What the message of a head said, as Markdown. */
  quote(id: string): Promise<string>
  /** An item with its whole value, once that is here. */
  wholeOf(item: Within): Item
}

/** One row of the list: drawn again only when it is another, and harmless if what it holds cannot be drawn. */
export class Row extends Component<Props, { failed: boolean }> {
  override state = { failed: false }

  override shouldComponentUpdate(next: Props, state: { failed: boolean }): boolean {
    const { row, item, place, total, focused } = this.props
    // Of a row of calls each may have come whole meanwhile.
    return row.kind === "run" || next.row !== row || next.item !== item || next.place !== place || next.total !== total || next.focused !== focused || state.failed !== this.state.failed
  }

  override componentDidCatch(): void {
    this.setState({ failed: true })
  }

  override componentWillReceiveProps(next: Props): void {
    if ((next.row !== this.props.row || next.item !== this.props.item) && this.state.failed) this.setState({ failed: false })
  }

  override render({ row: told, item, place, total, folder, focused, onLink, quote, wholeOf }: Props): ComponentChildren {
    const row = told.kind === "part" && item ? { ...told, item } : told
    const isShort = item?.size !== undefined && (row.kind === "part" || at(row.message, "error") !== undefined)
    const classes = ["row", `from-${row.role}`, row.kind, row.undone ? "undone" : "", row.below ? "below" : "", focused ? "focused" : ""]
    if (row.kind === "part" && row.last) classes.push("last")
    if (row.kind === "head" && row.bare) classes.push("bare")
    const icon = row.kind === "run" ? "tool" : row.kind === "part" && row.role === "assistant" ? partIcon(row) : undefined
    return (
      <article
        class={classes.filter(Boolean).join(" ")}
        data-row={row.id}
        tabIndex={-1}
        aria-busy={isShort}
        aria-posinset={place + 1}
        aria-setsize={total}
        aria-label={row.kind === "head" ? undefined : row.kind === "run" ? plural(row.parts.length, "call") : label(row)}
      >
        <div class="gutter" aria-hidden="true">{icon && <Icon name={icon} />}</div>
        <div class="content">
          {this.state.failed ? <Raw row={row} />
            : row.kind === "head" ? <HeadOf row={row} error={at(item?.value ?? row.message, "error")} quote={quote} />
            : row.kind === "run" ? <RunOf row={row} folder={folder} wholeOf={wholeOf} />
            : <Part row={row} folder={folder} />}
          {isShort && <p class="discreet">loading the rest…</p>}
        </div>
        <a
          class="anchor"
          href={`#${encodeURIComponent(row.id)}`}
          aria-label={row.kind === "head" ? "Copy a link to this message" : "Copy a link to this part"}
          title="Copy link"
          onClick={event => {
            event.preventDefault()
            onLink(row.id)
          }}
        >
          <Icon name="link" size={14} />
        </a>
      </article>
    )
  }
}

function HeadOf({ row, error, quote }: { row: Head; error: unknown; quote(id: string): Promise<string> }): JSX.Element {
  const { message, role } = row
  const created = number(message, "time", "created")
  const agent = text(message, "agent")
  return (
    <>
      <h2 class="head-line">
        <span class={`face face-${role}`} aria-hidden="true" />
        <span class="speaker">{role === "user" ? "User" : who(message) || "Assistant"}</span>
        {agent && (role === "assistant" || row.below) && <span class="chip">{agent}</span>}
        {row.undone && <span class="chip">undone</span>}
        {created !== undefined && <time class="when" dateTime={stamp(created)}>{time(created)}</time>}
        <Copy text={() => quote(row.id)} label="Copy this message as Markdown" />
      </h2>
      {error !== undefined && (
        <div class="bad" dir="auto">
          <Icon name="warn" /> <span class="typed">{errorWords(error) || "failed"}</span>
        </div>
      )}
    </>
  )
}

/** What cannot be drawn is shown as what it is. */
function Raw({ row }: { row: AnyRow }): JSX.Element {
  const value = row.kind === "head" ? row.message : row.kind === "run" ? row.parts.map(({ item }) => item.value) : row.item.value
  return <Code name={`${row.id}/raw`} text={json(value)} language="json" label="Value" />
}

function label({ item, role }: PartRow): string {
  const type = text(item.value, "type")
  if (type === "tool") return `tool ${text(item.value, "tool")}, ${text(item.value, "state", "title") || text(item.value, "state", "status")}`
  return `${type || "part"} of the ${role}`
}

function stamp(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : ""
}
