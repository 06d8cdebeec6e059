/**
 * What a terminal shows of a program's output: returns, erasures and moves are carried out, colours are told apart, and nothing of what
 * controls it is left. The host's documents read output by the same rules (`src/viewer/render/terminal.rs`, which says what is bounded
 * and why); `tests/data/terminal.json` has the outputs for which both are tried.
 */

/** Characters that are drawn alike. */
export interface Run {
  /** The names by which style sheets know how; empty if as any text. */
  readonly style: string
  readonly text: string
}

const ROWS_MAX = 256
const COLUMNS_MAX = 65_536
const CONTROLS = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g
const HAS_CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/

/** What stands on the screen after this output. */
export function runs(output: string): readonly Run[] {
  if (!HAS_CONTROLS.test(output)) return [{ style: "", text: output }]
  const screen = new Screen(output.length)
  takeApart(output, screen)
  return screen.end()
}

/** The runs of each line; the line break at the end begins none. */
export function lines(output: string): readonly (readonly Run[])[] {
  const all: Run[][] = [[]]
  for (const { style, text } of runs(output)) {
    text.split("\n").forEach((piece, n) => {
      if (n > 0) all.push([])
      if (piece !== "") all.at(-1)!.push({ style, text: piece })
    })
  }
  if (all.length > 1 && all.at(-1)!.length === 0) all.pop()
  return all
}

/** A text that somebody wrote, without what controls terminals. Returns are line breaks here, and nothing is drawn over. */
export function withoutEscapes(text: string): string {
  if (!HAS_CONTROLS.test(text)) return text
  let kept = ""
  takeApart(text, {
    text: piece => (kept += piece),
    lineBreak: () => (kept += "\n"),
    return: beforeBreak => (kept += beforeBreak ? "" : "\n"),
    back: () => {},
    short: () => {},
    sequence: () => {},
  })
  return kept
}

interface Reader {
  text(text: string): void
  lineBreak(): void
  /** `beforeBreak`: it belongs to a line break that follows. */
  return(beforeBreak: boolean): void
  back(): void
  /** `ESC` and a letter. */
  short(last: string): void
  /** `ESC [`, numbers and a letter. */
  sequence(numbers: string, last: string): void
}

const SEQUENCE = /([ -?]{0,256})([@-~])?/y
/** No other control stands in it: each that begins one would be looked for anew through all that follows. */
const STRING = /[^\u0007\u001b\n\u0080-\u009f]{0,8192}(?:\u0007|\u001b\\|\u009c)/y
const LETTERS = /[ -/]{1,4}[0-~]?/y

function takeApart(output: string, to: Reader): void {
  let at = 0
  const match = (what: RegExp) => {
    what.lastIndex = at
    const found = what.exec(output)
    if (found) at += found[0].length
    return found
  }
  const sequence = () => {
    const found = match(SEQUENCE)
    if (found?.[2]) to.sequence(found[1]!, found[2])
  }
  while (at < output.length) {
    CONTROLS.lastIndex = at
    const next = CONTROLS.exec(output)?.index ?? output.length
    if (next > at) to.text(output.slice(at, next))
    at = next + 1
    const control = output[next]
    switch (control) {
      case undefined:
        return
      case "\n": case "\u000b": case "\u000c": case "\u0085":
        to.lineBreak()
        break
      case "\r":
        while (output[at] === "\r") at += 1
        to.return(output[at] === "\n")
        break
      case "\b":
        to.back()
        break
      case "\u009b":
        sequence()
        break
      case "\u0090": case "\u0098": case "\u009d": case "\u009e": case "\u009f":
        match(STRING)
        break
      case "\u001b": {
        const letter = output[at] ?? ""
        if (letter === "[") {
          at += 1
          sequence()
        } else if (/[\]PX^_]/.test(letter)) {
          at += 1
          match(STRING)
        } else if (/[ -/]/.test(letter)) {
          match(LETTERS)
        } else if (/[0-~]/.test(letter)) {
          at += 1
          to.short(letter)
        }
      }
    }
  }
}

interface Row {
  chars: string[]
  styles: string[]
  /** It goes on with the row before: there is no line break between them. */
  goesOn: boolean
  /** Something was drawn over or erased, so that blanks at its end are nothing that somebody wrote. */
  redrawn: boolean
}

const empty = (): Row => ({ chars: [], styles: [], goesOn: false, redrawn: false })

class Screen implements Reader {
  #above: { style: string; text: string }[] = []
  #rows: Row[] = [empty()]
  #row = 0
  #column = 0
  #top: number | undefined
  #pen = new Pen()
  #kept = { row: 0, column: 0 }
  #budget: number

  constructor(length: number) {
    this.#budget = length * 4 + 65_536
  }

