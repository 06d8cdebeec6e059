import { type StructuredPatch, parsePatch, structuredPatch } from "diff"
import { number, text } from "../model/read"

/** A line of a diff; `at` is its number in the file it is in. */
export interface DiffLine {
  readonly kind: "add" | "del" | "same" | "gap"
  readonly text: string
  readonly before?: number
  readonly after?: number
}

/** A file's changes, ready to be shown. */
export interface FileDiff {
  readonly file: string
  readonly added: number
  readonly removed: number
  readonly status: string
  readonly lines: readonly DiffLine[]
}

/** Comparing two texts is given up beyond this many changed lines: all of the one went, all of the other came. */
const EDITS_MAX = 4_000

const made = new WeakMap<object, FileDiff>()

/** A file's entry in `session_diff`, with a patch or with both of its contents. */
export function fileDiff(value: unknown): FileDiff {
  if (typeof value !== "object" || value === null) return { file: "", added: 0, removed: 0, status: "", lines: [] }
  const kept = made.get(value)
  if (kept) return kept
  const lines = text(value, "patch")
    ? patchLines(text(value, "patch"))
    : textLines(text(value, "before"), text(value, "after"))
  const count = (kind: string) => lines.reduce((sum, line) => sum + (line.kind === kind ? 1 : 0), 0)
  const diff = {
    file: text(value, "file") || text(value, "path") || "a file without a name",
    added: number(value, "additions") ?? count("add"),
    removed: number(value, "deletions") ?? count("del"),
    status: text(value, "status"),
    lines,
  }
  made.set(value, diff)
  return diff
}

/** The lines of a unified patch. What is no patch is shown as it is. */
export function patchLines(patch: string): DiffLine[] {
  try {
    return parsePatch(patch).flatMap(hunks)
  } catch {
    return patch.split("\n").map(line => {
      const kind = line.startsWith("+") ? "add" : line.startsWith("-") ? "del" : "same"
      return { kind, text: kind === "same" ? line : line.slice(1) }
    })
  }
}

/** The lines that differ between two texts, with three around them. */
export function textLines(before: string, after: string): DiffLine[] {
  const patch = structuredPatch("", "", before, after, "", "", { context: 3, maxEditLength: EDITS_MAX })
  if (patch) return hunks(patch)
  const all = (kind: "add" | "del", content: string) => content.split("\n").map(line => ({ kind, text: line }))
  return [...all("del", before), ...all("add", after)]
}

function hunks({ hunks }: StructuredPatch): DiffLine[] {
  return hunks.flatMap((hunk, index) => {
    let [before, after] = [hunk.oldStart, hunk.newStart]
    const lines = hunk.lines.flatMap((line): DiffLine[] => {
      const content = line.slice(1)
      switch (line[0]) {
        case "+":
          return [{ kind: "add", text: content, after: after++ }]
        case "-":
          return [{ kind: "del", text: content, before: before++ }]
        case "\\":
          return []
        default:
          return [{ kind: "same", text: content, before: before++, after: after++ }]
      }
    })
    const gap: DiffLine = { kind: "gap", text: `line ${hunk.newStart}` }
    return index > 0 ? [gap, ...lines] : lines
  })
}
