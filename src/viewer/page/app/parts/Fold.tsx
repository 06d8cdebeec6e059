import type { ComponentChildren, JSX } from "preact"
import { useState } from "preact/hooks"

/** What the reader opened, by name: rows leave the document when they are scrolled away, and come back as they were. */
const opened = new Map<string, boolean>()

export function useOpen(name: string, byDefault = false): [boolean, (open: boolean) => void] {
  const [open, set] = useState(opened.get(name) ?? byDefault)
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
