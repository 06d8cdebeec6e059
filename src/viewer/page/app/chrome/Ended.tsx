import type { JSX } from "preact"
import { type Live, said } from "../model/live"
import { Icon } from "../parts/icons"

/** Why nothing more comes. */
export function Ended({ live }: { live: Live }): JSX.Element | null {
  const { state } = live
  if (state.name !== "closed" || !state.error) return null
  const { code } = state.error
  const words =
    code === "NotFound" ? "This share is gone: it was deleted, or never was."
    : code === "Unauthorized" ? "This share is private. Open it with the link that its owner gave you."
    : said(state.error)
  return <p class="ended" role="alert"><Icon name={code === "Unauthorized" ? "lock" : "warn"} /> {words}</p>
}
