import type { JSX } from "preact"
import { path, plural } from "../model/format"
import { text } from "../model/read"
import type { View } from "../model/share"
import { Diff } from "../parts/Code"
import { useOpen } from "../parts/Fold"
import { type FileDiff, fileDiff } from "../text/diff"

/** Files of which the diff is open from the beginning; more would be a long page nobody asked for. */
const OPEN = 8

/** What the session changed, file by file. */
export function Changes({ view, diffs }: { view: View; diffs: readonly unknown[] }): JSX.Element {
  const folder = text(view.session, "directory")
  const files = diffs.map(fileDiff)
  if (files.length === 0) return <p class="empty">This session changed no files.</p>
  return (
    <div class="changes">
      <nav aria-label="Changed files" class="files">
        <h2>{plural(files.length, "file")}</h2>
        <ul>
          {files.map((file, place) => (
            <li key={place}>
              <a href={`#file-${place}`} onClick={event => show(event, place)}>
                <span class="files-name">{path(file.file, folder)}</span>
                <Counts file={file} />
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <div class="files-diffs">
        {files.map((file, place) => <File key={file.file + place} file={file} place={place} folder={folder} />)}
      </div>
    </div>
  )
}

function show(event: Event, place: number): void {
  event.preventDefault()
  const section = document.getElementById(`file-${place}`)
  section?.scrollIntoView({ block: "start" })
  section?.querySelector("button")?.focus({ preventScroll: true })
}

function File({ file, place, folder }: { file: FileDiff; place: number; folder: string }): JSX.Element {
  const [open, setOpen] = useOpen(`file/${file.file}/${place}`, place < OPEN)
  return (
    <section id={`file-${place}`} class="file-diff" aria-label={file.file}>
      <h3>
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
          <span class="fold-mark" aria-hidden="true" />
          <span class="files-name">{path(file.file, folder)}</span>
          {file.status && file.status !== "modified" && <span class="chip">{file.status}</span>}
          <Counts file={file} />
        </button>
      </h3>
      {open && <Diff name={`file/${file.file}/${place}`} lines={file.lines} first={200} label={`Changes of ${file.file}`} />}
    </section>
  )
}

function Counts({ file }: { file: FileDiff }): JSX.Element {
  return <span class="counts"><span class="added">+{file.added}</span> <span class="removed">−{file.removed}</span></span>
}
