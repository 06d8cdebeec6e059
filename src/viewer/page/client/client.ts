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
 * the revision that it reached; it tells where it stands by the event `state`. It may be given the share's URLs at several hosts,
 * and learns of others from the host that it is with: when that fails it goes to the next at once, and when that lets its viewers
 * go, it leaves only when it is with another.
 */
import { Calls } from "./calls"
import type { Channel, Options } from "./channel"
import {
  ChannelError,
  type Moving,
  type Ready,
  type RefusalFrame,
  type State,
  type Step,
  type Transport,
} from "./frames"
import { Hosts, asked, locateAll } from "./hosts"
import { Listeners } from "./listeners"
import { type Line, type Link, sse, webSocket } from "./transports"

export type { Channel, Options } from "./channel"
export { ChannelError, OutOfStep } from "./frames"
export type {
  Ask, Change, Events, Moving, Operation, Patch, Placed, Presence, Put, Ready, RefusalFrame, Removal, Settled, State, Step, Transport,
} from "./frames"
export { Replica } from "./replica"
export type { Item, Touched } from "./replica"

/** After so many attempts in a row without a frame the other transport is tried. */
const ATTEMPTS = 5

/** A host that has served for so long may be tried again when it fails: what failed before it is forgotten. */
const SERVED_MS = 5_000

/** Frames that are held back while another connection is made before this one is left: what a host sends in two seconds. */
const HELD_MAX = 1_000

/** The events that say where a viewer stands. */
const CAUGHT_UP_BY: ReadonlySet<string> = new Set(["snapshot", "changes", "ready"])

/**
 * Opens a channel to a share: its page's URL, or its id if this page is the host's own. Of a share that is at several hosts,
 * the URLs at all of them: the channel begins at a random one.
 */
export function connect(share: string | URL | readonly (string | URL)[], options: Options = {}): Channel {
  return new Connection(Array.isArray(share) ? share : [share as string | URL], options)
}

class Connection implements Channel {
  readonly id: string
  revision: number
  state: State = { name: "waiting", retryInMs: 0, attempt: 0 }

  readonly #options: Options
  readonly #listeners = new Listeners()
  readonly #calls = new Calls()
  readonly #hosts: Hosts
  #transport: Transport
  /** In use. */
  #line: Line | undefined
  /** Being made, to take the place of the one in use, which lets its viewers go. */
  #next: Line | undefined
  /** Left, but for the answers to calls that were sent on it. */
  #left: Line | undefined
  /** Steps of the line in use since the next one was begun, which knows them: told only if it comes to nothing. */
  #held: [event: string, payload: unknown][] = []
  /** The host lets its viewers go, and the next line is to be begun when the step that is under way is whole. */
  #isToMove = false
  #isInStep = false
  #liveSince = 0
  /** Rounds through all hosts in a row without one that became live. */
  #failures = 0
  /** Attempts in a row, on this transport, that brought no frame at all. */
  #mute = 0
  #hasSwitched = false
  #retry: ReturnType<typeof setTimeout> | undefined
  #silence: ReturnType<typeof setTimeout> | undefined

