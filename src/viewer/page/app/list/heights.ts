/**
 * The heights of a list's rows, measured where a row was shown and guessed where it was not, and what follows from them:
 * where each row begins, and which rows lie in a stretch.
 *
 * One more height that is known costs the logarithm of the number of rows: sums of heights are kept in a tree (Fenwick's).
 */
export class Heights {
  #known = new Map<string, number>()
  #ids: readonly string[] = []
  #places = new Map<string, number>()
  /** By place: what is taken for the row's height. */
  #heights = new Float64Array(0)
  /** At `n`, counted from 1: the sum of as many heights up to the n-th as the lowest bit of `n` says. */
  #sums = new Float64Array(1)
  #stale = true

  constructor(
    /** For rows of which nothing is known. */
    private readonly guess: (id: string) => number,
  ) {}

  /** The rows, in order. */
  list(ids: readonly string[]): void {
    this.#ids = ids
    this.#places = new Map(ids.map((id, place) => [id, place]))
    this.#stale = true
  }

  get length(): number {
    return this.#ids.length
  }

  id(place: number): string | undefined {
    return this.#ids[place]
  }

  place(id: string): number | undefined {
    return this.#places.get(id)
  }

  /** Says how high a row is; true if that is news. */
  measured(id: string, height: number): boolean {
    const before = this.#known.get(id)
    if (before !== undefined && Math.abs(before - height) < 0.25) return false
    this.#known.set(id, height)
    const place = this.#places.get(id)
    if (this.#stale || place === undefined) return true
    const by = height - this.#heights[place]!
    this.#heights[place] = height
    for (let n = place + 1; n <= this.length; n += n & -n) this.#sums[n]! += by
    return true
  }

  /** Forgets all that was measured: the width changed. */
  forget(): void {
    this.#known.clear()
    this.#stale = true
  }

  /** Where the row at a place begins; at `length`, where the list ends. */
  top(place: number): number {
    this.#reckon()
    let top = 0
    for (let n = Math.max(0, Math.min(place, this.length)); n > 0; n -= n & -n) top += this.#sums[n]!
    return top
  }

  get total(): number {
    return this.top(this.length)
  }

  /** The row that lies at a height: the last that begins at or above it. */
  at(height: number): number {
    this.#reckon()
    let [place, left] = [0, height]
    for (let step = 2 ** Math.floor(Math.log2(Math.max(1, this.length))); step >= 1; step /= 2) {
      const next = place + step
      if (next <= this.length && this.#sums[next]! <= left) {
        place = next
        left -= this.#sums[next]!
      }
    }
    return Math.min(place, Math.max(0, this.length - 1))
  }

  #reckon(): void {
    if (!this.#stale) return
    this.#stale = false
    this.#heights = Float64Array.from(this.#ids, id => this.#known.get(id) ?? this.guess(id))
    this.#sums = new Float64Array(this.length + 1)
    for (let n = 1; n <= this.length; n += 1) {
      this.#sums[n]! += this.#heights[n - 1]!
      const above = n + (n & -n)
      if (above <= this.length) this.#sums[above]! += this.#sums[n]!
    }
  }
}
