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
