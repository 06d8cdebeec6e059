/**
 * The page of a share: `GET /share/{id}` brings a document with the content as it was, and this makes it live.
 *
 * What the host wrote into `<main id="app">` stays until the newest of the state is here. Nothing here loads from
 * another origin, runs what a share holds, or keeps anything but the reader's colours and, for this tab, a private share's
 * grant.
 */
import { render } from "preact"
import { App } from "./chrome/App"
import { restoreTheme } from "./chrome/theme"
import { takeGrant } from "./model/grant"
import { Live } from "./model/live"
import { plural } from "./model/format"
import { isElsewhere } from "./model/origin"
import { decoded } from "./model/read"
import "./style/page.css"
import "./style/parts.css"
import "./style/code.css"
import "./style/plain.css"

restoreTheme()
const main = document.getElementById("app")
const share = document.body.dataset["share"]
if (main && share) start(main, share)

function start(main: HTMLElement, share: string): void {
  const grant = takeGrant(share)
  const asked = (name: string) => Number(new URLSearchParams(location.search).get(name) || Number.NaN)
  const [revision, moment] = [asked("revision"), asked("t")]
  const anchor = decoded(location.hash.slice(1))
  const loading = main.ownerDocument.createElement("p")
  loading.className = "loading"
  loading.setAttribute("role", "status")
  let turn = 0
  const draw = () => {
    const { size } = live.replica.items
    const isLoading = !live.whole && live.state.name !== "closed"
    loading.textContent = !isLoading ? "" : size === 0 ? "Connecting" : live.total > 0
      ? `Loading the whole session: ${size.toLocaleString("en")} of ${plural(live.total, "item")} so far`
      : `Loading the whole session: ${plural(size, "item")} so far`
    if (!isLoading) loading.remove()
    else if (size > 0 && !loading.isConnected) document.body.append(loading)
    // Until there is more to show, what the host wrote is what there is to read. The end of a channel is worth telling.
    if (turn === 0 && !live.shown && isLoading) return
    if (turn === 0) main.replaceChildren()
    turn += 1
    main.classList.add("is-live")
    render(<App live={live} turn={turn} anchor={anchor} revision={Number.isInteger(revision) ? revision : undefined} moment={moment >= 0 ? moment : undefined} />, main)
  }
  const live = new Live(share, grant, anchor, isElsewhere(document.body.dataset["host"], location.href), draw)
  // For tests, and for whoever opens the console.
  Object.assign(globalThis, {
    capshare: Object.freeze({
      items: () => [...live.replica.items.values()].map(({ key, revision }) => ({ key, revision })),
      revision: () => live.replica.revision,
      state: () => live.state.name,
      ready: () => live.ready && live.whole,
    }),
  })
}
