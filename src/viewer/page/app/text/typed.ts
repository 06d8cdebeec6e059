/** A stretch of a text that somebody typed. */
export interface Stretch {
  readonly kind: "text" | "code" | "link"
  readonly text: string
}

/** Code of one or two backticks stands within a paragraph, code of more may have several. */
const CODE = /(?<!`)(`{1,2})(?!`)(?:(?!\n\n)[\s\S]){1,8000}?(?<!`)\1(?!`)|(?<!`)(`{3,})(?!`)[\s\S]{1,8000}?(?<!`)\2(?!`)|https?:\/\/[^\s<>"'`]{1,2000}[^\s<>"'`.,;:!?)\]}]/g

/** Takes a text apart at its code and its addresses; the stretches together are the text. */
export function typed(text: string): readonly Stretch[] {
  const all: Stretch[] = []
  let at = 0
  for (const found of text.matchAll(CODE)) {
    if (found.index > at) all.push({ kind: "text", text: text.slice(at, found.index) })
    all.push({ kind: found[0].startsWith("h") ? "link" : "code", text: found[0] })
    at = found.index + found[0].length
  }
  if (at < text.length) all.push({ kind: "text", text: text.slice(at) })
  return all
}
