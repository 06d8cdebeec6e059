import { type RefusalFrame, type Transport, hostsWord } from "./frames"

/** What a transport tells the channel that opened it; after `ended`, nothing. */
export interface Wire {
  /** The connection can take frames. */
  opened(): void
  /** A frame came, parsed; or any sign of life, without one. */
  received(frame?: unknown): void
  /** It is over. `refused`: the host itself said no, for good; else another attempt may succeed. */
  ended(end: { refused?: RefusalFrame }): void
}

/** One connection. */
export interface Link {
  readonly transport: Transport
  /** Sends a frame up; the answer comes as a frame down, on both transports. */
  send(frame: { id: number; procedure: string; input?: unknown }): void
  /** Ends it; `ended` is not called any more. */
  cut(): void
}

/** One connection, from its attempt on. */
export interface Line {
  readonly host: string
  readonly link: Link
  /** Calls may be sent on it. */
  isOpen: boolean
  /** The host has told all there was. */
  isLive: boolean
  /** How the host named the stream. */
  name: string | undefined
}

/** Where and as whom to connect. */
export interface Address {
  /** The host's origin and the path before its doors, without a slash at the end. */
  base: string
  id: string
  query: URLSearchParams
  token: string | undefined
  /** How the host named the stream, once it did. */
  channel(): string | undefined
  WebSocket: typeof globalThis.WebSocket | undefined
  fetch: typeof globalThis.fetch
}

/** HTTP statuses of refusals that may pass: too early, too often, and whatever the host blames on itself. */
const mayPass = (status: number): boolean => [408, 425, 429].includes(status) || status >= 500

/** Opens `/ws/{id}`. A token goes in the channel's first frame: browsers cannot set the header. */
export function webSocket(address: Address, wire: Wire): Link {
  let over = false
  const end = (how: Parameters<Wire["ended"]>[0]) => {
    if (over) return
    over = true
    wire.ended(how)
  }
  const Socket = address.WebSocket
  if (!Socket) {
    queueMicrotask(() => end({}))
    return { transport: "websocket", send() {}, cut: () => void (over = true) }
  }
  let socket: WebSocket
  try {
    socket = new Socket(`${address.base.replace(/^http/, "ws")}/ws/${encodeURIComponent(address.id)}${ask(address)}`)
  } catch {
    // The page may not connect there.
    queueMicrotask(() => end({}))
    return { transport: "websocket", send() {}, cut: () => void (over = true) }
  }
  socket.onopen = () => over || wire.opened()
  socket.onmessage = message => {
    if (over) return
    const frame = typeof message.data === "string" ? parsed(message.data) : undefined
    wire.received(frame)
  }
  socket.onclose = close => end(lastWord(close))
  socket.onerror = () => {}
  return {
    transport: "websocket",
    send: frame => socket.send(JSON.stringify(frame)),
    cut() {
      over = true
      socket.onopen = socket.onmessage = socket.onclose = null
      socket.close()
    },
  }
}

/** Opens `/events/{id}` by `fetch`, which unlike `EventSource` can show a token; frames up go by POST. */
export function sse(address: Address, wire: Wire): Link {
  const stop = new AbortController()
  const url = `${address.base}/events/${encodeURIComponent(address.id)}`
  const headers: Record<string, string> = address.token ? { authorization: `Bearer ${address.token}` } : {}
  const over = () => stop.signal.aborted
  const follow = async () => {
    const response = await address.fetch(url + ask(address), {
      headers: { accept: "text/event-stream", ...headers },
      cache: "no-store",
      signal: stop.signal,
    })
    if (!response.ok) {
      const refused = await wordOf(response)
      return refused && !refused.transient && !mayPass(response.status) ? { refused } : {}
    }
    // A page for the time being, or one to sign in at, is not the host's either.
    if (!response.body || !response.headers.get("content-type")?.startsWith("text/event-stream")) {
      stop.abort()
      return {}
    }
    wire.opened()
    const reader = response.body.getReader()
    const decoder = new TextDecoder()
    const lines = new Lines()
    for (;;) {
      const { done, value } = await reader.read()
      if (done || over()) return {}
      const frames = lines.push(decoder.decode(value, { stream: true }))
      if (frames.length === 0) wire.received()
      for (const frame of frames) if (!over()) wire.received(frame)
    }
  }
  const post = async (frame: { id: number; procedure: string; input?: unknown }) => {
    const channel = address.channel()
    const response = await address.fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(channel === undefined ? frame : { ...frame, channel }),
      signal: stop.signal,
    })
    const elsewhere = lost(`a proxy answered ${response.status} in the host's place`)
    if (!response.ok) return { ok: false, error: (await wordOf(response)) ?? elsewhere }
    const answer = await response.json().catch(() => undefined)
    return answer && typeof answer === "object" && "ok" in answer ? answer : { ok: false, error: elsewhere }
  }
  let isCut = false
  follow()
    .catch(() => ({}))
    .then(end => isCut || wire.ended(end))
  return {
    transport: "sse",
    send: frame =>
      void post(frame)
        .catch(() => ({ ok: false, error: lost("the host was not reached") }))
        .then(answer => over() || wire.received({ ...answer, id: frame.id })),
    cut() {
      isCut = true
      stop.abort()
    },
  }
}

/** Server-sent events, cut anywhere, put together again. A comment is a sign of life and no frame. */
class Lines {
  #rest = ""
  #event = ""
  #data: string[] = []

  push(text: string): unknown[] {
    const lines = (this.#rest + text).split(/\r\n|\n/)
    this.#rest = lines.pop() ?? ""
    const frames: unknown[] = []
    for (const line of lines) {
      if (line === "") {
        const payload = this.#data.length > 0 ? parsed(this.#data.join("\n")) : undefined
        if (payload !== undefined) frames.push({ event: this.#event || "message", payload })
        this.#event = ""
        this.#data = []
      } else if (line.startsWith("event:")) {
        this.#event = line.slice(6).trim()
      } else if (line.startsWith("data:")) {
        this.#data.push(line.slice(line[5] === " " ? 6 : 5))
      }
    }
    return frames
  }
}

function ask({ query }: Address): string {
  const text = query.toString()
  return text ? `?${text}` : ""
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The host's own refusal, if the answer is one. Where a redirect of a proxy's leads to, nobody was asked what was meant. */
async function wordOf(response: Response): Promise<RefusalFrame | undefined> {
  const body: unknown = await response.json().catch(() => undefined)
  return response.redirected ? undefined : hostsWord(body)
}

/** A call that may or may not have been carried out. */
function lost(message: string): RefusalFrame {
  return { code: "Disconnected", message, transient: true }
}

/** What a close code says for good; after any other (1001, 1012 and 1013 among them) coming back is of use. */
function lastWord({ code, reason }: CloseEvent): { refused?: RefusalFrame } {
  switch (code) {
    case 4001:
      return { refused: { code: "Unauthorized", message: reason || "this share is not for everybody", transient: false } }
    case 4004:
      return { refused: { code: "LimitExceeded", message: reason || "too many connections", transient: false } }
    case 1000:
      return { refused: { code: "NotFound", message: reason || "the share is gone", transient: false } }
    default:
      return {}
  }
}
