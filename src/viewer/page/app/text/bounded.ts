import { Lexer, type MarkedOptions, type Token, Tokenizer, type Tokens } from "marked"

/**
 * Reading Markdown at a cost in the measure of its length.
 *
 * The lexer looks from each sign that may open something to the end of what it reads, for what closes it, and calls itself for each
 * block within another. Nobody writes so that this is felt; but what a share holds may be written to stop the page.
 */

/** Blocks within one another; what is deeper is text. The host's documents have this bound too. */
const DEPTH_MAX = 32
/** Signs times characters of what is read at once within a paragraph: 700 characters that are all signs, 8,000 with 50. */
const INLINE_MAX = 400_000
/** Characters of a heading that is underlined. */
const UNDERLINED_MAX = 500
/** Characters of a quotation; a longer one is several. */
const QUOTED_MAX = 8_000

/** The lexer; `lexed` starts it. */
export class Bounded extends Lexer {
  #depth = 0
  #ahead = new Map<Find, number>()

  /** Where the next of something stands. It is asked for ends of what is being read, shorter each time, and looked for once. */
  next(find: Find, end: string): number | undefined {
    let left = this.#ahead.get(find)
    if (left === undefined || left > end.length) {
      const found = find(end)
      left = found === undefined ? 0 : end.length - found
      this.#ahead.set(find, left)
    }
    return left === 0 ? undefined : end.length - left
  }

  override blockTokens(source: string, tokens?: Token[], isClipped?: boolean): Token[]
  override blockTokens(source: string, tokens?: Tokens.Generic[] & { links: Lexer["tokens"]["links"] }, isClipped?: boolean): Lexer["tokens"]
  override blockTokens(source: string, tokens: Token[] = [], isClipped = false): Token[] {
    if (this.#depth >= DEPTH_MAX) {
      const text: Tokens.Text = { type: "text", raw: source, text: source, escaped: false }
      tokens.push({ type: "paragraph", raw: source, text: source, tokens: [text] })
      return tokens
    }
    const ahead = this.#ahead
    this.#ahead = new Map()
    this.#depth += 1
    super.blockTokens(source, tokens, isClipped)
    this.#depth -= 1
    this.#ahead = ahead
    return tokens
  }

  override inlineTokens(source: string, tokens: Token[] = []): Token[] {
    for (const stretch of stretches(source)) super.inlineTokens(stretch, tokens)
    return tokens
  }
}

/** Finds the next of something in a text. */
export type Find = (text: string) => number | undefined

/** The tokenizer of that lexer. */
class BoundedTokenizer extends Tokenizer {
  constructor(private readonly stops: readonly Find[]) {
    super()
  }

  override lheading(source: string): Tokens.Heading | undefined {
    const { lexer } = this
    const found = this.stops.map(stop => (lexer instanceof Bounded ? lexer.next(stop, source) : stop(source)) ?? UNDERLINED_MAX)
    // It would look for the line below through all that follows.
    return super.lheading(source.slice(0, Math.min(UNDERLINED_MAX, ...found)))
  }

  override blockquote(source: string): Tokens.Blockquote | undefined {
    if (source.length <= QUOTED_MAX) return super.blockquote(source)
    // A line that goes on with what stands before it has it read anew, with all that follows.
    return super.blockquote(source.slice(0, source.lastIndexOf("\n", QUOTED_MAX) + 1 || QUOTED_MAX))
  }

  override table(source: string): Tokens.Table | undefined {
    return isHollow(source) ? undefined : super.table(source)
  }
}

/** Whether a table would have more cells than characters: each row gets those that it lacks. */
function isHollow(source: string): boolean {
  const columns = /^[^\n]+\n([ |:-]+)(?:\n|$)/.exec(source)?.[1]?.split("|").length ?? 0
  if (columns < 3) return false
  const table = source.slice(0, /\n[ \t]*\n/.exec(source)?.index)
  return columns * table.split("\n").length > table.length
}

/** The tokens of a text. `stops`: they find what ends a paragraph without an empty line, and is not Markdown's own. */
export function lexed(source: string, options: MarkedOptions, stops: readonly Find[]): Lexer["tokens"] {
  return new Bounded({ ...options, tokenizer: new BoundedTokenizer(stops) }).lex(source)
}

/** By their codes: signs that may mean something in Markdown, and the ends of lines. */
const SIGNS = Array.from({ length: 128 }, (_, code) => !/[a-z0-9 \t.,;'"()-]/i.test(String.fromCharCode(code)))

/** A text in stretches that are read at once: all of it, but for texts that are full of signs. They end with a line, or a word. */
export function* stretches(text: string): Generator<string> {
  let [from, signs] = [0, 0]
  for (let at = 0; at < text.length; at += 1) {
    if (SIGNS[text.charCodeAt(at)]) signs += 1
    if (signs * (at - from) <= INLINE_MAX) continue
    const middle = from + (at - from) / 2
    const [line, word] = [text.lastIndexOf("\n", at) + 1, text.lastIndexOf(" ", at) + 1]
    let to = line > middle ? line : word > middle ? word : at
    // No character is cut in two, and no sign from what takes its meaning.
    if (/[\udc00-\udfff]/.test(text[to] ?? "") || text[to - 1] === "\\") to -= 1
    yield text.slice(from, to)
    at = to - 1
    from = to
    signs = 0
  }
  if (from < text.length) yield text.slice(from)
}
