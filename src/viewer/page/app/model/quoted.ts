import { toolName } from "../parts/Tool"
import { at, fields, json, text } from "./read"
import type { Row } from "./rows"
import { isOwn } from "./share"
import { errorWords, words } from "./words"

/** What a message said, as Markdown: texts as they were written, thoughts as quotes, calls with their input and output. */
export function asMarkdown(rows: readonly Row[]): string {
  return rows.map(part).filter(Boolean).join("\n\n").concat("\n")
}

function part(row: Row): string {
  if (row.kind === "run") return row.parts.map(part).filter(Boolean).join("\n\n")
  if (row.kind === "head") return errorWords(at(row.message, "error"))
  const { value } = row.item
  switch (text(value, "type")) {
    case "text":
      return isOwn(row.item) ? text(value, "text").trim() : ""
    case "reasoning":
      return text(value, "text").trim().replace(/^/gm, "> ")
    case "tool": {
      const state = at(value, "state")
      const input = fields(at(state, "input"))
      const command = text(input, "command")
      const said = [
        `**${toolName(value)}** ${text(state, "title") || text(input, "description")}`.trim(),
        command ? fenced(command, "sh") : Object.keys(input).length > 0 ? fenced(json(input), "json") : "",
        fenced(words(at(state, "output")), ""),
        fenced(errorWords(at(state, "error")), ""),
      ]
      return said.filter(Boolean).join("\n\n")
    }
    case "file":
      return `[${text(value, "filename") || "a file"}]`
    default:
      return ""
  }
}

/** A block of code, between marks that are longer than those in it; nothing if there is no code. */
function fenced(code: string, language: string): string {
  if (!code.trim()) return ""
  const longest = [...code.matchAll(/`{3,}/g)].reduce((longest, [run]) => Math.max(longest, run.length), 2)
  const fence = "`".repeat(longest + 1)
  return `${fence}${language}\n${code.replace(/\n$/, "")}\n${fence}`
}
