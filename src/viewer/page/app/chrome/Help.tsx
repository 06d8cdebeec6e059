import type { JSX } from "preact"
import { useEffect, useRef } from "preact/hooks"

export const KEYS: readonly (readonly [string, string])[] = [
  ["/", "search the session"],
  ["j, k", "next and previous part"],
  ["g, G", "beginning and end"],
  ["f", "follow what is new"],
  ["c", "messages or changes"],
  ["d", "everything, calls in one line, only what was said"],
  ["space", "play and pause the replay"],
  ["n", "back to now"],
  ["y", "copy a link to the part"],
  ["?", "this list"],
]

/** What the keys do. */
export function Help({ open, onClose }: { open: boolean; onClose(): void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    if (open) dialog.current?.showModal()
    else dialog.current?.close()
  }, [open])
  return (
    <dialog ref={dialog} class="help" aria-labelledby="help-title" onClose={onClose}>
      <h2 id="help-title">Keys</h2>
      <dl>
        {KEYS.map(([key, what]) => <div key={key}><dt>{key.split(", ").map(one => <kbd key={one}>{one}</kbd>)}</dt><dd>{what}</dd></div>)}
      </dl>
      <button type="button" onClick={onClose}>Close</button>
    </dialog>
  )
}
