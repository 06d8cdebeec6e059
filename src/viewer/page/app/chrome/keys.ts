/** The page's keys; none of them while something is typed or a dialog is open. */
export interface Keys {
  step(by: 1 | -1): void
  ends(end: boolean): void
  follow(): void
  tab(): void
  play(): void
  now(): void
  link(): void
  help(): void
  search(): void
  density(): void
}

/** Listens until the function that this returns is called. */
export function onKeys(keys: Keys): () => void {
  const actions: Record<string, () => void> = {
    j: () => keys.step(1),
    k: () => keys.step(-1),
    g: () => keys.ends(false),
    G: () => keys.ends(true),
    f: () => keys.follow(),
    c: () => keys.tab(),
    " ": () => keys.play(),
    n: () => keys.now(),
    y: () => keys.link(),
    "?": () => keys.help(),
    "/": () => keys.search(),
    d: () => keys.density(),
  }
  const pressed = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
    const on = event.target instanceof Element ? event.target : null
    if (on?.closest("input, select, textarea, dialog[open], [contenteditable]")) return
    // The space bar is for whatever has the focus first.
    if (event.key === " " && on?.closest("button, summary, a, [tabindex='0']")) return
    const action = Object.hasOwn(actions, event.key) ? actions[event.key] : undefined
    if (!action) return
    event.preventDefault()
    action()
  }
  addEventListener("keydown", pressed)
  return () => removeEventListener("keydown", pressed)
}
