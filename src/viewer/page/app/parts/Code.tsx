import { Fragment, type JSX } from "preact"
import { useLayoutEffect, useMemo, useRef } from "preact/hooks"
import { visible } from "../model/format"
import type { DiffLine } from "../text/diff"
import { highlight } from "../text/highlight"
import { markdown } from "../text/markdown"
import { pieces } from "../text/pieces"
import { type Run, lines, withoutEscapes } from "../text/terminal"
import { typed } from "../text/typed"
import { addCopies, Copy } from "./Copy"
import { Long, useShown } from "./Fold"

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
        return (
          <div class="copyable">
            <Block text={text} language={props.language ?? ""} label={props.label} />
            <Copy text={() => props.text} label={`Copy: ${props.label}`} />
          </div>
        )
      }}
    />
  )
}

/** A line that is longer than this is cut: whole files can be one line. */
const LINE_MAX = 20_000

function Block({ text, language, label }: { text: string; language: string; label: string }): JSX.Element {
  const code = useRef<HTMLElement>(null)
  const shown = visible(text.length > LINE_MAX ? text.split("\n").map(cut).join("\n") : text)
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

/** What a program said, as a terminal shows it; long outputs are folded. */
export function Output(props: { name: string; text: string; first?: number; tail?: boolean; label: string }): JSX.Element {
  const all = useMemo(() => lines(props.text), [props.text])
  return (
    <Long
      name={`${props.name}/code`}
      lines={all.length}
      first={props.first ?? 12}
      render={shown => (
        <div class="copyable">
          <pre class="code" tabIndex={0} role="region" aria-label={props.label}>
            <code>{(props.tail ? all.slice(-shown) : all.slice(0, shown)).map((line, place) => [place > 0 && "\n", line.map(drawn)])}</code>
          </pre>
          <Copy text={() => all.map(line => line.map(({ text }) => text).join("")).join("\n")} label={`Copy: ${props.label}`} />
        </div>
      )}
    />
  )
}

function drawn({ style, text }: Run): JSX.Element | string {
  const shown = visible(text.length > LINE_MAX ? cut(text) : text)
  return style ? <span class={style}>{shown}</span> : shown
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
                  <td class="diff-text">{visible(line.text.length > LINE_MAX ? cut(line.text) : line.text)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    />
  )
}

/** A text in Markdown, without what controls terminals. */
export function Markdown({ name, text }: { name: string; text: string }): JSX.Element {
  return <InPieces name={name} text={withoutEscapes(text)}>{piece => <Rendered text={piece} />}</InPieces>
}

function Rendered({ text }: { text: string }): JSX.Element {
  const box = useRef<HTMLDivElement>(null)
  const html = markdown(text)
  useLayoutEffect(() => {
    if (box.current) addCopies(box.current)
    for (const code of box.current?.querySelectorAll<HTMLElement>("pre > code") ?? []) {
      void highlight(code, code.dataset["lang"] ?? "")
    }
  }, [html])
  return <div class="markdown" ref={box} dangerouslySetInnerHTML={{ __html: html }} />
}

/** A text as it was typed: every character of it, lines as lines. Code and addresses in it are told apart. */
export function Typed({ name, text }: { name: string; text: string }): JSX.Element {
  return (
    <InPieces name={name} text={withoutEscapes(text)}>
      {piece => (
        <div class="typed" dir="auto">
          {typed(piece).map(({ kind, text }, place) =>
            kind === "code" ? <code key={place}>{visible(text)}</code>
            : kind === "link" ? <a key={place} href={text} target="_blank" rel="noopener noreferrer nofollow">{text}</a>
            : text,
          )}
        </div>
      )}
    </InPieces>
  )
}

/** A long text piece by piece: the first, and a button for each that follows. */
function InPieces({ name, text, children }: { name: string; text: string; children: (piece: string) => JSX.Element }): JSX.Element {
  const all = useMemo(() => pieces(text), [text])
  const [shown, show] = useShown(`${name}/pieces`)
  const rest = all.slice(shown).reduce((sum, piece) => sum + piece.length, 0)
  return (
    <>
      {all.slice(0, shown).map((piece, place) => <Fragment key={place}>{children(piece)}</Fragment>)}
      {rest > 0 && (
        <button type="button" class="more" onClick={() => show(shown + 1)}>
          {`It goes on: show more of the ${rest.toLocaleString("en")} characters that follow`}
        </button>
      )}
    </>
  )
}
