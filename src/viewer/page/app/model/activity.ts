import { duration } from "./format"
import type { Live } from "./live"
import { type Fields, at, number, text } from "./read"
import type { View } from "./share"

/** What goes on in a session, and how the page's mark shows it. */
export interface Activity {
  readonly mark: "live" | "away" | "waiting" | "stalled" | "ended"
  readonly words: string
}

/** After a change a session is taken to live for so long. */
const LIVE_MS = 60_000
/** What was begun and says nothing for longer has ended without a word. */
const STALLED_MS = 3_600_000
/** Whose answer is whole, and who has said nothing for longer, has gone. */
const IDLE_MS = 1_800_000

/**
 * What goes on, at a time of the reader's clock. A connection is no sign of life: a session that was recorded long ago has one too. What
 * changes while it is looked at is one, and so are the session's own times.
 */
export function activity(live: Live, view: View, now: number): Activity {
  const { state } = live
  if (state.name === "closed") return { mark: "ended", words: state.error?.code === "NotFound" ? "deleted" : "ended" }
  if (state.name !== "live") return { mark: "away", words: state.name === "waiting" && state.attempt > 0 ? "reconnecting" : "connecting" }
  if (live.asks.some(({ settled }) => !settled)) return { mark: "waiting", words: "waiting for an answer" }
  const times = [live.heard || undefined, view.figures.ended, number(view.session, "time", "updated"), lastOfParts(view)]
  const last = Math.max(...times.map(time => time ?? 0))
  const quiet = now - last
  const doing = underWay(view)
  if (last === 0) return { mark: "ended", words: "ended" }
  if (quiet < LIVE_MS) return { mark: "live", words: doing || "live" }
  if (doing && quiet < STALLED_MS) return { mark: "stalled", words: `nothing for ${long(quiet)}` }
  if (quiet < IDLE_MS) return { mark: "waiting", words: `idle for ${long(quiet)}` }
  return { mark: "ended", words: `ended ${long(quiet)} ago` }
}

/** What is under way; empty if the last message is whole, or is the user's. */
function underWay(view: View): string {
  const message = view.messages.at(-1)
  if (!message) return ""
  if (text(message.value, "role") === "user") return "thinking"
  const part = message.parts.at(-1)?.value
  const status = text(part, "state", "status")
  if (status === "running" || status === "pending") return `running ${text(part, "tool") || "a tool"}`
  if (number(message.value, "time", "completed") !== undefined || at(message.value, "error") !== undefined) return ""
  const isThought = text(part, "type") === "reasoning" && number(part, "time", "end") === undefined
  return isThought ? "thinking" : number(message.value, "time", "created") === undefined ? "" : "working"
}

function lastOfParts(view: View): number | undefined {
  const value = view.messages.at(-1)?.parts.at(-1)?.value as Fields | undefined
  return number(value, "state", "time", "end") ?? number(value, "state", "time", "start") ?? number(value, "time", "end")
}

/** A long time, in its largest unit. */
function long(ms: number): string {
  const days = Math.floor(ms / 86_400_000)
  if (days >= 2) return `${days} days`
  if (ms >= 7_200_000) return `${Math.floor(ms / 3_600_000)} h`
  return ms >= 60_000 ? `${Math.floor(ms / 60_000)} min` : duration(ms)
}
