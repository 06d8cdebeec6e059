import DOMPurify from "dompurify"
import { Marked, type Tokens } from "marked"

/**
 * Markdown as HTML that can do no harm.
 *
 * What looks like HTML in it is shown as text: agents write about code, and nothing of it is to vanish. What the renderer
 * makes goes through the sanitiser all the same, which lets pass what it makes and no more. No image is loaded from
 * elsewhere: it becomes a link. Formulas stay as they were written. `source` is at most `PIECE_MAX` long, as `pieces` gives it.
 */
export function markdown(source: string): string {
  const kept = made.get(source)
  if (kept !== undefined) return kept
  let html: string
  try {
    notes = new Set(Array.from(source.matchAll(NOTES), ([, name]) => name!))
    html = DOMPurify.sanitize(marked.parse(source, { async: false }), POLICY)
  } catch {
    html = `<p>${escaped(source)}</p>`
  }
  if (made.size >= KEPT_MAX) made.delete(made.keys().next().value!)
  made.set(source, html)
  return html
}

/** A longer text is shown piece by piece: it would keep the page busy for more than a blink. */
export const PIECE_MAX = 100_000

/** A text in pieces that end with a line, or with a word, where there is one. */
export function pieces(text: string): readonly string[] {
  if (text.length <= PIECE_MAX) return [text]
  const all: string[] = []
  for (let from = 0; from < text.length; ) {
    const most = from + PIECE_MAX
    const line = text.lastIndexOf("\n", most - 1) + 1
    const word = text.lastIndexOf(" ", most - 1) + 1
    const middle = from + PIECE_MAX / 2
    let to = most >= text.length ? text.length : line > middle ? line : word > middle ? word : most
    // No character is cut in two.
    if (to < text.length && /[\ud800-\udbff]/.test(text[to - 1]!)) to -= 1
    all.push(text.slice(from, to))
    from = to
  }
  return all
}

const KEPT_MAX = 200
const made = new Map<string, string>()

const POLICY = {
  ALLOWED_TAGS: [
    "p", "br", "hr", "strong", "em", "del", "code", "pre", "blockquote", "ul", "ol", "li", "a", "img", "input",
    "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "span", "div", "sup",
  ],
  ALLOWED_ATTR: ["class", "dir", "href", "title", "alt", "src", "start", "align", "type", "checked", "disabled", "data-lang", "rel", "target", "tabindex"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  // The others hold addresses, which must be of the kind below.
  ADD_URI_SAFE_ATTR: ["class", "dir", "start", "align", "type", "checked", "disabled", "data-lang", "rel", "target", "tabindex"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|data:image\/(?:png|jpeg|gif|webp|avif);|#)/i,
}

/** Footnotes that the text has, by their names: a name in brackets that is none is text. */
let notes = new Set<string>()
const NOTES = /^ {0,3}\[\^([^\]\s]+)\]:/gm
const NOTE = /^ {0,3}\[\^([^\]\s]+)\]:[ \t]*((?:[^\n]*)(?:\n(?! {0,3}\[\^)(?:[ \t]+[^\n]*|[^\s][^\n]*))*)(?:\n+|$)/
/** Formulas of several lines, and formulas within a line. Sums of money are none. */
const FORMULA_LINES = /^ {0,3}(?:\\\[(?:(?!\n\s*\n)[\s\S]){1,4000}?\\\]|\$\$(?:(?!\n\s*\n)[\s\S]){1,4000}?\$\$)[ \t]*(?:\n+|$)/
const FORMULA = /^(?:\\\((?:(?!\n\s*\n)[\s\S]){1,4000}?\\\)|\\\[(?:(?!\n\s*\n)[\s\S]){1,4000}?\\\]|\$\$(?:(?!\n\s*\n)[\s\S]){1,4000}?\$\$|\$(?![\s$])[^\n$]{0,1000}?[^\s$]\$(?!\d))/

const marked = new Marked({ gfm: true, breaks: true })
marked.use({
  extensions: [
    {
      name: "formulas",
      level: "block",
      start: source => /^ {0,3}(?:\\\[|\$\$)/m.exec(source)?.index,
      tokenizer(source) {
        const found = FORMULA_LINES.exec(source)
        return found ? { type: "formulas", raw: found[0] } : undefined
      },
      renderer: ({ raw }) => `<p class="formula">${escaped(raw.trim())}</p>\n`,
    },
    {
      name: "formula",
      level: "inline",
      start: source => /\\[([]|\$/.exec(source)?.index,
      tokenizer(source) {
        const found = FORMULA.exec(source)
        return found ? { type: "formula", raw: found[0] } : undefined
      },
      renderer: ({ raw }) => `<span class="formula">${escaped(raw)}</span>`,
    },
    {
      name: "footnote",
      level: "block",
      start: source => /^ {0,3}\[\^/m.exec(source)?.index,
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
      start: source => /\[\^/.exec(source)?.index,
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

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, char => `&#${char.charCodeAt(0)};`)
}

// `target` and `rel` are the renderer's own; whatever else made a link goes the same way.
DOMPurify.addHook("afterSanitizeAttributes", node => {
  if (node.tagName === "A" && node.hasAttribute("href")) {
    node.setAttribute("target", "_blank")
    node.setAttribute("rel", "noopener noreferrer nofollow")
  }
  if (node.tagName === "INPUT") {
    node.setAttribute("type", "checkbox")
    node.setAttribute("disabled", "")
    node.setAttribute("aria-label", node.hasAttribute("checked") ? "done" : "not done")
  }
  if (node.tagName === "TABLE") node.setAttribute("tabindex", "0")
  if (!["formula", "footnote"].includes(node.getAttribute("class") ?? "")) node.removeAttribute("class")
  // Each block has the direction of its own text; in a list the item has it, by which its mark stands on the right side.
  if (node.hasAttribute("class") && node.tagName !== "DIV") node.setAttribute("dir", "ltr")
  else if (/^(?:P|H\d|LI|TABLE)$/.test(node.tagName) && !node.parentElement?.closest("li, table")) node.setAttribute("dir", "auto")
  else if (node.tagName === "LI") node.setAttribute("dir", "auto")
})
