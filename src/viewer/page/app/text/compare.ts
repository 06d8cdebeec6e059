/** Comparing two texts, in a chunk of its own that is loaded when the first two are to be compared. */
import { structuredPatch } from "diff"

/** Comparing two texts is given up beyond this many changed lines: all of the one went, all of the other came. */
const EDITS_MAX = 4_000

/** What makes one text of the other, as a patch without a head; undefined if nearly all of it changed. */
export function compared(before: string, after: string): string | undefined {
  const patch = structuredPatch("", "", before, after, "", "", { context: 3, maxEditLength: EDITS_MAX })
  return patch?.hunks.map(({ oldStart, newStart, lines }) => `@@ -${oldStart} +${newStart} @@\n${lines.join("\n")}`).join("\n")
}
