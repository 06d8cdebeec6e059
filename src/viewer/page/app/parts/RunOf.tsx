import type { Item } from "/client.js"
import type { JSX } from "preact"
import { plural } from "../model/format"
import { text } from "../model/read"
import type { Run } from "../model/rows"
import type { Within } from "../model/whole"
import { Fold } from "./Fold"
import { toolIcon } from "./Tool"
import { Part } from "./Part"
import type { IconName } from "./icons"

/** Calls that follow each other, in one line; opened, each of them. */
export function RunOf({ row, folder, wholeOf }: { row: Run; folder: string; wholeOf(item: Within): Item }): JSX.Element {
  return (
    <Fold name={row.id} class="run" label={summary(row)}>
      {() => row.parts.map(part => <div class="run-part" key={part.id}><Part row={{ ...part, item: wholeOf(part.item) }} folder={folder} /></div>)}
    </Fold>
  )
}

const DID: readonly (readonly [readonly IconName[], (count: number) => string])[] = [
  [["read", "list"], count => `read ${plural(count, "file")}`],
  [["search"], count => `searched ${plural(count, "time")}`],
  [["write", "edit"], count => `edited ${plural(count, "time")}`],
  [["shell"], count => `ran ${plural(count, "command")}`],
  [["web"], count => `looked at the web ${plural(count, "time")}`],
  [["task"], count => `began ${plural(count, "task")}`],
]

/** What was done, as in "Read 6 files, searched 3 times". */
function summary({ parts }: Run): string {
  const icons = parts.map(({ item }) => toolIcon(item.value))
  const did = DID.flatMap(([of, words]) => {
    const count = icons.filter(icon => of.includes(icon)).length
    return count > 0 ? [words(count)] : []
  })
  const rest = parts.filter((_, place) => !DID.some(([of]) => of.includes(icons[place]!))).map(({ item }) => text(item.value, "tool"))
  if (rest.length > 0) did.push(`called ${[...new Set(rest)].slice(0, 3).join(", ")}${new Set(rest).size > 3 ? " and others" : ""}`)
  const line = did.join(", ")
  return line.charAt(0).toUpperCase() + line.slice(1)
}
