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

let compare: typeof import("./compare").compared | undefined
let coming: Promise<void> | undefined

/** Loads what compares texts, if it is not here, and says when it is. */
export function comparing(): Promise<void> | undefined {
  if (compare) return undefined
  // Without it, all of one text went and all of the other came.
  coming ??= import("./compare").then(({ compared }) => void (compare = compared), () => void (compare = () => undefined))
  return coming
}

const made = new WeakMap<object, FileDiff>()

/** A file's entry in `session_diff`, with a patch or with both of its contents, which are compared if `comparing` has ended. */
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
  if (compare || text(value, "patch")) made.set(value, diff)
  return diff
}

/**
 * The lines of a patch. It need not be one that could be applied: counts may be wrong, the head may be missing or be that of
 * another tool, because agents write patches by hand.
 */
export function patchLines(patch: string): DiffLine[] {
  const lines: DiffLine[] = []
  let [before, after]: (number | undefined)[] = []
  let inHunk = !/^@@/m.test(patch)
  for (const line of patch.replace(/\n$/, "").split("\n")) {
    const hunk = /^@@ ?(?:-(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@)?(.*)/.exec(line)
    if (hunk) {
      before = hunk[1] === undefined ? undefined : Number(hunk[1])
      after = hunk[2] === undefined ? undefined : Number(hunk[2])
      const where = hunk[3]?.trim() || (after === undefined ? "…" : `line ${after}`)
      if (lines.length > 0 || after !== 1) lines.push({ kind: "gap", text: where })
      inHunk = true
    } else if (HEAD.test(line) || (!inHunk && /^(?:---|\+\+\+) /.test(line))) {
      const file = /^\*\*\* (?:Add|Update|Delete) File: (.*)/.exec(line)?.[1]
      if (file) lines.push({ kind: "gap", text: file })
      inHunk = !/^(?:diff|Index:)/.test(line) && inHunk
    } else if (inHunk && line[0] === "+") {
      lines.push({ kind: "add", text: line.slice(1), ...(after !== undefined && { after: after++ }) })
    } else if (inHunk && line[0] === "-") {
      lines.push({ kind: "del", text: line.slice(1), ...(before !== undefined && { before: before++ }) })
    } else if (inHunk && line[0] !== "\\") {
      const both = { ...(before !== undefined && { before: before++ }), ...(after !== undefined && { after: after++ }) }
      lines.push({ kind: "same", text: line.slice(1), ...both })
    }
  }
  return lines
}

/** Lines that say which file it is, of git, of Subversion's kin and of agents. */
const HEAD = /^(?:diff --git |Index: |={60,}$|index [0-9a-f]+\.\.|(?:new|deleted) file mode |similarity index |rename (?:from|to) |\*\*\* )/

/** The lines that differ between two texts, with three around them; none before `comparing` has ended. */
export function textLines(before: string, after: string): DiffLine[] {
  if (!compare) return []
  const patch = compare(before, after)
  if (patch !== undefined) return patchLines(patch)
  const all = (kind: "add" | "del", content: string) => content.split("\n").map(line => ({ kind, text: line }))
  return [...all("del", before), ...all("add", after)]
}

/** Whether an entry of `session_diff` has to be compared before its lines can be counted. */
export function isUncounted(value: unknown): boolean {
  const isCounted = number(value, "additions") !== undefined && number(value, "deletions") !== undefined
  return !isCounted && !text(value, "patch")
}
