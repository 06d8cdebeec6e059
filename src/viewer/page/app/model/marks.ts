import { hasFailed, kindOf } from "../parts/kinds"
import type { Recording } from "./replay"
import type { Row } from "./rows"

/** Where on the slider something is, by what it is: places from 0 to `MARK_PLACES`. */
export interface Marks {
  readonly prompts: readonly number[]
  readonly edits: readonly number[]
  readonly failures: readonly number[]
  readonly hits: readonly number[]
}

/** Places that are told apart: about a pixel each. */
export const MARK_PLACES = 500

/** What of a session is marked on its slider. `hits`: keys of what the reader looks for, which is then all that is marked. */
export function marks({ moments, length }: Recording, rows: readonly Row[], hits: ReadonlySet<string>): Marks {
  const sets = { prompts: new Set<number>(), edits: new Set<number>(), failures: new Set<number>(), hits: new Set<number>() }
  const places = new Map(moments.map(({ item, at }) => [item.key, length > 0 ? Math.round((at / length) * MARK_PLACES) : MARK_PLACES]))
  for (const row of rows) {
    const place = row.kind === "part" ? places.get(row.item.key) : undefined
    if (row.kind !== "part" || place === undefined) continue
    if (hits.size > 0) {
      if (hits.has(row.item.key)) sets.hits.add(place)
      continue
    }
    const kind = kindOf(row)
    if (hasFailed(row)) sets.failures.add(place)
    else if (kind === "prompts") sets.prompts.add(place)
    else if (kind === "edits") sets.edits.add(place)
  }
  return { prompts: [...sets.prompts], edits: [...sets.edits], failures: [...sets.failures], hits: [...sets.hits] }
}
