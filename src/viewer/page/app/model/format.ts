/** Figures and names as people read them. */

export function count(n: number): string {
  if (n < 1_000) return String(Math.round(n))
  if (n < 999_500) return `${trim(n / 1_000)}k`
  return `${trim(n / 1_000_000)}M`
}

function trim(n: number): string {
  return n < 10 ? String(Math.round(n * 10) / 10) : String(Math.round(n))
}

export function money(dollars: number): string {
  if (dollars === 0) return "$0"
  if (dollars >= 0.01) return `$${dollars.toFixed(2)}`
  return `$${dollars.toFixed(Math.min(12, Math.max(3, -Math.floor(Math.log10(dollars)))))}`
}

/** A duration, rounded before it is taken apart: `340 ms`, `4.2 s`, `42 s`, `3 min 12 s`, `2 h 5 min`. */
export function duration(ms: number): string {
  if (Math.round(ms) < 1_000) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 9_950) return `${(Math.round(ms / 100) / 10).toFixed(1)} s`
  const s = Math.round(ms / 1_000)
  if (s < 60) return `${s} s`
  if (s < 3_600) return `${Math.floor(s / 60)} min ${s % 60} s`
  const min = Math.round(ms / 60_000)
  return `${Math.floor(min / 60)} h ${min % 60} min`
}

/** A place in a recording: `1:07`. */
export function clock(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1_000))
  const two = (n: number) => String(n).padStart(2, "0")
  const [h, m] = [Math.floor(s / 3_600), Math.floor(s / 60) % 60]
  return h > 0 ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`
}

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" })
const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" })

/** The largest time that a date can have. */
const LAST = 8.64e15

export function day(ms: number): string {
  return Math.abs(ms) <= LAST ? DAY.format(ms) : ""
}

export function time(ms: number): string {
  return Math.abs(ms) <= LAST ? TIME.format(ms) : ""
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`
}

/**
 * Takes the session's folder off a path that lies below it. Folders of Windows are compared without regard to case, and with either
 * separator.
 */
export function path(full: string, folder: string): string {
  const base = folder.replace(/[/\\]+$/, "")
  const isWindows = base.includes("\\") || /^.:/.test(base)
  const plain = (path: string) => (isWindows ? path.replaceAll("\\", "/").toLowerCase() : path)
  const [head, separator, rest] = [full.slice(0, base.length), full[base.length], full.slice(base.length + 1)]
  const isBelow = base !== "" && plain(head) === plain(base) && (separator === "/" || (isWindows && separator === "\\"))
  return isBelow && rest !== "" ? rest : full
}

/** A size, as `340 B`, `4.2 KiB` or `27 MiB`. */
export function bytes(n: number): string {
  if (n < 1_024) return `${Math.round(n)} B`
  return n < 1_048_576 ? `${trim(n / 1_024)} KiB` : `${trim(n / 1_048_576)} MiB`
}

const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g

/**
 * Puts a visible sign for each character that would change the direction of the text behind it, or control a terminal. For code and
 * output, in which each character counts.
 */
export function visible(text: string): string {
  return text.replace(HIDDEN, char => {
    const code = char.charCodeAt(0)
    if (code < 0x20) return String.fromCharCode(0x2400 + code)
    return code === 0x7f ? "\u2421" : `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`
  })
}
