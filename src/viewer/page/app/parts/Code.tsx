import type { JSX } from "preact"
import { useLayoutEffect, useRef } from "preact/hooks"
import type { DiffLine } from "../text/diff"
import { highlight } from "../text/highlight"
import { markdown } from "../text/markdown"
import { Long } from "./Fold"

/** Lines of text with equal widths, coloured if their language is known; long ones are folded. */
export function Code(props: {
  name: string
  text: string
  language?: string
  first?: number
  /** Folded, it shows its last lines: what went wrong is said last. */
  tail?: boolean
  label: string
}): JSX.Element {
  const lines = props.text.replace(/\n$/, "").split("\n")
  return (
    <Long
      name={`${props.name}/code`}
      lines={lines.length}
      first={props.first ?? 12}
      render={shown => {
        const text = (props.tail ? lines.slice(-shown) : lines.slice(0, shown)).join("\n")
        return <Block text={text} language={props.language ?? ""} label={props.label} />
      }}
    />
  )
}

/** A line that is longer than this is cut: whole files can be one line. */
const LINE_MAX = 20_000

function Block({ text, language, label }: { text: string; language: string; label: string }): JSX.Element {
  const code = useRef<HTMLElement>(null)
  const shown = text.length > LINE_MAX ? text.split("\n").map(cut).join("\n") : text
  useLayoutEffect(() => {
    const element = code.current
    if (!element) return
    // Set here and not by the renderer, which would not know the spans that colour it.
    element.textContent = shown
    delete element.dataset["coloured"]
    void highlight(element, language)
  }, [shown, language])
  return (
    <pre class="code" tabIndex={0} role="region" aria-label={label}>
      <code ref={code} />
    </pre>
  )
}

function cut(line: string): string {
  return line.length > LINE_MAX ? `${line.slice(0, LINE_MAX)} … (${line.length - LINE_MAX} more)` : line
}

/** What a command said, without the escapes that colour a terminal. */
export function plain(output: string): string {
  return output.replace(/\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|\u001b[@-_]/g, "").replace(/\r\n?/g, "\n")
}

/** A diff, its lines numbered and coloured. */
export function Diff(props: { name: string; lines: readonly DiffLine[]; first?: number; label: string }): JSX.Element {
  if (props.lines.length === 0) return <p class="quiet">No lines changed.</p>
  return (
    <Long
      name={`${props.name}/diff`}
      lines={props.lines.length}
      first={props.first ?? 24}
      render={shown => (
        <div class="diff" tabIndex={0} role="region" aria-label={props.label}>
          <table>
            <tbody>
              {props.lines.slice(0, shown).map((line, place) => (
                <tr key={place} class={`diff-${line.kind}`}>
                  <td class="diff-number">{line.kind === "gap" ? "" : (line.before ?? "")}</td>
                  <td class="diff-number">{line.kind === "gap" ? "" : (line.after ?? "")}</td>
                  <td class="diff-sign">{line.kind === "add" ? "+" : line.kind === "del" ? "−" : ""}</td>
                  <td class="diff-text">{line.text.length > LINE_MAX ? cut(line.text) : line.text}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    />
  )
}

/** A text in Markdown. */
export function Markdown({ text }: { text: string }): JSX.Element {
  const box = useRef<HTMLDivElement>(null)
  const html = markdown(text)
  useLayoutEffect(() => {
    for (const code of box.current?.querySelectorAll<HTMLElement>("pre > code") ?? []) {
      void highlight(code, code.dataset["lang"] ?? "")
    }
  }, [html])
  return <div class="markdown" ref={box} dangerouslySetInnerHTML={{ __html: html }} />
}
