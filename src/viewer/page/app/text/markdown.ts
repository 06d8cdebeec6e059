import DOMPurify from "dompurify"
import { Marked, type Tokens } from "marked"

/**
 * Markdown as HTML that can do no harm.
 *
 * What looks like HTML in it is shown as text: agents write about code, and nothing of it is to vanish. What the renderer
 * makes goes through the sanitiser all the same, which lets pass what it makes and no more. No image is loaded from
 * elsewhere: it becomes a link.
 */
export function markdown(source: string): string {
  const kept = made.get(source)
  if (kept !== undefined) return kept
  let html: string
  try {
    html = DOMPurify.sanitize(marked.parse(source.slice(0, SOURCE_MAX), { async: false }), POLICY)
  } catch {
    html = `<p>${escaped(source.slice(0, SOURCE_MAX))}</p>`
  }
  if (made.size >= KEPT_MAX) made.delete(made.keys().next().value!)
  made.set(source, html)
  return html
}

/** A longer text is cut: it would keep the page busy for more than a blink. */
const SOURCE_MAX = 200_000
const KEPT_MAX = 200
const made = new Map<string, string>()

const POLICY = {
  ALLOWED_TAGS: [
    "p", "br", "hr", "strong", "em", "del", "code", "pre", "blockquote", "ul", "ol", "li", "a", "img", "input",
    "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "span",
  ],
  ALLOWED_ATTR: ["href", "title", "alt", "src", "start", "align", "type", "checked", "disabled", "data-lang", "rel", "target", "tabindex"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  // The others hold addresses, which must be of the kind below.
  ADD_URI_SAFE_ATTR: ["start", "align", "type", "checked", "disabled", "data-lang", "rel", "target", "tabindex"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|data:image\/(?:png|jpeg|gif|webp|avif);|#)/i,
}

const marked = new Marked({ gfm: true, breaks: true })
marked.use({
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
})
