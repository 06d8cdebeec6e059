import type { JSX } from "preact"
import { bytes } from "../model/format"
import { text } from "../model/read"
import { Icon } from "./icons"

/** Pictures that a browser draws and that can hold no script. */
const PICTURE = /^data:image\/(?:png|jpeg|gif|webp|avif);base64,/i
const EMBEDDED = /^data:([\w.+-]+\/[\w.+-]+)?[;,]/i

/** A file that came with a message or a tool's result: pictures are shown, others named. Nothing is loaded from elsewhere. */
export function Attachment({ value }: { value: unknown }): JSX.Element {
  const url = text(value, "url")
  const mime = text(value, "mime")
  const name = text(value, "filename") || text(value, "source", "path") || mime || "file"
  if (PICTURE.test(url)) {
    return (
      <figure class="picture">
        <img src={url} alt={name} loading="lazy" />
        <figcaption>{name}</figcaption>
      </figure>
    )
  }
  const size = EMBEDDED.test(url) ? bytes(url.length * 0.75) : ""
  return (
    <p class="file">
      <Icon name="file" />
      {/^https?:\/\//i.test(url) ? <a href={url} target="_blank" rel="noopener noreferrer nofollow">{name}</a> : <span>{name}</span>}
      <span class="quiet">{[mime !== name ? mime : "", size].filter(Boolean).join(" · ")}</span>
    </p>
  )
}
