/**
 * The frames of the viewer channel, as types. `schema/viewer.md` is their contract; this is what a program sees of it.
 */

/** A change of one item: its new value, what is different from the one that a viewer holds, or that it is gone. */
export type Change = Put | Patch | Removal

/** An item has this value now. */
export interface Put {
  /** Such as `session`, `message/<id>`, `part/<messageID>/<id>`, `model/<provider>/<id>`, `other/<type>/<id>`. */
  key: string
  /** The revision with which it got this value. */
  revision: number
  /** The revision with which it first came; left out when that is `revision`. */
  first?: number
  /** `session`, `message`, `part`, `session_diff`, `model`, or what the producer called it. */
  type: string
  value: unknown
}

/** An item has another value now: the one of revision `base` with these operations. Applied by `Replica`. */
export interface Patch {
  key: string
  revision: number
  first?: number
  type: string
  base: number
  patch: Operation[]
}

/** One place of a value, as a JSON pointer, and what becomes of it: more at its end, another value, or nothing. */
export type Operation =
  | { path: string; append: string | unknown[] }
  | { path: string; value: unknown }
  | { path: string; removed: true }

/** An item is gone. */
export interface Removal {
  key: string
  revision: number
  removed: true
}

/** An item of the document of a share's state. */
export interface Placed extends Put {
  /** Its place in the order in which items first came. */
  place: number
  /** Bytes of the whole value, if this one has its long texts cut. */
  size?: number
}

/** The way from revision `base` to `revision`; there is more of it in the next step if `more`. */
export interface Step {
  base: number
  revision: number
  syncCount: number
  more: boolean
  changes: Change[]
  /** On a snapshot that replaces what a viewer held: why it could not go on from there. */
  resync?: string
}

/** Why something was refused; `transient` says that trying again may help. */
export interface RefusalFrame {
  code: string
  message: string
  transient?: boolean
}

export interface Ready {
  revision: number
  /** Names this stream towards the host. */
  channel?: string
  /** URLs of other hosts where the share is. */
  hosts?: string[]
}

/** The host lets its viewers go: the channel connects to one of `urls`, or to another host that it knows, and leaves this one then. */
export interface Moving {
  urls: string[]
  /** After so long this connection is ended. */
  withinMs: number
}

/** Who watches, of those who are with the same host. */
export interface Presence {
  viewers: number
  names: string[]
}

/** A question of the producer to its viewers: `needed` equal answers before `deadline` (ms since 1970) settle it. */
export interface Ask {
  ask: string
  question: string
  choices: string[]
  needed: number
  deadline: number
  counts: Record<string, number>
}

export interface Settled {
  ask: string
  outcome: "agreed" | "expired" | "withdrawn"
  choice: string | null
  counts: Record<string, number>
  /** Why the host withdrew it: it drains, and the question may be asked again at another host. */
  reason?: "draining"
}

/**
 * Where a channel stands.
 *
 * - `connecting`: a connection is being made, or its first step is on the way;
 * - `live`: all is here, and changes come as they happen;
 * - `waiting`: the connection was lost; the next attempt begins in `retryInMs`;
 * - `closed`: for good, by `close()` or because the host said no (`error`).
 */
export type State =
  | { name: "connecting"; transport: Transport }
  | { name: "live"; transport: Transport }
  | { name: "waiting"; retryInMs: number; attempt: number }
  | { name: "closed"; error?: ChannelError }

export type Transport = "websocket" | "sse"

/** What each event gives its listeners; other names of the host's are passed on with their payload as it is. */
export interface Events {
  snapshot: Step
  changes: Step
  ready: Ready
  presence: Presence
  ask: Ask
  settled: Settled
  moving: Moving
  state: State
}

/**
 * A change does not fit what is held. A listener of `snapshot` or `changes` that throws this is told everything anew: the
 * channel drops its connection, and comes back from nothing.
 */
export class OutOfStep extends Error {
  override name = "OutOfStep"
}

/** What a host's refusals are called. */
const CODES: ReadonlySet<unknown> = new Set([
  "InvalidInput", "InvalidSecret", "LimitExceeded", "NotFound", "NotYet", "ProtocolMismatch", "RouteMismatch", "StaleProducer",
  "StorageFailure", "Unauthorized", "Unavailable", "Unspecified", "UpgradeFailed",
])

/** The refusal that the body of an HTTP answer is, if it is the host's own word: a proxy that answers in its place says anything else. */
export function hostsWord(body: unknown): RefusalFrame | undefined {
  const error = typeof body === "object" && body !== null && "error" in body ? (body.error as Partial<RefusalFrame> | null) : undefined
  if (!error || !CODES.has(error.code) || typeof error.message !== "string") return undefined
  return { code: error.code as string, message: error.message, transient: error.transient === true }
}

/** A refusal of the host, or that the channel could not do what was asked of it. */
export class ChannelError extends Error {
  override name = "ChannelError"
  constructor(
    /** A refusal's name, such as `NotFound`; or `Disconnected`, `Closed`, `Timeout`, `TooManyCalls`. */
    readonly code: string,
    message: string,
    /** Trying again may help. */
    readonly transient: boolean,
  ) {
    super(message)
  }

  static from(frame: Partial<RefusalFrame> | undefined): ChannelError {
    return new ChannelError(frame?.code ?? "Unspecified", frame?.message ?? "the host gave no reason", frame?.transient ?? false)
  }
}
