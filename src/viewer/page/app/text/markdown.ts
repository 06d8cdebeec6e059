import DOMPurify from "dompurify"
import { escaped, rendered } from "./markup"

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
    html = DOMPurify.sanitize(rendered(source), POLICY)
  } catch {
    html = `<p>${escaped(source)}</p>`
  }
  if (made.size >= KEPT_MAX) made.delete(made.keys().next().value!)
  made.set(source, html)
  return html
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
