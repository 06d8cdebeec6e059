import type { ComponentChildren, JSX } from "preact"
import { useEffect, useState } from "preact/hooks"
import { duration, path, plural } from "../model/format"
import { type Fields, at, fields, json, list, number, text } from "../model/read"
import { errorWords, words } from "../model/words"
import { comparing, fileDiff, patchLines, textLines } from "../text/diff"
import { fileRead } from "../text/file"
import { languageOf } from "../text/highlight"
import { Code, Diff, Markdown, Output } from "./Code"
import { Copy } from "./Copy"
import { Fold } from "./Fold"
import { Attachment } from "./Attachment"
import { type IconName } from "./icons"
import { Todos } from "./Todos"

/** What the page knows of a kind of tool: how its call reads in one line, and what of it is shown below. */
interface Kind {
  readonly icon: IconName
  readonly name: string
  /** What the call was about. */
  about(input: Fields, folder: string): string
  body(call: Call): ComponentChildren
}

interface Call {
  readonly id: string
  readonly tool: string
  readonly input: Fields
  readonly output: string
  readonly metadata: Fields
  readonly folder: string
}

/** A call of a tool: its kind, what it was about, its state, how long it took, and what came of it. */
export function Tool({ id, value, folder, grown }: { id: string; value: unknown; folder: string; grown: number }): JSX.Element {
  const state = at(value, "state")
  const tool = text(value, "tool") || "tool"
  const kind = KINDS[tool.toLowerCase()] ?? UNKNOWN
  const status = grown < 1 ? "running" : text(state, "status")
  const input = fields(at(state, "input"))
  const metadata = fields(at(state, "metadata"))
  const [start, end] = [number(state, "time", "start"), number(state, "time", "end")]
  const about = kind.about(input, folder) || text(state, "title")
  const output = words(at(state, "output")) || words(at(metadata, "output"))
  const call = { id, tool, input, metadata, folder, output }
  const failed = status === "error"
  const error = errorWords(at(state, "error"))
  return (
    <div class={`tool tool-${STATUS[status] ?? "other"}`}>
      <div class="tool-head">
        <span class="tool-name">{kind === UNKNOWN ? tool : kind.name}</span>
        <span class="tool-about" title={about}>{about}</span>
        <span class="tool-state">
          {status === "completed" ? "" : (STATE_WORDS[status] ?? status)}
          {start !== undefined && end !== undefined && grown >= 1 && <span class="tool-time">{duration(end - start)}</span>}
        </span>
      </div>
      {grown >= 1 && kind.body(call)}
      {(failed || error) && <div class="tool-error"><Output name={`${id}/error`} text={error || "failed, without a word"} label="Error" /></div>}
      {list(state, "attachments").map((file, place) => <Attachment key={place} name={`${id}/${place}`} value={file} />)}
    </div>
  )
}

const STATUS: Record<string, string> = { pending: "running", running: "running", completed: "done", error: "failed" }
const STATE_WORDS: Record<string, string> = { pending: "waiting", running: "running", error: "failed" }

/** What was said, folded; nothing if nothing was. */
function said({ id, output }: Call, label = "Output", first = 8, tail = false): ComponentChildren {
  return output.trim() && <Output name={id} text={output} label={label} first={first} tail={tail} />
}

function file(input: Fields, folder: string): string {
  return path(text(input, "filePath") || text(input, "path") || text(input, "file"), folder)
}

const shell: Kind = {
  icon: "shell",
  name: "Shell",
  about: input => text(input, "description"),
  body(call) {
    const command = text(call.input, "command")
    const code = number(call.metadata, "exit") ?? 0
    return (
      <>
        {command && (
          <div class="copyable">
            <pre class="command" tabIndex={0} role="region" aria-label="Command"><code>{command}</code></pre>
            <Copy text={() => command} label="Copy the command" />
          </div>
        )}
        {said(call, "Output", 8, code !== 0)}
        {code !== 0 && <p class="bad">exit code {code}</p>}
      </>
    )
  },
}

const read: Kind = {
  icon: "read",
  name: "Read",
  about(input, folder) {
    const [offset, limit] = [number(input, "offset"), number(input, "limit")]
    const first = Math.max(1, offset ?? 1)
    if (limit !== undefined && limit > 0) return `${file(input, folder)}, lines ${first}–${first + limit - 1}`
    return file(input, folder) + (offset === undefined ? "" : `, from line ${offset}`)
  },
  body(call) {
    const { content, lines, remark } = fileRead(call.output, number(call.input, "offset"))
    return content.trim() && (
      <Fold name={`${call.id}/content`} label={plural(lines, "line")}>
        {() => (
          <>
            <Code name={call.id} text={content} language={languageOf(file(call.input, ""))} first={24} label="Content" />
            {remark && <p class="quiet">{remark}</p>}
          </>
        )}
      </Fold>
    )
  },
}

