/** A file that a `data:` URL holds. */
export interface Held {
  /** Its type, in lower case and without parameters. */
  readonly type: string
  /** Bytes. */
  readonly size: number
  /** What is in it, if it is in Base64. */
  readonly base64: string | undefined
  content(): Uint8Array<ArrayBuffer>
}

/** The file in a URL; undefined if it holds none. */
export function held(url: string): Held | undefined {
  if (!/^data:/i.test(url.slice(0, 5))) return undefined
  const comma = url.indexOf(",")
  if (comma < 0 || comma > 1_000) return undefined
  const [head, data] = [url.slice(5, comma).toLowerCase(), url.slice(comma + 1)]
  const type = head.split(";")[0] || "text/plain"
  if (!/;\s*base64$/.test(head)) {
    const content = () => {
      try {
        return new TextEncoder().encode(decodeURIComponent(data))
      } catch {
        return new TextEncoder().encode(data)
      }
    }
    return { type, size: data.replace(/%[0-9a-f]{2}/gi, "x").length, base64: undefined, content }
  }
  const digits = data.replace(/[\s=]/g, "")
  const isOne = /^[A-Za-z0-9+/]*$/.test(digits)
  const content = () => {
    try {
      return Uint8Array.from(atob(digits), char => char.charCodeAt(0))
    } catch {
      return new TextEncoder().encode(data)
    }
  }
  return { type, size: Math.floor((digits.length * 3) / 4), base64: isOne ? data.replace(/\s/g, "") : undefined, content }
}
