import { type Fields, number } from "./read"
import { fileDiff } from "../text/diff"

/** What a session took and changed, counted as in the host's documents (`src/viewer/render/figures.rs`). */
export interface Figures {
  /** US dollars; 0 if nobody counted them. */
  readonly cost: number
  /** Tokens that went into the models, those from a cache too, and that came out of them, thoughts too; undefined if nobody counted them. */
  readonly tokens: { readonly input: number; readonly output: number } | undefined
  readonly changes: { readonly files: number; readonly added: number; readonly removed: number }
  /** From the first message to the last sign of work, in ms; undefined where nothing says that it took any time. */
  readonly duration: number | undefined
  readonly started: number | undefined
  readonly ended: number | undefined
}

/** `isWhole`: it is the session as it is, and not as it was at a place of its recording. */
export function figures(session: Fields, messages: Iterable<{ value: Fields }>, diffs: readonly unknown[], isWhole: boolean): Figures {
  let cost = 0
  let tokens: Figures["tokens"]
  let [started, ended]: (number | undefined)[] = []
  for (const { value } of messages) {
    cost += number(value, "cost") ?? 0
    const more = counted(value)
    if (more) tokens = { input: (tokens?.input ?? 0) + more.input, output: (tokens?.output ?? 0) + more.output }
    const created = number(value, "time", "created")
    if (created !== undefined) started = Math.min(started ?? created, created)
    const last = number(value, "time", "completed") ?? created
    if (last !== undefined) ended = Math.max(ended ?? last, last)
  }
  // What the session says of itself holds for all of it, also for messages that are not in the share.
  const own = counted(session)
  if (isWhole && own) {
    tokens = own
    cost = number(session, "cost") ?? 0
  }
  started ??= number(session, "time", "created")
  const duration = started !== undefined && ended !== undefined && ended > started ? ended - started : undefined
  if (tokens?.input === 0 && tokens.output === 0) tokens = undefined
  return { cost, tokens, changes: changes(session, diffs), duration, started, ended }
}

function counted(value: Fields): Figures["tokens"] {
  const input = number(value, "tokens", "input")
  if (input === undefined) return undefined
  const of = (...path: string[]) => Math.max(0, number(value, "tokens", ...path) ?? 0)
  return { input: Math.max(0, input) + of("cache", "read"), output: of("output") + of("reasoning") }
}

function changes(session: Fields, diffs: readonly unknown[]): Figures["changes"] {
  if (diffs.length === 0) {
    const of = (name: string) => Math.max(0, number(session, "summary", name) ?? 0)
    return { files: of("files"), added: of("additions"), removed: of("deletions") }
  }
  const all = diffs.map(fileDiff)
  const sum = (of: (diff: (typeof all)[number]) => number) => all.reduce((total, diff) => total + of(diff), 0)
  return { files: all.length, added: sum(diff => diff.added), removed: sum(diff => diff.removed) }
}
