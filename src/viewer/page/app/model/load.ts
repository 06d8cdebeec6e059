import type { Placed } from "/client.js"

/** The first line of the document of a share's state. */
export interface Head {
  readonly revision: number
  readonly syncCount: number
  /** How many items follow. */
  readonly items: number
}

/** Who is told what comes. */
export interface Told {
  head(head: Head): void
  items(items: readonly Placed[]): void
}

/** Lines are read for no longer than this before whatever else waits has its turn. */
const TURN_MS = 12

/**
 * Loads what a share holds from its host, packed and the newest first (`GET /state/{id}`).
 *
 * @param around the message or part that the address points at: what is around it comes before all else.
 * @throws if it does not come, or not in full.
 */
export async function load(share: string, token: string | undefined, around: string, told: Told, signal: AbortSignal): Promise<void> {
  const query = around ? `?around=${encodeURIComponent(around)}` : ""
  const response = await fetch(`/state/${encodeURIComponent(share)}${query}`, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    cache: "no-store",
    signal,
  })
  if (!response.ok || !response.body || response.headers.get("content-type") !== "application/x-ndjson") throw new Error("it is not there")
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  let pieces: string[] = []
  let head: Head | undefined
  const keys = new Set<string>()
  let began = performance.now()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    const lines = decoder.decode(value, { stream: true }).split("\n")
    for (const [n, line] of lines.entries()) {
      pieces.push(line)
      if (n === lines.length - 1) break
      const read: unknown = JSON.parse(pieces.join(""))
      pieces = []
      if (head) {
        const { changes } = read as { changes: Placed[] }
        for (const { key } of changes) keys.add(key)
        told.items(changes)
      } else told.head((head = read as Head))
      if (performance.now() - began > TURN_MS) {
        await new Promise(done => setTimeout(done))
        began = performance.now()
      }
    }
  }
  if (!head || keys.size < head.items) throw new Error("it ended before its end")
}
