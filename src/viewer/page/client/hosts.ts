import type { Options } from "./channel"
import type { Transport } from "./frames"

/** Hosts that are remembered because a host named them, besides the caller's own. */
const NAMED_MAX = 32

/** URLs that are taken of one telling, and characters that one may have. */
const TOLD_MAX = 16
const URL_MAX = 256

/**
 * The hosts at which a share is known to be, and which of them is next. A host is its URL: origin and path before its doors,
 * without a slash at the end.
 *
 * A channel goes through them in rounds: a host that failed is not tried again before all others were. What a host names
 * is believed as far as the channel is safe from being led elsewhere: over TLS it leads to TLS only, and a channel with a token
 * goes only to the caller's own hosts, and over TLS to those that one named over TLS.
 */
export class Hosts {
  /** In use, or tried last. */
  current: string
  readonly #own: readonly string[]
  readonly #hasToken: boolean
  #named: readonly string[] = []
  /** Where the host in use sent its viewers. */
  #sentTo: readonly string[] = []
  readonly #failed = new Set<string>()

  /** `random`: from 0 on and below 1; it says with which of the caller's own the channel begins. */
  constructor(own: readonly string[], hasToken: boolean, random: number) {
    this.#own = [...new Set(own)]
    this.#hasToken = hasToken
    this.current = this.#own[Math.floor(random * this.#own.length)] ?? ""
  }

  /** Remembers what the host in use names as others. */
  named(urls: unknown): void {
    const found = this.#believed(urls)
    this.#named = [...new Set([...found, ...this.#named])].filter(host => !this.#own.includes(host)).slice(0, NAMED_MAX)
  }

  /** Remembers where the host in use sends its viewers: there first, whatever failed before. */
  sentTo(urls: unknown): void {
    this.#failed.clear()
    this.named(urls)
    this.#sentTo = this.#believed(urls)
  }

  /** The host to be tried next; `undefined`: all have failed. With only one it is that one. */
  next(): string | undefined {
    return this.#all().find(host => !this.#failed.has(host))
  }

  /** The host in use, or one that was tried, does not serve. */
  failed(host: string): void {
    this.#failed.add(host)
  }

  /** Forgets a host that the caller did not name, and says whether it was one of these. */
  forget(host: string): boolean {
    this.#named = this.#named.filter(named => named !== host)
    this.#sentTo = this.#sentTo.filter(named => named !== host)
    return !this.#own.includes(host)
  }

  /** All may be tried again. */
  anew(): void {
    this.#failed.clear()
  }

  /** The host in use has served for a while: where it was sent from does not count any more. */
  settled(): void {
    this.#failed.clear()
    this.#sentTo = []
  }

  /** Each once, the one in use last. */
  #all(): readonly string[] {
    const at = this.#own.indexOf(this.current) + 1
    const others = [...this.#sentTo, ...this.#own.slice(at), ...this.#own.slice(0, at), ...this.#named]
    return [...new Set([...others.filter(host => host !== this.current), this.current])]
  }

  #believed(urls: unknown): readonly string[] {
    if (!Array.isArray(urls)) return []
    const isSafe = this.current.startsWith("https:")
    const may = (host: string) =>
      this.#own.includes(host) || (host.startsWith("https:") ? isSafe || !this.#hasToken : !isSafe && !this.#hasToken)
    return urls.slice(0, TOLD_MAX).map(base).filter(host => host !== undefined && may(host)) as string[]
  }
}

/** The URL of a host as it is compared and dialled; `undefined`: it is none. */
function base(url: unknown): string | undefined {
  if (typeof url !== "string" || url.length > URL_MAX) return undefined
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    return undefined
  }
  const { protocol, host, pathname, username, password, search, hash } = parsed
  if (username || password || search || hash || !["http:", "https:", "ws:", "wss:"].includes(protocol)) return undefined
  return `${protocol.replace(/^ws/, "http")}//${host}${pathname.replace(/\/+$/, "")}`
}

/** Takes a share's URL apart: the host's URL and the share's id, from `/share/{id}`, `/ws/{id}` or `/events/{id}`. */
export function locate(share: string | URL): { base: string; id: string } {
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

/** As `locate`, of one share at several hosts. */
export function locateAll(shares: readonly (string | URL)[]): { bases: string[]; id: string } {
  const [first, ...more] = shares.map(locate)
  if (!first) throw new TypeError("no URL of a share was given")
  const other = more.find(({ id }) => id !== first.id)
  if (other) throw new TypeError(`these are URLs of different shares: ${first.id} and ${other.id}`)
  return { bases: [first, ...more].map(({ base }) => base), id: first.id }
}

/** The query of a viewer that stands at this revision. */
export function asked(revision: number, transport: Transport, { token, values, input }: Options): URLSearchParams {
  const query = new URLSearchParams()
  if (revision > 0) query.set("cursor", String(revision))
  if (transport === "websocket" && token) query.set("auth", "inband")
  if (values) query.set("values", values)
  if (input) query.set("input", JSON.stringify(input))
  return query
}
