/** Figures and names as people read them. */

export function count(n: number): string {
  if (n < 1_000) return String(Math.round(n))
  if (n < 999_500) return `${trim(n / 1_000)}k`
  return `${trim(n / 1_000_000)}M`
}

function trim(n: number): string {
  return n < 10 ? n.toFixed(1).replace(/\.0$/, "") : String(Math.round(n))
}

export function money(dollars: number): string {
  if (dollars === 0) return "$0"
  return dollars < 0.01 ? `$${dollars.toPrecision(1)}` : `$${dollars.toFixed(2)}`
}

/** A duration: `340 ms`, `4.2 s`, `3 min 12 s`, `2 h 5 min`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`
  const s = ms / 1_000
  if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`
  const min = Math.floor(s / 60)
  if (min < 60) return `${min} min ${Math.round(s % 60)} s`
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

/** A path below the session's folder, without that folder. */
export function path(full: string, folder: string): string {
  return folder && full.startsWith(`${folder}/`) ? full.slice(folder.length + 1) : full
}

export function bytes(n: number): string {
  if (n < 1_024) return `${n} B`
  return n < 1_048_576 ? `${trim(n / 1_024)} KiB` : `${trim(n / 1_048_576)} MiB`
}
