/** What a machine calls itself; a host takes each for its own. */
const LOOPBACK: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"])

/** Whether a page at `here` stands under another origin than the host, which calls itself `host`. */
export function isElsewhere(host: string | undefined, here: string): boolean {
  if (host === undefined) return false
  const [own, page] = [new URL(host), new URL(here)]
  if (own.origin === page.origin) return false
  const isOneMachine = LOOPBACK.has(own.hostname) && LOOPBACK.has(page.hostname)
  return !(isOneMachine && own.protocol === page.protocol && own.port === page.port)
}
