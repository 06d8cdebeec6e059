import type { Events, State, Transport } from "./frames"

/** How to connect. Everything may be left out. */
export interface Options {
  /** The revision that the caller holds: what comes begins after it. Default: from nothing. */
  cursor?: number
  /** Merged under the input of each call by the host; a call's own keys win. */
  input?: Record<string, unknown>
  /**
   * A grant or an account's token, for a private share. It travels in-band or in a header, never in a URL, and only to the hosts of
   * the URLs that were given to `connect`, and to those that one of them named over TLS and that are reached by TLS.
   */
  token?: string
  /** `whole`: items come with their values and never as patches, for listeners that keep no `Replica`. */
  values?: "whole"
  /** Which transport: `auto`, the default, begins with `first`, and changes over after 5 attempts in a row without a frame. */
  transport?: "auto" | Transport
  /** Which transport `auto` begins with. Default `websocket`; `sse` where the host is known to take no WebSocket of this page. */
  first?: Transport
  /** The wait when every host has failed once; it doubles with each time, with jitter. Default 1,000 ms. */
  backoffMs?: number
  /** The longest such wait. Default 30,000 ms. */
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
  /** The URL of the host that it is with, or that it tries. */
  readonly host: string
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
