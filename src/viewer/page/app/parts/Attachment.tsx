import type { JSX } from "preact"
import { useMemo } from "preact/hooks"
import { bytes } from "../model/format"
import { text } from "../model/read"
import { type Held, held } from "../text/held"
import { languageOf } from "../text/highlight"
import { Code } from "./Code"
import { Fold } from "./Fold"
import { Icon } from "./icons"

/** Pictures that a browser draws and that can hold no script, by the types that programs give them. */
const PICTURES: Readonly<Record<string, string>> = {
  "image/png": "image/png", "image/jpeg": "image/jpeg", "image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg",
  "image/gif": "image/gif", "image/webp": "image/webp", "image/avif": "image/avif",
}
const TEXT = /^(?:text\/|application\/(?:json|xml|yaml|toml|javascript|typescript|x-sh)\b)/

/** A file that came with a message or a tool's result: pictures are shown, texts opened, all saved. Nothing is loaded from elsewhere. */
export function Attachment({ name: row, value }: { name: string; value: unknown }): JSX.Element {
  const url = text(value, "url")
  const mime = text(value, "mime")
  const name = text(value, "filename") || text(value, "source", "path") || mime || "file"
  const file = useMemo(() => held(url), [url])
  const picture = file?.base64 !== undefined ? PICTURES[file.type] : undefined
  if (file && picture) {
    return (
      <figure class="picture">
        <img src={`data:${picture};base64,${file.base64}`} alt={name} loading="lazy" />
        <figcaption>{name} <Save file={file} name={name} /></figcaption>
      </figure>
    )
  }
  const kind = mime || file?.type || ""
  return (
    <div class="attached">
      <p class="file">
        <Icon name="file" />
        {/^https?:\/\//i.test(url) ? <a href={url} target="_blank" rel="noopener noreferrer nofollow">{name}</a> : <span>{name}</span>}
        <span class="quiet">{[kind !== name ? kind : "", file ? bytes(file.size) : ""].filter(Boolean).join(" · ")}</span>
        {file && <Save file={file} name={name} />}
      </p>
      {file && TEXT.test(kind) && (
        <Fold name={`${row}/attached`} label="Content">
          {() => <Code name={`${row}/attached`} text={new TextDecoder().decode(file.content())} language={languageOf(name)} label={name} />}
        </Fold>
      )}
    </div>
  )
}

/** Saves a file. It is never opened as a page: whatever it is, it would be one of this host. */
function Save({ file, name }: { file: Held; name: string }): JSX.Element {
  const save = () => {
    const url = URL.createObjectURL(new Blob([file.content()], { type: "application/octet-stream" }))
    const link = document.createElement("a")
    link.href = url
    link.download = name.split(/[/\\]/).pop() || "file"
    link.click()
    setTimeout(() => URL.revokeObjectURL(url), 60_000)
  }
  return <button type="button" class="more" aria-label={`Save ${name}`} onClick={save}>Save</button>
}
