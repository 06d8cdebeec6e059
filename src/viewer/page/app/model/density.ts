import { hasFailed, type Kind, kindOf } from "../parts/kinds"
import { text } from "./read"
import type { PartRow, Row, Run } from "./rows"

/** How much of a session is shown. */
export type Density = "all" | "brief" | "talk"

export const DENSITIES: readonly (readonly [Density, string])[] = [
  ["all", "Everything"],
  ["brief", "Calls in one line"],
  ["talk", "Only what was said"],
]

const NAME = "capshare/density"

/** What the reader chose before; without storage everything is shown. */
export function density(): Density {
  try {
    const said = localStorage.getItem(NAME)
    return DENSITIES.find(([name]) => name === said)?.[0] ?? "all"
  } catch {
    return "all"
  }
}

export function keepDensity(density: Density): void {
  try {
    localStorage.setItem(NAME, density)
  } catch {
    // It holds until the page is left.
  }
}

const SAID: ReadonlySet<Kind> = new Set<Kind>(["prompts", "answers"])

/** Makes a session denser: calls that follow each other become one row, or go. What is equal to before is the same object. */
export class Condensed {
  #before = new Map<string, Run>()
  #made: { rows: readonly Row[]; density: Density; shown: Row[] } | undefined

  of(rows: Row[], density: Density): Row[] {
    if (this.#made?.rows !== rows || this.#made.density !== density) {
      const shown = density === "all" ? rows : density === "talk" ? rows.filter(isSaid) : this.#runs(rows)
      this.#made = { rows, density, shown }
    }
    return this.#made.shown
  }

  #runs(rows: readonly Row[]): Row[] {
    const shown: Row[] = []
    const now = new Map<string, Run>()
    let calls: PartRow[] = []
    const end = () => {
      const [first] = calls
      if (!first) return
      const id = `run:${first.id}`
      const before = this.#before.get(id)
      const same = before?.parts.length === calls.length && before.parts.every((part, place) => part === calls[place])
      const { role, undone, below, message } = first
      const run: Run = same ? before : { kind: "run", id, parts: calls, role, undone, below, message }
      now.set(id, run)
      shown.push(run)
      calls = []
    }
    for (const row of rows) {
      if (row.kind === "part" && isCall(row)) {
        // What failed or is not done yet is worth a line of its own.
        if (isDone(row)) {
          calls.push(row)
          continue
        }
      } else if (row.kind === "part" && STEPS.has(text(row.item.value, "type"))) {
        continue
      }
      end()
      shown.push(row)
    }
    end()
    this.#before = now
    return shown
  }
}

/** The row in which a part is shown; `undefined` if it is in none. */
export function shownIn(shown: readonly Row[], id: string): Row | undefined {
  return shown.find(row => row.id === id || (row.kind === "run" && row.parts.some(part => part.id === id)))
}

const STEPS: ReadonlySet<string> = new Set(["step-finish", "patch"])

function isCall(row: PartRow): boolean {
  return text(row.item.value, "type") === "tool"
}

function isDone(row: PartRow): boolean {
  return text(row.item.value, "state", "status") === "completed" && row.grown >= 1 && !hasFailed(row)
}

function isSaid(row: Row): boolean {
  if (row.kind !== "part") return true
  return SAID.has(kindOf(row)) || ["file", "compaction"].includes(text(row.item.value, "type"))
}
