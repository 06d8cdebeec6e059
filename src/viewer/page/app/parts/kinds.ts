import { at, number, text } from "../model/read"
import type { PartRow } from "../model/rows"
import { isOwn } from "../model/share"
import { toolIcon } from "./Tool"

/** What readers look for among parts. A part is of one kind, and may have failed besides. */
export type Kind = "prompts" | "answers" | "thoughts" | "commands" | "edits" | "calls" | "others"

export function kindOf({ item, role, below }: PartRow): Kind {
  const { value } = item
  switch (text(value, "type")) {
    case "text":
      return !isOwn(item) ? "others" : role === "user" && !below ? "prompts" : "answers"
    case "reasoning":
      return "thoughts"
    case "tool": {
      const icon = toolIcon(value)
      return icon === "shell" ? "commands" : icon === "edit" || icon === "write" ? "edits" : "calls"
    }
    default:
      return "others"
  }
}

/** Whether a call failed, or a program that it ran. */
export function hasFailed({ item }: PartRow): boolean {
  const state = at(item.value, "state")
  return text(state, "status") === "error" || (number(state, "metadata", "exit") ?? 0) !== 0
}
