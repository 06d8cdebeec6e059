/**
 * Reading values that anybody may have sent: each reader takes anything and gives what it is asked for, or a default. No
 * part of the page looks into an item's value in another way, so nothing that comes can break it by its shape.
 */

export type Fields = Readonly<Record<string, unknown>>

const NONE: Fields = Object.freeze({})

/** The fields of an object; none if it is something else. */
export function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : NONE
}

/** The value at a path of names. */
export function at(value: unknown, ...path: string[]): unknown {
  return path.reduce((inner, name) => fields(inner)[name], value)
}

export function text(value: unknown, ...path: string[]): string {
  const found = at(value, ...path)
  return typeof found === "string" ? found : typeof found === "number" ? String(found) : ""
}

/** A text, and no number in its place: for ids and kinds, which the host's documents compare in this way too. */
export function word(value: unknown, ...path: string[]): string {
  const found = at(value, ...path)
  return typeof found === "string" ? found : ""
}

export function number(value: unknown, ...path: string[]): number | undefined {
  const found = at(value, ...path)
  return typeof found === "number" && Number.isFinite(found) ? found : undefined
}

export function list(value: unknown, ...path: string[]): readonly unknown[] {
  const found = at(value, ...path)
  return Array.isArray(found) ? found : []
}

export function flag(value: unknown, ...path: string[]): boolean {
  return at(value, ...path) === true
}

/** A value as indented JSON. */
export function json(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? ""
}

/** A part of a key, as it was before it was encoded. */
export function decoded(part: string | undefined): string {
  // Of tens of thousands nearly all are as they were.
  if (!part?.includes("%")) return part ?? ""
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
