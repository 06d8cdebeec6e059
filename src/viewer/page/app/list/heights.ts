/**
 * The heights of a list's rows, measured where a row was shown and guessed where it was not, and what follows from them:
 * where each row begins, and which rows lie in a stretch.
 */
export class Heights {
  #known = new Map<string, number>()
  #ids: readonly string[] = []
  #places = new Map<string, number>()
  /** Where each row begins; one more at the end. */
  #tops = new Float64Array(1)
  #stale = true
  #sum = 0

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
    this.#stale = true
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
    return this.#tops[Math.max(0, Math.min(place, this.length))] ?? 0
  }

  get total(): number {
    this.#reckon()
    return this.#sum
  }

  /** The row that lies at a height: the last that begins at or above it. */
  at(height: number): number {
    this.#reckon()
    let [low, high] = [0, this.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#tops[middle + 1]! <= height) low = middle + 1
      else high = middle
    }
    return Math.min(low, Math.max(0, this.length - 1))
  }

  #reckon(): void {
    if (!this.#stale) return
    this.#stale = false
    if (this.#tops.length < this.length + 1) this.#tops = new Float64Array(Math.ceil(this.length * 1.5) + 1)
    let top = 0
    this.#ids.forEach((id, place) => {
      this.#tops[place] = top
      top += this.#known.get(id) ?? this.guess(id)
    })
    this.#tops[this.length] = top
    this.#sum = top
  }
}
