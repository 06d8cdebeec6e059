import { decoded } from "./read"

/**
 * The grant of a private share. A link carries it in its fragment, which no browser sends to a host; from there it goes
 * into this tab's storage and out of the address, so that a copied address is no key.
 */
export function takeGrant(share: string): string | undefined {
  const name = `capshare/grant/${share}`
  const found = /^#(?:.*&)?grant=([^&]+)(?:&(.*))?$/.exec(location.hash)
  if (found?.[1]) {
    const grant = decoded(found[1])
    kept(storage => storage.setItem(name, grant))
    const rest = found[2] ? `#${found[2]}` : ""
    history.replaceState(history.state, "", location.pathname + location.search + rest)
    return grant
  }
  return kept(storage => storage.getItem(name)) ?? undefined
}

/** Storage may be forbidden; then a reload needs the link again. */
function kept<T>(use: (storage: Storage) => T): T | undefined {
  try {
    return use(sessionStorage)
  } catch {
    return undefined
  }
}
