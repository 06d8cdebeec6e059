/**
 * Marks words in what the list has in the document, without touching the document: by the browser's own highlights. A browser
 * without them shows the rows unmarked.
 */
const NAME = "found"

/** Marks at most; a letter may stand in a screen of code thousands of times. */
const MARKS_MAX = 2_000

/** Marks the words in each row until the function that this returns is called. */
export function markWords(box: HTMLElement, pattern: RegExp): () => void {
  const highlights = globalThis.CSS?.highlights
  if (!highlights) return () => {}
  const all = new RegExp(pattern.source, "giu")
  let frame = 0
  const draw = () => {
    const ranges = [...box.querySelectorAll("[data-row] .content")].flatMap(row => rangesIn(row, all))
    highlights.set(NAME, new Highlight(...ranges.slice(0, MARKS_MAX)))
  }
  const observer = new MutationObserver(() => {
    cancelAnimationFrame(frame)
    frame = requestAnimationFrame(draw)
  })
  observer.observe(box, { childList: true, characterData: true, subtree: true })
  draw()
  return () => {
    observer.disconnect()
    cancelAnimationFrame(frame)
    highlights.delete(NAME)
  }
}

/** Where the words stand in an element: they may begin in one element of it and end in another. */
export function rangesIn(element: Element, pattern: RegExp): Range[] {
  const nodes: Text[] = []
  const starts: number[] = []
  let whole = ""
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    nodes.push(node as Text)
    starts.push(whole.length)
    whole += (node as Text).data
  }
  const ranges: Range[] = []
  const global = new RegExp(pattern.source, "giu")
  for (const match of whole.matchAll(global)) {
    if (ranges.length >= MARKS_MAX) break
    const range = document.createRange()
    const [from, to] = [match.index, match.index + match[0].length]
    const [first, last] = [nodeAt(starts, from), nodeAt(starts, to - 1)]
    range.setStart(nodes[first]!, from - starts[first]!)
    range.setEnd(nodes[last]!, to - starts[last]!)
    ranges.push(range)
  }
  return ranges
}

/** The last node that begins at or before a place. */
function nodeAt(starts: readonly number[], place: number): number {
  let [low, high] = [0, starts.length - 1]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (starts[middle]! <= place) low = middle
    else high = middle - 1
  }
  return low
}