  end(): readonly Run[] {
    while (this.#rows.length > 0) this.#settleFirst()
    return this.#above
  }

  text(text: string): void {
    for (const char of text) this.#write(char)
  }

  lineBreak(): void {
    this.#row += 1
    this.#column = 0
    this.#reach()
  }

  return(): void {
    this.#column = 0
    while (this.#here.goesOn && this.#row > 0) this.#row -= 1
  }

  back(): void {
    this.#column = Math.max(0, this.#column - 1)
  }

  short(last: string): void {
    if (last === "7") this.#kept = { row: this.#row, column: this.#column }
    else if (last === "8") this.#to(this.#kept.row, this.#kept.column)
    else if (last === "M") this.#row = Math.max(0, this.#row - 1)
  }

  sequence(numbers: string, last: string): void {
    // What begins with a sign is a setting of the terminal.
    if (/^[?<=>]/.test(numbers)) return
    const given = numbers.split(";")
    const number = (place: number, fallback: number) => Math.min(COLUMNS_MAX, numberIn(given[place]) || fallback)
    const n = number(0, 1)
    switch (last) {
      case "m": return this.#pen.set(numbers)
      case "K": return this.#eraseInRow(number(0, 0))
      case "J": return this.#eraseInScreen(number(0, 0))
      case "G": case "`": return void (this.#column = n - 1)
      case "A": return this.#to(this.#row - n, this.#column)
      case "B": return this.#to(this.#row + n, this.#column)
      case "C": return void (this.#column = Math.min(COLUMNS_MAX - 1, this.#column + n))
      case "D": return void (this.#column = Math.max(0, this.#column - n))
      case "E": return this.#to(this.#row + n, 0)
      case "F": return this.#to(this.#row - n, 0)
      case "H": case "f": return this.#place(n - 1, number(1, 1) - 1)
      case "d": return this.#place(n - 1, this.#column)
      case "s": return void (this.#kept = { row: this.#row, column: this.#column })
      case "u": return this.#to(this.#kept.row, this.#kept.column)
      case "P": return this.#delete(n)
      case "X": return this.#blank(this.#column, this.#column + n)
    }
  }

  get #here(): Row {
    return this.#rows[this.#row]!
  }

  #to(row: number, column: number): void {
    this.#row = Math.max(0, Math.min(row, this.#rows.length - 1))
    this.#column = column
  }

  #place(row: number, column: number): void {
    this.#row = this.#topRow() + Math.min(row, ROWS_MAX / 2)
    this.#column = column
    this.#reach()
  }

  /** Where the screen begins that is drawn by places: below what is there, if there is none yet. */
  #topRow(): number {
    if (this.#top !== undefined) return this.#top
    const isEmpty = this.#rows.at(-1)?.chars.length === 0
    this.#row = this.#rows.length - (isEmpty ? 1 : 0)
    this.#reach()
    this.#top = this.#row
    return this.#row
  }

  #reach(): void {
    while (this.#row >= this.#rows.length) {
      this.#rows.push(empty())
      if (this.#rows.length > ROWS_MAX) this.#settleFirst()
    }
  }

  #write(char: string): void {
    if (this.#column >= COLUMNS_MAX) {
      this.#row += 1
      this.#column = 0
      this.#reach()
      this.#here.goesOn = true
    }
    const row = this.#here
    const missing = Math.max(0, this.#column - row.chars.length)
    if (missing > this.#budget) this.#column = row.chars.length
    else this.#budget -= missing
    while (row.chars.length < this.#column) {
      row.chars.push(" ")
      row.styles.push("")
    }
    row.redrawn ||= this.#column < row.chars.length
    row.chars[this.#column] = char
    row.styles[this.#column] = this.#pen.style
    this.#column += 1
  }

  #eraseInRow(what: number): void {
    const row = this.#here
    if (what === 1) this.#blank(0, this.#column + 1)
    else row.chars.length = row.styles.length = Math.min(row.chars.length, what === 0 ? this.#column : 0)
    row.redrawn = true
  }

  #eraseInScreen(what: number): void {
    if (what === 1) return
    if (what === 0) {
      const row = this.#here
      row.chars.length = row.styles.length = Math.min(row.chars.length, this.#column)
      this.#rows.length = this.#row + 1
      return
    }
    const column = this.#column
    const top = this.#topRow()
    this.#rows.length = top + 1
    this.#rows[top] = empty()
    this.#to(top, column)
  }

  #blank(from: number, end: number): void {
    const row = this.#here
    row.redrawn = true
    const to = Math.min(end, row.chars.length)
    if (from >= to || to - from > this.#budget) return
    this.#budget -= to - from
    row.chars.fill(" ", from, to)
    row.styles.fill("", from, to)
  }

  #delete(count: number): void {
    const row = this.#here
    row.redrawn = true
    const behind = row.chars.length - this.#column
    if (behind <= 0 || behind > this.#budget) return
    this.#budget -= behind
    row.chars.splice(this.#column, count)
    row.styles.splice(this.#column, count)
  }

  /** Moves the first row to what stands for good. */
  #settleFirst(): void {
    const first = this.#rows.shift()
    if (!first) return
    this.#row = Math.max(0, this.#row - 1)
    this.#kept.row = Math.max(0, this.#kept.row - 1)
    if (this.#top !== undefined) this.#top = Math.max(0, this.#top - 1)
    let end = first.chars.length
    while (first.redrawn && end > 0 && first.chars[end - 1] === " " && first.styles[end - 1] === "") end -= 1
    for (let from = 0; from < end; ) {
      let to = from + 1
      while (to < end && first.styles[to] === first.styles[from]) to += 1
      this.#append(first.styles[from]!, first.chars.slice(from, to).join(""))
      from = to
    }
    const next = this.#rows[0]
    if (next && !next.goesOn) this.#append(this.#above.at(-1)?.style ?? "", "\n")
  }

  #append(style: string, text: string): void {
    const last = this.#above.at(-1)
    if (last?.style === style) last.text += text
    else this.#above.push({ style, text })
  }
}

const COLOURS = [
  [0, 0, 0], [205, 0, 0], [0, 205, 0], [205, 205, 0], [0, 0, 238], [205, 0, 205], [0, 205, 205], [229, 229, 229],
  [127, 127, 127], [255, 0, 0], [0, 255, 0], [255, 255, 0], [92, 92, 255], [255, 0, 255], [0, 255, 255], [255, 255, 255],
] as const

/** How characters are drawn: what `ESC [ ... m` says, in sixteen colours. */
class Pen {
  /** The names by which style sheets know it. */
  style = ""
  #ink: number | undefined
  #ground: number | undefined
  #flags = new Set<string>()

  set(numbers: string): void {
    const given = numbers.split(/[;:]/).map(text => (text === "" ? 0 : numberIn(text)))
    while (given.length > 0) {
      const number = given.shift()
      if (number === undefined) continue
      const [on, off] = [ON[number], OFF[number]]
      if (number === 0) {
        this.#ink = this.#ground = undefined
        this.#flags.clear()
      } else if (on) this.#flags.add(on)
      else if (off) for (const flag of off) this.#flags.delete(flag)
      else if (number >= 30 && number <= 37) this.#ink = number - 30
      else if (number === 38) this.#ink = far(given) ?? this.#ink
      else if (number === 39) this.#ink = undefined
      else if (number >= 40 && number <= 47) this.#ground = number - 40
      else if (number === 48) this.#ground = far(given) ?? this.#ground
      else if (number === 49) this.#ground = undefined
      else if (number >= 90 && number <= 97) this.#ink = number - 82
      else if (number >= 100 && number <= 107) this.#ground = number - 92
    }
    const colours = [this.#ink !== undefined && `t-${this.#ink}`, this.#ground !== undefined && `t-on-${this.#ground}`]
    const flags = ["t-bold", "t-faint", "t-italic", "t-under", "t-inverse"].filter(flag => this.#flags.has(flag))
    this.style = [...colours.filter(Boolean), ...flags].join(" ")
  }
}

const ON: Readonly<Record<number, string>> = { 1: "t-bold", 2: "t-faint", 3: "t-italic", 4: "t-under", 7: "t-inverse" }
const OFF: Readonly<Record<number, readonly string[]>> = { 22: ["t-bold", "t-faint"], 23: ["t-italic"], 24: ["t-under"], 27: ["t-inverse"] }

/** A number in a sequence, which is made of digits and nothing else. */
function numberIn(text = ""): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : undefined
}

/** A colour of 256, or one by red, green and blue: the nearest of the sixteen. */
function far(given: (number | undefined)[]): number | undefined {
  const kind = given.shift()
  if (kind === 2) {
    const colour: number[] = []
    while (colour.length < 3) {
      const level = given.shift()
      if (level === undefined) return undefined
      colour.push(level)
    }
    return nearest(colour)
  }
  const number = kind === 5 ? given.shift() : undefined
  if (number === undefined || number > 255) return undefined
  if (number < 16) return number
  if (number >= 232) return nearest([8, 8, 8].map(level => level + 10 * (number - 232)))
  const level = (step: number) => (step === 0 ? 0 : 55 + 40 * step)
  const cube = number - 16
  return nearest([level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)])
}

function nearest(colour: readonly number[]): number {
  const distance = (other: readonly number[]) => other.reduce((sum, level, n) => sum + (Math.min(255, colour[n] ?? 0) - level) ** 2, 0)
  const all = COLOURS.map(distance)
  return all.indexOf(Math.min(...all))
}
