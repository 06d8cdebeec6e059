import type { ComponentChildren, JSX } from "preact"
import { useLayoutEffect, useState } from "preact/hooks"
import { PIECE_MAX } from "../text/pieces"

/** What the reader opened, by name: rows leave the document when they are scrolled away, and come back as they were. */
const opened = new Map<string, boolean>()

/** Rows of which everything is open, because something was found in them. */
const revealed = new Set<string>()
/** Rows that stay so; each fold that is drawn looks through them. */
const REVEALED_MAX = 100
const revealing = new Set<() => void>()

/** Opens all that is folded in a row, and its text up to a place. What is folded in a row has the row's id before a slash in its name. */
export function reveal(row: string, upTo: number): void {
  for (const name of opened.keys()) if (isOf(row, name)) opened.delete(name)
  // The newest is the last.
  revealed.delete(row)
  revealed.add(row)
  if (revealed.size > REVEALED_MAX) revealed.delete(revealed.keys().next().value!)
  reached.set(`${row}/pieces`, Math.max(reached.get(`${row}/pieces`) ?? 1, Math.floor(upTo / PIECE_MAX) + 2))
  for (const listener of revealing) listener()
}

function isOf(row: string, name: string): boolean {
  return name === row || name.startsWith(`${row}/`)
}

function isOpen(name: string, byDefault: boolean): boolean {
  return opened.get(name) ?? ([...revealed].some(row => isOf(row, name)) || byDefault)
}

/** Calls `look` whenever a row is revealed. */
function useRevealed(look: () => void): void {
  useLayoutEffect(() => {
    revealing.add(look)
    return () => void revealing.delete(look)
  })
}

export function useOpen(name: string, byDefault = false): [boolean, (open: boolean) => void] {
  const [open, set] = useState(isOpen(name, byDefault))
  useRevealed(() => set(isOpen(name, byDefault)))
  return [
    open,
    now => {
      opened.set(name, now)
      set(now)
    },
  ]
}

const reached = new Map<string, number>()

/** How many pieces of a long text the reader has asked for. */
export function useShown(name: string): [number, (count: number) => void] {
  const [count, set] = useState(reached.get(name) ?? 1)
  useRevealed(() => set(reached.get(name) ?? 1))
  return [
    count,
    now => {
      reached.set(name, now)
      set(now)
    },
  ]
}

/** A heading that shows and hides what belongs to it. */
export function Fold(props: {
  name: string
  label: ComponentChildren
  open?: boolean
  class?: string
  children: () => ComponentChildren
}): JSX.Element {
  const [open, setOpen] = useOpen(props.name, props.open)
  return (
    <div class={`fold ${props.class ?? ""}`}>
      <button type="button" class="fold-label" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span class="fold-mark" aria-hidden="true" />
        {props.label}
      </button>
      {open && <div class="fold-body">{props.children()}</div>}
    </div>
  )
}

/** The first lines of something long, and a button for the rest. `render` gets how many lines to show. */
export function Long(props: {
  name: string
  lines: number
  first: number
  render: (lines: number) => ComponentChildren
}): JSX.Element {
  const [open, setOpen] = useOpen(props.name)
  // One line more is not worth a button.
  const long = props.lines > props.first + 2
  return (
    <>
      {props.render(long && !open ? props.first : props.lines)}
      {long && (
        <button type="button" class="more" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "Show less" : `Show all ${props.lines.toLocaleString("en")} lines`}
        </button>
      )}
    </>
  )
}
