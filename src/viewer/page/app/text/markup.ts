import { Marked, type Tokens } from "marked"
import { Bounded, type Find, lexed } from "./bounded"

/** Markdown as HTML that is not sanitised yet; `markdown.ts` says what is rendered otherwise than elsewhere, and why. */
export function rendered(source: string): string {
  notes = new Set(Array.from(source.matchAll(NOTES), ([, name]) => name!))
  return marked.parser(lexed(source, marked.defaults, [nextFormula, nextNote]))
}

/** The names of the footnotes that the text has. Another name in brackets is text. */
let notes = new Set<string>()
const NOTES = /^ {0,3}\[\^([^\]\s]+)\]:/gm
const NOTE = /^ {0,3}\[\^([^\]\s]+)\]:[ \t]*((?:[^\n]*)(?:\n(?! {0,3}\[\^)(?:[ \t]+[^\n]*|[^\s][^\n]*))*)(?:\n+|$)/

/** Characters of a formula of several lines, and of one between single dollars; what is longer is text. */
const FORMULA_MAX = 4_000
const DOLLARS_MAX = 1_000
/** Between single dollars. Sums of money are no formulas. */
const DOLLARS = new RegExp(`^\\$(?![\\s$])[^\\n$\`]{0,${DOLLARS_MAX}}?[^\\s$\`]\\$(?!\\d)`)
const CLOSED_BY: Readonly<Record<string, string>> = { "\\(": "\\)", "\\[": "\\]", "$$": "$$" }

/** The formula with which a text begins, with what opens and closes it; empty if it begins with none. Code is no part of one. */
function formula(text: string): string {
  const close = CLOSED_BY[text.slice(0, 2)]
  if (close === undefined) return DOLLARS.exec(text)?.[0] ?? ""
  const most = text.slice(0, FORMULA_MAX)
  const end = most.indexOf(close, 2)
  const inner = most.slice(2, end)
  return end < 0 || inner.trim() === "" || inner.includes("`") || /\n[^\S\n]*\n/.test(inner) ? "" : most.slice(0, end + 2)
}

/** The formula that has the first lines of a text to itself, with the line breaks behind it. */
function formulaLines(text: string): string {
  const blanks = /^ {0,3}(?=\\\[|\$\$)/.exec(text)?.[0]
  const found = blanks === undefined ? "" : formula(text.slice(blanks.length, blanks.length + FORMULA_MAX))
  const rest = found === "" ? undefined : /^[ \t]*(?:\n+|$)/.exec(text.slice(blanks!.length + found.length))
  return rest ? blanks + found + rest[0] : ""
}

/** The next line with which a formula of its own begins. */
const nextFormula: Find = text => nextLine(text, /\n(?= {0,3}(?:\\\[|\$\$))/g, formulaLines)
/** The next line with which a footnote begins. */
const nextNote: Find = text => nextLine(text, /\n(?= {0,3}\[\^)/g, line => / {0,3}\[\^[^\]\s]+\]:/y.exec(line.slice(0, 1_000)))

function nextLine(text: string, begins: RegExp, is: (line: string) => unknown): number | undefined {
  for (const { index } of text.matchAll(begins)) if (is(text.slice(index + 1))) return index + 1
  return undefined
}

const marked = new Marked({ gfm: true, breaks: true })
marked.use({
  extensions: [
    {
      name: "formulas",
      level: "block",
      start(source) {
        return this.lexer instanceof Bounded ? this.lexer.next(nextFormula, source) : nextFormula(source)
      },
      tokenizer(source) {
        const raw = formulaLines(source)
        return raw ? { type: "formulas", raw } : undefined
      },
      renderer: ({ raw }) => `<p class="formula">${escaped(raw.trim())}</p>\n`,
    },
    {
      name: "formula",
      level: "inline",
      start: source => /\\[([]|\$/.exec(source)?.index,
      tokenizer(source) {
        const raw = formula(source)
        return raw ? { type: "formula", raw } : undefined
      },
      renderer: ({ raw }) => `<span class="formula">${escaped(raw)}</span>`,
    },
    {
      name: "footnote",
      level: "block",
      start(source) {
        return this.lexer instanceof Bounded ? this.lexer.next(nextNote, source) : nextNote(source)
      },
      tokenizer(source) {
        const found = NOTE.exec(source)
        if (!found) return undefined
        return { type: "footnote", raw: found[0], note: found[1], tokens: this.lexer.blockTokens(found[2]!.replace(/\n[ \t]+/g, "\n"), []) }
      },
      renderer({ note, tokens }) {
        return `<div class="footnote"><sup>${escaped(String(note))}</sup> ${this.parser.parse(tokens ?? [])}</div>\n`
      },
    },
    {
      name: "footnoteName",
      level: "inline",
      start: source => (notes.size > 0 ? /\[\^/.exec(source)?.index : undefined),
      tokenizer(source) {
        const found = /^\[\^([^\]\s]+)\]/.exec(source)
        return found && notes.has(found[1]!) ? { type: "footnoteName", raw: found[0], note: found[1] } : undefined
      },
      renderer: ({ note }) => `<sup>${escaped(String(note))}</sup>`,
    },
  ],
  renderer: {
    html: ({ text }: Tokens.HTML | Tokens.Tag) => escaped(text),
    code: ({ text, lang }: Tokens.Code) =>
      `<pre tabindex="0"><code data-lang="${escaped((lang ?? "").split(/\s/)[0] ?? "")}">${escaped(text)}\n</code></pre>\n`,
    // The page has a first heading of its own.
    heading({ tokens, depth }: Tokens.Heading) {
      const level = Math.min(6, depth + 2)
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>\n`
    },
    link({ href, title, tokens }: Tokens.Link) {
      const inner = this.parser.parseInline(tokens)
      if (!/^(?:https?:|mailto:|#)/i.test(href)) return `<span title="${escaped(href)}">${inner}</span>`
      const about = title ? ` title="${escaped(title)}"` : ""
      return `<a href="${escaped(href)}"${about} target="_blank" rel="noopener noreferrer nofollow">${inner}</a>`
    },
    image({ href, text }: Tokens.Image) {
      if (/^data:image\/(?:png|jpeg|gif|webp|avif);/i.test(href)) return `<img src="${escaped(href)}" alt="${escaped(text)}">`
      const name = escaped(text || href)
      if (!/^https?:/i.test(href)) return `<span>${name}</span>`
      return `<a href="${escaped(href)}" target="_blank" rel="noopener noreferrer nofollow">image: ${name}</a>`
    },
  },
})

export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, char => `&#${char.charCodeAt(0)};`)
}
