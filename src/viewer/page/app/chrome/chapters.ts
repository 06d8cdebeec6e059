import type { Row } from "../model/rows"
import { text } from "../model/read"
import { hasFailed, kindOf } from "../parts/kinds"

/** What the user asked, and what came of it. */
export interface Chapter {
  /** The message's row. */
  readonly id: string
  readonly words: string
  readonly edits: number
  readonly failures: number
  /** The place of its first row. */
  readonly from: number
}

/** Characters of a prompt that are shown. */
const WORDS = 140

/** The chapters of a session: one for each thing that the user asked. */
export function chapters(rows: readonly Row[]): readonly Chapter[] {
  const all: { id: string; words: string; edits: number; failures: number; from: number }[] = []
  // A message of the user's is a chapter if it says something of the user's own.
  let asked: { id: string; from: number } | undefined
  rows.forEach((row, place) => {
    if (row.kind === "head") {
      asked = row.role === "user" && !row.below ? { id: row.id, from: place } : undefined
      return
    }
    if (row.kind !== "part") return
    const kind = kindOf(row)
    if (kind === "prompts" && asked) {
      const words = text(row.item.value, "text").trim()
      if (words) {
        all.push({ ...asked, words: words.length > WORDS ? `${words.slice(0, WORDS)}…` : words, edits: 0, failures: 0 })
        asked = undefined
      }
      return
    }
    const chapter = all.at(-1)
    if (!chapter) return
    if (kind === "edits") chapter.edits += 1
    if (hasFailed(row)) chapter.failures += 1
  })
  return all
}

/** The chapter in which a place lies; `undefined` before the first. */
export function chapterAt(all: readonly Chapter[], place: number): Chapter | undefined {
  let [low, high] = [0, all.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (all[middle]!.from <= place) low = middle + 1
    else high = middle
  }
  return all[low - 1]
}
