import type { JSX } from "preact"
import { count, duration, money, path, plural } from "../model/format"
import { at, json, list, number, text } from "../model/read"
import type { PartRow } from "../model/rows"
import { isOwn } from "../model/share"
import { errorWords } from "../model/words"
import { Attachment } from "./Attachment"
import { Code, Markdown, Typed } from "./Code"
import { Fold } from "./Fold"
import { type IconName } from "./icons"
import { Tool, toolIcon } from "./Tool"

/** A part, by its type; one that the page does not know as JSON. */
export function Part({ row, folder }: { row: PartRow; folder: string }): JSX.Element | null {
  const { item, id, grown } = row
  const { value } = item
  switch (text(value, "type")) {
    case "text": {
      const whole = text(value, "text")
      if (!isOwn(item)) {
        return <Fold name={id} class="aside" label="Context for the model">{() => <Code name={id} text={whole} label="Context" />}</Fold>
      }
      const shown = grown < 1 ? whole.slice(0, Math.ceil(whole.length * grown)) : whole
      // What a model asked a subagent is Markdown, as its answers are.
      return row.role === "user" && !row.below ? <Typed name={id} text={shown} /> : <Markdown name={id} text={shown} />
    }
    case "reasoning": {
      const [start, end] = [number(value, "time", "start"), number(value, "time", "end")]
      const took = start !== undefined && end !== undefined && end - start >= 1_000 ? ` for ${duration(end - start)}` : ""
      const label = (start !== undefined && end === undefined) || grown < 1 ? "Thinking…" : `Thought${took}`
      return <Fold name={id} class="thought" label={label}>{() => <Markdown name={id} text={text(value, "text")} />}</Fold>
    }
    case "tool":
      return <Tool id={id} value={value} folder={folder} grown={grown} />
    case "file":
      return <Attachment name={id} value={value} />
    case "patch": {
      const files = list(value, "files").filter((file): file is string => typeof file === "string")
      const named = files.slice(0, 3).map(file => path(file, folder)).join(", ")
      return <p class="discreet">changed {named}{files.length > 3 && ` and ${plural(files.length - 3, "more file")}`}</p>
    }
    case "step-finish": {
      const [cost, input, output] = [number(value, "cost"), number(value, "tokens", "input"), number(value, "tokens", "output")]
      const said = [
        input !== undefined && `${count(input)} in`,
        output !== undefined && `${count(output)} out`,
        cost !== undefined && cost > 0 && money(cost),
      ]
      return <p class="discreet step">{said.filter(Boolean).join(" · ") || "step"}</p>
    }
    case "compaction":
      return <p class="divider"><span>{at(value, "auto") === true ? "context compacted by itself" : "context compacted"}</span></p>
    case "retry":
      return (
        <p class="bad">
          attempt {number(value, "attempt") ?? "again"}: {errorWords(at(value, "error")) || "failed"}
        </p>
      )
    case "agent":
      return <p class="discreet">agent {text(value, "name")}</p>
    case "subtask":
      return (
        <div class="tool tool-done">
          <div class="tool-head">
            <span class="tool-name">Task</span>
            <span class="tool-about">{text(value, "description") || text(value, "agent")}</span>
          </div>
          <Fold name={id} label="Instructions">{() => <Markdown name={id} text={text(value, "prompt")} />}</Fold>
        </div>
      )
    default:
      return (
        <Fold name={id} class="aside" label={text(value, "type") || "a part of an unknown type"}>
          {() => <Code name={id} text={json(value)} language="json" label="Value" />}
        </Fold>
      )
  }
}

/** The icon beside a part. */
export function partIcon({ item }: PartRow): IconName | undefined {
  switch (text(item.value, "type")) {
    case "text":
      return "text"
    case "reasoning":
      return "thought"
    case "tool":
      return toolIcon(item.value)
    case "file":
      return text(item.value, "mime").startsWith("image/") ? "image" : "file"
    case "subtask":
      return "task"
    case "retry":
      return "warn"
    case "step-finish":
    case "patch":
    case "agent":
      return "step"
    case "compaction":
      return undefined
    default:
      return "tool"
  }
}
