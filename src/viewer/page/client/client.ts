/**
 * The client of a share's viewer channel, for web pages and scripts; no framework, no dependency.
 *
 * ```js
 * import { connect, Replica } from "https://share.example.org/client.js"
 *
 * const channel = connect("https://share.example.org/share/au26ltyxbkisobbywenbs6tb2g")
 * const replica = new Replica()
 * channel.on("snapshot", step => replica.apply("snapshot", step))
 * channel.on("changes", step => replica.apply("changes", step))
 * channel.on("ready", () => console.log(replica.items.get("session").value.title))
 * console.log(await channel.call("share.ping"))
 * ```
 *
 * One channel holds one connection, however many listeners and calls it has. It comes back by itself, and goes on from
 * the revision that it reached; it tells where it stands by the event `state`.
 */
import {
  ChannelError,
  type Events,
  OutOfStep,
  type Ready,
  type RefusalFrame,
  type State,
  type Step,
  type Transport,
} from "./frames"
import { type Link, sse, webSocket } from "./transports"

export { ChannelError, OutOfStep } from "./frames"
export type {
  Ask, Change, Events, Operation, Patch, Presence, Put, Ready, RefusalFrame, Removal, Settled, State, Step, Transport,
} from "./frames"
export { Replica } from "./replica"
export type { Item, Touched } from "./replica"

/** How to connect. Everything may be left out. */
export interface Options {
  /** The revision that the caller holds: what comes begins after it. Default: from nothing. */
  cursor?: number
  /** Merged under the input of each call by the host; a call's own keys win. */
  input?: Record<string, unknown>
  /** A grant or an account's token, for a private share. It travels in-band or in a header, never in a URL. */
  token?: string
  /** `whole`: items come with their values and never as patches, for listeners that keep no `Replica`. */
  values?: "whole"
  /** Which transport: `auto`, the default, begins with `first`, and changes over after 5 attempts in a row without a frame. */
  transport?: "auto" | Transport
  /** Which transport `auto` begins with. Default `websocket`; `sse` where the host is known to take no WebSocket of this page. */
  first?: Transport
  /** The wait before the second attempt; it doubles with each, with jitter. Default 1,000 ms. */
  backoffMs?: number
  /** The longest wait between attempts. Default 30,000 ms. */
  backoffMaxMs?: number
  /** How long a call may take. Default 30,000 ms. */
  callTimeoutMs?: number
  /** A connection that is silent for this long is given up; the host says something every 30 s. Default 75,000 ms. */
  silenceMs?: number
  /** Instead of the global one; for runtimes that have none. */
  WebSocket?: typeof globalThis.WebSocket
  /** Instead of the global one. */
  fetch?: typeof globalThis.fetch
}

/** A channel. */
export interface Channel {
  /** The share's id. */
  readonly id: string
  /** Where it stands; the event `state` tells of each change. */
  readonly state: State
  /** The revision up to which everything was told to the listeners; 0 while nothing is whole. */
  readonly revision: number
  /** Calls `fn` with each such event, until the function that this returns is called. */
  on<E extends keyof Events>(event: E, fn: (payload: Events[E]) => void): () => void
  on(event: string, fn: (payload: unknown) => void): () => void
  /**
   * Calls a command, such as `share.ping`, and gives what the host answers. Made while no connection stands, it waits for
   * the next.
   *
   * @throws ChannelError with the host's refusal; `Disconnected` if the connection was lost before the answer, which may
   * or may not have been carried out then; `Timeout`; `TooManyCalls` beyond 64 at a time; `Closed`.
   */
  call<T = unknown>(command: string, input?: Record<string, unknown>): Promise<T>
  /** Ends it for good. */
  close(): void
}

/** After so many attempts in a row without a frame the other transport is tried. */
const ATTEMPTS = 5

/** Calls that may wait for their answer at a time. */
const CALLS_MAX = 64

interface Call {
  frame: { id: number; procedure: string; input?: unknown }
  sent: boolean
  resolve(data: unknown): void
  reject(error: ChannelError): void
  timer: ReturnType<typeof setTimeout>
}

/** Opens a channel to a share: its page's URL, or its id if this page is the host's own. */
export function connect(share: string | URL, options: Options = {}): Channel {
  return new Connection(share, options)
}

class Connection implements Channel {
  readonly id: string
  revision: number
  state: State = { name: "waiting", retryInMs: 0, attempt: 0 }

  readonly #base: string
  readonly #options: Options
  readonly #listeners = new Map<string, Set<(payload: never) => void>>()
  readonly #calls = new Map<number, Call>()
  #link: Link | undefined
  #transport: Transport
  #open = false
  #named: string | undefined
  #lastCall = 0
  /** Attempts in a row that ended before they were live. */
  #failures = 0
  /** Those of them, on this transport, that brought no frame at all. */
  #mute = 0
  #retry: ReturnType<typeof setTimeout> | undefined
  #silence: ReturnType<typeof setTimeout> | undefined

