/** A file, as a tool for reading told it. */
export interface FileRead {
  readonly content: string
  readonly lines: number
  /** What the tool said of it besides, such as that it goes on. */
  readonly remark: string
}

/** Tags that tools put around a file; of the newest with the file's path and type before them. */
const TAGGED = /^(?:<path>[^\n]*<\/path>\n(?:<type>[^\n]*<\/type>\n)?)?<(content|file)>\n?([\s\S]*?)\n?(?:<\/\1>\s*)?$/
/** A number before a line, and what stands between them. */
const NUMBERED = /^\s*(\d+)(: ?| ?\| ?|→|\t)/

/**
 * What a file held. Tags are taken off only if they are the first thing and the last, and numbers only if every line has one and they
 * rise by one, from where it was read on: all else is the file's own. `offset`: the line from which on it was asked for; agents count
 * from 0 or from 1.
 */
export function fileRead(output: string, offset: number | undefined): FileRead {
  const text = output.replace(/\r\n/g, "\n")
  const tagged = TAGGED.exec(text)?.[2]
  const [told, remark] = withoutRemark(tagged ?? text, tagged !== undefined)
  const lines = told.replace(/\n$/, "").split("\n")
  const content = withoutNumbers(lines, offset) ?? lines
  const isEmpty = content.length === 1 && content[0] === ""
  return { content: content.join("\n"), lines: isEmpty ? 0 : content.length, remark }
}

/** A remark of the tool is the last line, in brackets, behind an empty one. */
function withoutRemark(text: string, isTagged: boolean): [string, string] {
  const found = isTagged ? /\n\n(\((?:End of file|File has more|Output (?:was )?(?:capped|truncated)|Showing)[^\n]*\))\s*$/.exec(text) : null
  return found ? [text.slice(0, found.index), found[1]!] : [text, ""]
}

function withoutNumbers(lines: readonly string[], offset: number | undefined): string[] | undefined {
  const found = lines.map(line => NUMBERED.exec(line))
  const first = found[0]
  if (!first) return undefined
  const [start, sign] = [Number(first[1]), first[2]!.trim() || first[2]!]
  if (offset === undefined ? start !== 1 : start !== offset && start !== offset + 1) return undefined
  const isOne = found.every((one, n) => one && Number(one[1]) === start + n && (one[2]!.trim() || one[2]!) === sign)
  return isOne ? lines.map((line, n) => line.slice(found[n]![0].length)) : undefined
}