  constructor(shares: readonly (string | URL)[], options: Options) {
    const { bases, id } = locateAll(shares)
    this.id = id
    this.#hosts = new Hosts(bases, options.token !== undefined, Math.random())
    this.#options = options
    const { transport = "auto", first = "websocket" } = options
    this.#transport = transport === "auto" ? first : transport
    this.revision = options.cursor ?? 0
    globalThis.addEventListener?.("online", this.#now)
    globalThis.document?.addEventListener("visibilitychange", this.#now)
    // The caller adds its listeners first.
    queueMicrotask(() => this.#connect())
  }

  get host(): string {
    return this.#hosts.current
  }

  on(event: string, fn: (payload: never) => void): () => void {
    return this.#listeners.on(event, fn)
  }

  call<T>(command: string, input?: Record<string, unknown>): Promise<T> {
    if (this.state.name === "closed") return Promise.reject(new ChannelError("Closed", "the channel is closed", false))
    if (this.#calls.areFull) return Promise.reject(Calls.full())
    const line = this.#line
    // By SSE a stream has its name only when it is live.
    const isNow = line?.isOpen && (line.link.transport === "websocket" || line.isLive)
    return this.#ask<T>(command, input, isNow ? line.link : undefined)
  }

  close(): void {
    this.#end(undefined)
  }

  #ask<T>(procedure: string, input: Record<string, unknown> | undefined, link: Link | undefined): Promise<T> {
    return this.#calls.ask<T>(procedure, input, this.#options.callTimeoutMs ?? 30_000, link)
  }

  /** Begins an attempt at the host that is next, if none is under way. */
  #connect(): void {
    if (this.#line || this.state.name === "closed") return
    clearTimeout(this.#retry)
    this.#become({ name: "connecting", transport: this.#transport })
    // A listener may have closed the channel.
    if (this.#line || (this.state as State).name === "closed") return
    this.#listen()
    this.#line = this.#dial(this.#hosts.current)
  }

  /** Begins a connection to a host, for what comes after what was told. */
  #dial(host: string): Line {
    const address = {
      base: host,
      id: this.id,
      query: asked(this.revision, this.#transport, this.#options),
      token: this.#options.token,
      channel: () => line.name,
      WebSocket: this.#options.WebSocket ?? globalThis.WebSocket,
      fetch: this.#options.fetch ?? globalThis.fetch.bind(globalThis),
    }
    const open = this.#transport === "websocket" ? webSocket : sse
    const link = open(address, {
      opened: () => this.#opened(line),
      received: frame => this.#received(line, frame),
      ended: ({ refused }) => this.#ended(line, refused),
    })
    const line: Line = { host, link, isOpen: false, isLive: false, name: undefined }
    return line
  }

  #opened(line: Line): void {
    if (line === this.#line) this.#listen()
    const { token } = this.#options
    if (!token || line.link.transport === "sse") {
      line.isOpen = true
      if (line === this.#line && line.link.transport === "websocket") this.#calls.send(line.link)
      return
    }
    // An introduction comes before all else, and is answered before anything else is said.
    this.#ask("share.authenticate", { token }, line.link).then(
      () => {
        line.isOpen = true
        if (line === this.#line) this.#calls.send(line.link)
      },
      (error: ChannelError) => this.#ended(line, error.transient ? undefined : error),
    )
  }

  #received(line: Line, frame: unknown): void {
    if (line === this.#line) this.#listen()
    if (typeof frame !== "object" || frame === null) return
    this.#mute = 0
    if ("event" in frame && typeof frame.event === "string") {
      this.#event(line, frame.event, "payload" in frame ? frame.payload : undefined)
    } else if ("id" in frame && "ok" in frame) {
      this.#calls.answered(frame as { id: number; ok: boolean; data?: unknown; error?: RefusalFrame })
      const left = this.#left
      if (left && !this.#calls.waitOn(left.link)) this.#cut(left)
    }
  }

  #event(line: Line, event: string, payload: unknown): void {
    if (event === "__error") {
      const refusal = payload as RefusalFrame
      this.#ended(line, refusal.transient ? undefined : refusal)
      return
    }
    if (line === this.#next && CAUGHT_UP_BY.has(event)) this.#takeOver(line)
    if (line !== this.#line) return
    if (this.#next && CAUGHT_UP_BY.has(event)) {
      this.#held.push([event, payload])
      if (this.#held.length > HELD_MAX) this.#giveUpNext(this.#next)
      return
    }
    this.#tellEvent(event, payload)
    if (event === "moving" && this.#line === line) {
      this.#hosts.sentTo((payload as Moving).urls)
      this.#isToMove = this.#next === undefined
    }
    if (this.#isToMove && !this.#isInStep && this.#line === line) this.#move(line)
  }

  /** Tells the listeners an event of the line in use, and keeps count of what it says. */
  #tellEvent(event: string, payload: unknown): void {
    if (event === "snapshot" || event === "changes") {
      const step = payload as Step
      this.#isInStep = step.more
      // Half a snapshot is nothing to go on from, half a step something that may be told again.
      if (!step.more) this.revision = step.revision
      else if (event === "snapshot") this.revision = 0
    }
    const line = this.#line
    if (event === "ready" && line) {
      const ready = payload as Ready
      line.name = ready.channel
      line.isLive = true
      this.#hosts.named(ready.hosts)
      this.#failures = 0
      this.#hasSwitched = false
      this.#liveSince = performance.now()
      this.revision = Math.max(this.revision, ready.revision)
    }
    const inStep = this.#listeners.tell(event, payload)
    // A listener may have closed the channel.
    if (!line || this.#line !== line) return
    if (!inStep) {
      this.revision = 0
      this.#lost()
      return
    }
    if (event === "ready") {
      this.#become({ name: "live", transport: line.link.transport })
      if (line.isOpen && this.#line === line) this.#calls.send(line.link)
    }
  }

  /** Begins a connection to the host that is next, beside the line in use, which is about to be ended. */
  #move(line: Line): void {
    this.#isToMove = false
    this.#hosts.failed(line.host)
    const host = this.#hosts.next()
    // Its own URL may lead to another host, through what stands in front of them.
    this.#next = this.#dial(host ?? line.host)
  }

  /** The next line has something to tell: it is in use from now on, and the other is left. */
  #takeOver(line: Line): void {
    const before = this.#line
    this.#use(line)
    if (!before) return
    if (this.#calls.waitOn(before.link)) {
      if (this.#left) this.#cut(this.#left)
      this.#left = before
    } else {
      this.#cut(before)
    }
  }

  #use(line: Line): void {
    this.#line = line
    this.#next = undefined
    this.#held = []
    this.#isToMove = false
    this.#isInStep = false
    this.#hosts.current = line.host
    this.#listen()
    if (line.isOpen && line.link.transport === "websocket") this.#calls.send(line.link)
  }

  /** The next line came to nothing: what was held back is told, and another host is tried. */
  #giveUpNext(line: Line): void {
    this.#cut(line)
    this.#next = undefined
    this.#hosts.failed(line.host)
    const held = this.#held
    this.#held = []
    const before = this.#line
    for (const [event, payload] of held) if (this.#line === before) this.#tellEvent(event, payload)
    if (!before || this.#line !== before || this.#hosts.next() === undefined) return
    if (this.#isInStep) this.#isToMove = true
    else this.#move(before)
  }

  /** A connection is over. `refused`: by the host's own word, for good. */
  #ended(line: Line, refused: RefusalFrame | undefined): void {
    if (line === this.#next) {
      this.#giveUpNext(line)
    } else if (line === this.#line) {
      // What a host that only another host named says to a channel that is new to it does not end the channel.
      if (refused && (line.isLive || !this.#hosts.forget(line.host))) this.#end(ChannelError.from(refused))
      else this.#lost()
    } else {
      this.#cut(line)
    }
  }

  /** The line in use is lost. If the next one is being made already, that is in use from now on. */
  #lost(): void {
    const line = this.#line
    // It has served for a while: hosts that failed before it may be tried again.
    if (this.#liveSince > 0 && performance.now() - this.#liveSince >= SERVED_MS) this.#hosts.settled()
    this.#liveSince = 0
    if (line) {
      this.#hosts.failed(line.host)
      this.#cut(line)
    }
    this.#line = undefined
    if (this.#next) {
      this.#use(this.#next)
      this.#become({ name: "connecting", transport: this.#transport })
      return
    }
    this.#isToMove = false
    this.#isInStep = false
    clearTimeout(this.#retry)
    clearTimeout(this.#silence)
    this.#mute += 1
    const isOtherWay = this.#mute >= ATTEMPTS && (this.#options.transport ?? "auto") === "auto"
    if (isOtherWay) {
      // One attempt there; if it brings nothing either, the network is away rather than in the way.
      this.#transport = this.#transport === "websocket" ? "sse" : "websocket"
      this.#mute = ATTEMPTS - 1
    }
    const next = this.#hosts.next()
    if (next !== undefined) {
      this.#hosts.current = next
      this.#connect()
      return
    }
    this.#hosts.anew()
    this.#hosts.current = this.#hosts.next() ?? this.#hosts.current
    this.#failures += 1
    const { backoffMs = 1_000, backoffMaxMs = 30_000 } = this.#options
    // Another way is worth an attempt soon: what was waited for so far was this one.
    const doublings = isOtherWay && !this.#hasSwitched ? 0 : this.#failures - 1
    this.#hasSwitched ||= isOtherWay
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
    clearTimeout(this.#retry)
    clearTimeout(this.#silence)
    this.#become(error ? { name: "closed", error } : { name: "closed" })
    this.#calls.end(error ?? new ChannelError("Closed", "the channel was closed", false))
    for (const line of [this.#line, this.#next, this.#left]) line?.link.cut()
    this.#line = this.#next = this.#left = undefined
    this.#listeners.clear()
  }

  /** Lets go of a connection. */
  #cut(line: Line): void {
    line.link.cut()
    line.isOpen = false
    this.#calls.lost(line.link)
    if (this.#left === line) this.#left = undefined
  }

  /** Sets the clock of silence anew. */
  #listen(): void {
    clearTimeout(this.#silence)
    this.#silence = setTimeout(() => this.#lost(), this.#options.silenceMs ?? 75_000)
  }

  #become(state: State): void {
    this.state = state
    this.#listeners.tell("state", state)
  }
}
