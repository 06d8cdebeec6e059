import { type Ask, type Channel, ChannelError, type Options, type Presence, Replica, type Settled, type State, connect } from "/client.js"
import { load } from "./load"

/** A question to the viewers, and how it ended, once it did. */
export interface Asked {
  readonly ask: Ask
  readonly settled?: Settled
  /** What this reader answered. */
  readonly answer?: string
  readonly error?: string
}

/** How long the end of a question stays to be read. */
const SETTLED_MS = 8_000

/**
 * A share as it comes over its channel: the copy, the state of the connection, who watches and what is asked.
 *
 * Whoever draws it is told at most once a frame that something changed.
 */
export class Live {
  /** Undefined until the first line of the state's document is here. */
  channel: Channel | undefined
  readonly replica = new Replica()
  presence: Presence | undefined
  asks: readonly Asked[] = []
  /** Counts the changes of the replica's items. */
  version = 0
  /** Changes that came after the first state was here. */
  news = 0
  /** When the last of them came, by this reader's clock; 0 before the first. */
  heard = 0
  /** The channel tells changes as they happen. */
  ready = false
  /** There is something to show: the newest items, or all. */
  shown = false
  /** Everything is here: what comes in pieces is drawn once. */
  whole = false
  /** How many items there are, while they are loaded. */
  total = 0

  #changed: () => void
  #frame = 0
  /** The name that this reader shows. */
  #name: string | null = null
  #loading = new AbortController()

  /**
   * @param around the message or part that the address points at.
   * @param isElsewhere this page does not stand under the host's own origin, whose WebSocket it is then refused.
   */
  constructor(share: string, token: string | undefined, around: string, isElsewhere: boolean, changed: () => void) {
    this.#changed = changed
    const options = { ...(token !== undefined && { token }), ...(isElsewhere && { first: "sse" as const }) }
    void this.#load(share, token, around, options)
  }

  /** Loads what the share holds, and follows it from there on; if it cannot be loaded, all of it comes by the channel. */
  async #load(share: string, token: string | undefined, around: string, options: Options): Promise<void> {
    const { signal } = this.#loading
    for (let failures = 0; !signal.aborted && this.state.name !== "closed"; failures += 1) {
      try {
        await load(share, token, around, {
          head: ({ revision, syncCount, items }) => {
            this.replica.begin(revision, syncCount)
            this.total = items
            this.channel ??= this.#follow(connect(share, { ...options, cursor: revision }))
          },
          items: items => {
            this.replica.add(items)
            if (!this.shown) this.version += 1
            this.shown = true
            this.#tell()
          },
        }, signal)
        this.replica.add([], true)
        this.#isWhole()
        return
      } catch {
        // Why a share may not be seen, its channel says best.
        if (!this.channel) {
          this.channel = this.#follow(connect(share, options))
          return
        }
        await new Promise(done => setTimeout(done, Math.min(30_000, 1_000 * 2 ** failures)))
      }
    }
  }

  #isWhole(): void {
    this.shown = true
    this.whole = true
    this.version += 1
    this.#tell()
  }

  #follow(channel: Channel): Channel {
    const { replica } = this
    channel.on("snapshot", step => {
      // It has everything, and what a document has may be gone.
      this.#loading.abort()
      replica.apply("snapshot", step)
      if (!step.more) this.#isWhole()
      this.#tell()
    })
    channel.on("changes", step => {
      const { keys } = replica.apply("changes", step)
      if (this.ready) {
        this.news += keys.size
        this.heard = Date.now()
      }
      this.version += 1
      this.#tell()
    })
    channel.on("ready", () => {
      this.ready = true
      // What a channel without a cursor tells before it is ready is all there is.
      if (this.total === 0 || this.#loading.signal.aborted) this.#isWhole()
      // Open questions are told anew after each ready.
      this.asks = this.asks.filter(asked => asked.settled)
      this.#tell()
      // A connection that was made anew, or to another host, knows no name. If this one is lost as well, the next is told.
      if (this.#name !== null) this.name(this.#name).catch(() => undefined)
    })
    channel.on("presence", presence => {
      this.presence = presence
      this.#tell()
    })
    channel.on("ask", ask => {
      const before = this.asks.find(asked => asked.ask.ask === ask.ask)
      this.#asks([...this.asks.filter(asked => asked !== before), { ...before, ask }])
    })
    channel.on("settled", settled => {
      const before = this.asks.find(asked => asked.ask.ask === settled.ask)
      if (!before) return
      this.#asks(this.asks.map(asked => (asked === before ? { ...before, settled } : asked)))
      setTimeout(() => this.#asks(this.asks.filter(asked => asked.ask.ask !== settled.ask)), SETTLED_MS)
    })
    channel.on("state", () => this.#tell())
    return channel
  }

  get state(): State {
    return this.channel?.state ?? { name: "connecting", transport: "websocket" }
  }

  /** Answers a question for this reader. */
  async answer(ask: string, choice: string): Promise<void> {
    const change = (to: Partial<Asked>) =>
      this.#asks(this.asks.map(asked => (asked.ask.ask === ask ? { ...asked, ...to } : asked)))
    change({ answer: choice })
    try {
      const { counts } = await this.#call<{ counts: Record<string, number> }>("share.answer", { ask, choice })
      const asked = this.asks.find(asked => asked.ask.ask === ask)
      if (asked && counts) change({ ask: { ...asked.ask, counts } })
    } catch (error) {
      const open = this.asks.find(asked => asked.ask.ask === ask)
      const again = open && { ask: open.ask, error: said(error), ...(open.settled && { settled: open.settled }) }
      if (again) this.#asks(this.asks.map(asked => (asked === open ? again : asked)))
    }
  }

  /** Shows this reader's name to the others, or takes it back. */
  async name(name: string | null): Promise<void> {
    this.presence = await this.#call<Presence>("share.presence", { name })
    this.#name = name
    this.#tell()
  }

  async #call<T>(command: string, input: Record<string, unknown>): Promise<T> {
    if (!this.channel) throw new ChannelError("Disconnected", "the host was not reached yet", true)
    return this.channel.call<T>(command, input)
  }

  #asks(asks: readonly Asked[]): void {
    this.asks = asks
    this.#tell()
  }

  #tell(): void {
    // A hidden page draws no frames, and is to be up to date when it is looked at.
    if (this.#frame) return
    const tell = () => {
      cancelAnimationFrame(this.#frame)
      clearTimeout(late)
      this.#frame = 0
      this.#changed()
    }
    const late = setTimeout(tell, 250)
    this.#frame = requestAnimationFrame(tell)
  }
}

/** An error in words. */
export function said(error: unknown): string {
  return error instanceof ChannelError ? error.message : "it could not be done"
}