const write: Kind = {
  icon: "write",
  name: "Write",
  about: file,
  body: call => text(call.input, "content") && (
    <Code name={call.id} text={text(call.input, "content")} language={languageOf(file(call.input, ""))} first={10} label="Content" />
  ),
}

const edit: Kind = {
  icon: "edit",
  name: "Edit",
  about: file,
  body: call => <Edited call={call} />,
}

function Edited({ call }: { call: Call }): JSX.Element {
  const [, again] = useState(0)
  const patch = text(call.metadata, "diff") || text(call.metadata, "filediff", "patch") || text(call.input, "patchText")
  const filediff = at(call.metadata, "filediff")
  const edits = list(call.input, "edits")
  const texts = edits.length > 0 ? edits : [call.input]
  const isCompared = !patch && (filediff !== undefined || texts.some(one => text(one, "oldString") || text(one, "newString")))
  const coming = isCompared ? comparing() : undefined
  useEffect(() => void coming?.then(() => again(n => n + 1)), [coming])
  if (coming) return <p class="quiet">Comparing…</p>
  const lines = patch
    ? patchLines(patch)
    : filediff !== undefined
      ? fileDiff(filediff).lines
      : texts.flatMap(one => textLines(text(one, "oldString"), text(one, "newString")))
  // A call that failed may say in another way what it was to change.
  if (lines.length === 0 && Object.keys(call.input).length > 0) return <Input call={call} />
  return <Diff name={call.id} lines={lines} label="Changes" />
}

const searched = (icon: IconName, name: string, ...of: string[]): Kind => ({
  icon,
  name,
  about: (input, folder) => {
    const where = file(input, folder)
    const what = of.map(field => text(input, field)).find(Boolean) ?? ""
    return what && where ? `${what} in ${where}` : what || where
  },
  body: call => said(call, "Results", 6),
})

const task: Kind = {
  icon: "task",
  name: "Task",
  about: input => text(input, "description"),
  body(call) {
    const [prompt, agent] = [text(call.input, "prompt"), text(call.input, "subagent_type")]
    return (
      <>
        {agent && <p class="quiet">by the agent {agent}</p>}
        {prompt && <Fold name={`${call.id}/prompt`} label="Instructions">{() => <Markdown name={`${call.id}/prompt`} text={prompt} />}</Fold>}
        {call.output.trim() && <Fold name={`${call.id}/result`} label="Result">{() => <Markdown name={`${call.id}/result`} text={call.output} />}</Fold>}
      </>
    )
  },
}

const todo: Kind = {
  icon: "todo",
  name: "To-do list",
  about: () => "",
  body: call => {
    const todos = list(call.input, "todos").length > 0 ? list(call.input, "todos") : list(call.metadata, "todos")
    return todos.length > 0 ? <Todos todos={todos} /> : said(call)
  },
}

function Input({ call }: { call: Call }): JSX.Element {
  const name = `${call.id}/input`
  return <Fold name={name} label="Input">{() => <Code name={name} text={json(call.input)} language="json" label="Input" />}</Fold>
}

const UNKNOWN: Kind = {
  icon: "tool",
  name: "",
  about: input => Object.values(input).find((value): value is string => typeof value === "string" && value.length < 120) ?? "",
  body: call => (
    <>
      {Object.keys(call.input).length > 0 && <Input call={call} />}
      {said(call)}
    </>
  ),
}

const KINDS: Readonly<Record<string, Kind>> = Object.assign(Object.create(null), {
  bash: shell,
  shell,
  read,
  write,
  edit,
  multiedit: edit,
  patch: edit,
  apply_patch: edit,
  grep: searched("search", "Search", "pattern"),
  glob: searched("search", "Find files", "pattern"),
  codesearch: searched("search", "Search code", "query"),
  list: searched("list", "List", "path"),
  ls: searched("list", "List", "path"),
  webfetch: searched("web", "Fetch", "url"),
  websearch: searched("web", "Search the web", "query"),
  task,
  todowrite: todo,
  todoread: todo,
})

/** What a tool is called. */
export function toolName(value: unknown): string {
  const tool = text(value, "tool")
  return KINDS[tool.toLowerCase()]?.name ?? (tool || "tool")
}

/** The icon of a tool's kind. */
export function toolIcon(value: unknown): IconName {
  return (KINDS[text(value, "tool").toLowerCase()] ?? UNKNOWN).icon
}
