import { type Ask, type Channel, ChannelError, type Presence, Replica, type Settled, type State, connect } from "/client.js"

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
  readonly channel: Channel
  readonly replica = new Replica()
  presence: Presence | undefined
  asks: readonly Asked[] = []
  /** Counts the changes of the replica's items. */
  version = 0
  /** Changes that came after the first state was here. */
  news = 0
  /** When the last of them came, by this reader's clock; 0 before the first. */
  heard = 0
  /** The first state is here. */
  ready = false
  /** A whole snapshot is here: what comes in pieces is drawn once. */
  whole = false

  #changed: () => void
  #frame = 0
  /** The name that this reader shows. */
  #name: string | null = null

  /** `isElsewhere`: this page does not stand under the host's own origin, whose WebSocket it is then refused. */
  constructor(share: string, token: string | undefined, isElsewhere: boolean, changed: () => void) {
    this.#changed = changed
    this.channel = connect(share, { ...(token !== undefined && { token }), ...(isElsewhere && { first: "sse" }) })
    const { channel, replica } = this
    channel.on("snapshot", step => {
      replica.apply("snapshot", step)
      // Until it is whole the document has more to show than the first pieces, which are the oldest.
      if (!step.more) {
        this.whole = true
        this.version += 1
      }
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
      this.whole = true
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
  }

  get state(): State {
    return this.channel.state
  }

  /** Answers a question for this reader. */
  async answer(ask: string, choice: string): Promise<void> {
    const change = (to: Partial<Asked>) =>
      this.#asks(this.asks.map(asked => (asked.ask.ask === ask ? { ...asked, ...to } : asked)))
    change({ answer: choice })
    try {
      const { counts } = await this.channel.call<{ counts: Record<string, number> }>("share.answer", { ask, choice })
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
    this.presence = await this.channel.call<Presence>("share.presence", { name })
    this.#name = name
    this.#tell()
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