  constructor(share: string | URL, options: Options) {
    const { base, id } = locate(share)
    this.id = id
    this.#base = base
    this.#options = options
    const { transport = "auto", first = "websocket" } = options
    this.#transport = transport === "auto" ? first : transport
    this.revision = options.cursor ?? 0
    globalThis.addEventListener?.("online", this.#now)
    globalThis.document?.addEventListener("visibilitychange", this.#now)
    // The caller adds its listeners first.
    queueMicrotask(() => this.#connect())
  }

  on(event: string, fn: (payload: never) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, listeners.add(fn))
    return () => void listeners.delete(fn)
  }

  call<T>(command: string, input?: Record<string, unknown>): Promise<T> {
    if (this.state.name === "closed") return Promise.reject(new ChannelError("Closed", "the channel is closed", false))
    if (this.#calls.size >= CALLS_MAX) {
      return Promise.reject(new ChannelError("TooManyCalls", `${CALLS_MAX} calls wait for their answers`, true))
    }
    // By SSE a stream has its name only when it is live.
    const isNow = this.#open && (this.#transport === "websocket" || this.state.name === "live")
    return this.#ask<T>(command, input, isNow)
  }

  #ask<T>(procedure: string, input: Record<string, unknown> | undefined, isNow: boolean): Promise<T> {
    const id = ++this.#lastCall
    return new Promise<T>((resolve, reject) => {
      const late = () => this.#settle(id)?.reject(new ChannelError("Timeout", `${procedure} was not answered in time`, true))
      const timer = setTimeout(late, this.#options.callTimeoutMs ?? 30_000)
      const frame = input === undefined ? { id, procedure } : { id, procedure, input }
      this.#calls.set(id, { frame, sent: isNow, resolve: data => resolve(data as T), reject, timer })
      if (isNow) this.#link?.send(frame)
    })
  }

  close(): void {
    this.#end(undefined)
  }

  /** Begins an attempt, if none is under way: there is never more than one connection. */
  #connect(): void {
    if (this.#link || this.state.name === "closed") return
    clearTimeout(this.#retry)
    const query = new URLSearchParams()
    if (this.revision > 0) query.set("cursor", String(this.revision))
    if (this.#transport === "websocket" && this.#options.token) query.set("auth", "inband")
    if (this.#options.values) query.set("values", this.#options.values)
    if (this.#options.input) query.set("input", JSON.stringify(this.#options.input))
    const address = {
      base: this.#base,
      id: this.id,
      query,
      token: this.#options.token,
      channel: () => this.#named,
      WebSocket: this.#options.WebSocket ?? globalThis.WebSocket,
      fetch: this.#options.fetch ?? globalThis.fetch.bind(globalThis),
    }
    this.#become({ name: "connecting", transport: this.#transport })
    this.#listen()
    const open = this.#transport === "websocket" ? webSocket : sse
    this.#link = open(address, {
      opened: () => this.#opened(),
      received: frame => this.#received(frame),
      ended: ({ refused }) => {
        if (refused) this.#end(ChannelError.from(refused))
        else this.#lost()
      },
    })
  }

  #opened(): void {
    this.#listen()
    const link = this.#link
    const { token } = this.#options
    if (!token || this.#transport === "sse") {
      this.#open = true
      if (this.#transport === "websocket") this.#send()
      return
    }
    // An introduction comes before all else, and is answered before anything else is said.
    this.#ask("share.authenticate", { token }, true).then(
      () => {
        if (this.#link !== link) return
        this.#open = true
        this.#send()
      },
      (error: ChannelError) => {
        if (this.#link !== link) return
        if (error.transient) this.#lost()
        else this.#end(error)
      },
    )
  }

  /** Sends what has not been sent. */
  #send(): void {
    for (const call of this.#calls.values()) {
      if (call.sent) continue
      call.sent = true
      this.#link?.send(call.frame)
    }
  }

  #received(frame: unknown): void {
    this.#listen()
    if (typeof frame !== "object" || frame === null) return
    this.#mute = 0
    if ("event" in frame && typeof frame.event === "string") {
      this.#event(frame.event, "payload" in frame ? frame.payload : undefined)
    } else if ("id" in frame && "ok" in frame) {
      const answer = frame as { id: number; ok: boolean; data?: unknown; error?: RefusalFrame }
      const call = this.#settle(answer.id)
      if (answer.ok) call?.resolve(answer.data)
      else call?.reject(ChannelError.from(answer.error))
    }
  }

  #event(event: string, payload: unknown): void {
    if (event === "__error") {
      const refusal = payload as RefusalFrame
      if (refusal.transient) this.#lost()
      else this.#end(ChannelError.from(refusal))
      return
    }
    if (event === "snapshot" || event === "changes") {
      const step = payload as Step
      // Half a snapshot is nothing to go on from, half a step something that may be told again.
      if (!step.more) this.revision = step.revision
      else if (event === "snapshot") this.revision = 0
    }
    if (event === "ready") {
      const ready = payload as Ready
      this.#named = ready.channel
      this.#failures = 0
      this.revision = Math.max(this.revision, ready.revision)
    }
    const inStep = this.#tell(event, payload)
    // A listener may have closed the channel.
    if (!inStep && this.#link) {
      this.revision = 0
      this.#lost()
      return
    }
    if (event === "ready" && this.#link) {
      this.#become({ name: "live", transport: this.#transport })
      if (this.#open) this.#send()
    }
  }

  #lost(): void {
    this.#drop()
    this.#failures += 1
    this.#mute += 1
    if (this.#mute >= ATTEMPTS && (this.#options.transport ?? "auto") === "auto") {
      // One attempt there; if it brings nothing either, the network is away rather than in the way.
      this.#transport = this.#transport === "websocket" ? "sse" : "websocket"
      this.#mute = ATTEMPTS - 1
    }
    const { backoffMs = 1_000, backoffMaxMs = 30_000 } = this.#options
    // Another way is worth an attempt soon: what was waited for so far was this one.
    const doublings = this.#failures === ATTEMPTS && this.#mute === ATTEMPTS - 1 ? 0 : this.#failures - 1
    const longest = Math.min(backoffMaxMs, backoffMs * 2 ** doublings)
    const retryInMs = Math.round(longest * (0.5 + Math.random() / 2))
    this.#retry = setTimeout(() => this.#connect(), retryInMs)
    this.#become({ name: "waiting", retryInMs, attempt: this.#failures })
  }

  /** The network is back, or somebody looks again. */
  #now = (): void => {
    if (this.state.name === "waiting" && globalThis.document?.visibilityState !== "hidden") this.#connect()
  }

  #end(error: ChannelError | undefined): void {
    if (this.state.name === "closed") return
    globalThis.removeEventListener?.("online", this.#now)
    globalThis.document?.removeEventListener("visibilitychange", this.#now)
    this.#become(error ? { name: "closed", error } : { name: "closed" })
    for (const id of [...this.#calls.keys()]) {
      this.#settle(id)?.reject(error ?? new ChannelError("Closed", "the channel was closed", false))
    }
    this.#drop()
    this.#listeners.clear()
  }

  /** Lets go of the connection. What was sent on it gets no answer any more; what was not may wait for the next. */
  #drop(): void {
    clearTimeout(this.#retry)
    clearTimeout(this.#silence)
    this.#link?.cut()
    this.#link = undefined
    this.#open = false
    this.#named = undefined
    for (const [id, call] of [...this.#calls]) {
      if (call.sent) this.#settle(id)?.reject(new ChannelError("Disconnected", "the connection was lost", true))
    }
  }

  #settle(id: number): Call | undefined {
    const call = this.#calls.get(id)
    if (call) clearTimeout(call.timer)
    this.#calls.delete(id)
    return call
  }

  /** Sets the clock of silence anew. */
  #listen(): void {
    clearTimeout(this.#silence)
    this.#silence = setTimeout(() => this.#lost(), this.#options.silenceMs ?? 75_000)
  }

  #become(state: State): void {
    this.state = state
    this.#tell("state", state)
  }

  /** Tells the listeners; whether none of them is out of step. */
  #tell(event: string, payload: unknown): boolean {
    let inStep = true
    for (const fn of [...(this.#listeners.get(event) ?? [])]) {
      try {
        fn(payload as never)
      } catch (error) {
        if (error instanceof OutOfStep) {
          inStep = false
          continue
        }
        // One listener's mistake is not another's.
        const report = globalThis.reportError as ((error: unknown) => void) | undefined
        if (report) report(error)
        else queueMicrotask(() => Promise.reject(error))
      }
    }
    return inStep
  }
}

/** Takes a page's URL apart: the host's base and the share's id, from `/share/{id}`, `/ws/{id}` or `/events/{id}`. */
function locate(share: string | URL): { base: string; id: string } {
  const text = String(share)
  const here = globalThis.location?.origin
  if (!/^[a-z]+:\/\//i.test(text)) {
    if (!here || here === "null") throw new TypeError("outside of the host's own page a share is named by its whole URL")
    if (!text.startsWith("/")) return { base: here, id: text }
  }
  const url = new URL(text, here)
  const found = /^(.*)\/(?:share|ws|events)\/([^/]+)\/?$/.exec(url.pathname)
  if (!found?.[2]) throw new TypeError(`not the URL of a share: ${url.pathname}`)
  return { base: url.origin.replace(/^ws/, "http") + found[1], id: decodeURIComponent(found[2]) }
}
