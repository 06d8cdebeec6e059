import { ChannelError, type RefusalFrame } from "./frames"
import type { Link } from "./transports"

/** Calls that may wait for their answer at a time. */
const CALLS_MAX = 64

interface Call {
  frame: { id: number; procedure: string; input?: unknown }
  /** The connection that it was sent on; `undefined`: it waits for one. */
  link: Link | undefined
  resolve(data: unknown): void
  reject(error: ChannelError): void
  timer: ReturnType<typeof setTimeout>
}

/** The calls of a channel that are not answered yet, on whichever of its connections. */
export class Calls {
  readonly #calls = new Map<number, Call>()
  #last = 0

  /** Whether as many wait for their answers as may. */
  get areFull(): boolean {
    return this.#calls.size >= CALLS_MAX
  }

  /** Makes a call, on this connection at once or, without one, on the next to which `send` is told. */
  ask<T>(procedure: string, input: Record<string, unknown> | undefined, timeoutMs: number, link: Link | undefined): Promise<T> {
    const id = ++this.#last
    return new Promise<T>((resolve, reject) => {
      const late = () => this.#take(id)?.reject(new ChannelError("Timeout", `${procedure} was not answered in time`, true))
      const timer = setTimeout(late, timeoutMs)
      const frame = input === undefined ? { id, procedure } : { id, procedure, input }
      this.#calls.set(id, { frame, link, resolve: data => resolve(data as T), reject, timer })
      link?.send(frame)
    })
  }

  static full(): ChannelError {
    return new ChannelError("TooManyCalls", `${CALLS_MAX} calls wait for their answers`, true)
  }

  /** Sends what has not been sent. */
  send(link: Link): void {
    for (const call of this.#calls.values()) {
      if (call.link) continue
      call.link = link
      link.send(call.frame)
    }
  }

  /** Settles the call that this is the answer to. */
  answered(answer: { id: number; ok: boolean; data?: unknown; error?: RefusalFrame }): void {
    const call = this.#take(answer.id)
    if (answer.ok) call?.resolve(answer.data)
    else call?.reject(ChannelError.from(answer.error))
  }

  /** Whether one that was sent on this connection waits for its answer. */
  waitOn(link: Link): boolean {
    return [...this.#calls.values()].some(call => call.link === link)
  }

  /** A connection is over: what was sent on it gets no answer any more; what was not may wait for the next. */
  lost(link: Link): void {
    for (const [id, call] of [...this.#calls]) {
      if (call.link === link) this.#take(id)?.reject(new ChannelError("Disconnected", "the connection was lost", true))
    }
  }

  /** All are over. */
  end(error: ChannelError): void {
    for (const id of [...this.#calls.keys()]) this.#take(id)?.reject(error)
  }

  #take(id: number): Call | undefined {
    const call = this.#calls.get(id)
    if (call) clearTimeout(call.timer)
    this.#calls.delete(id)
    return call
  }
}
