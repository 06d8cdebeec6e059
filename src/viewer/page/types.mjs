// Joins the declarations of client/ into the one file that lies beside client.js.
import { readFileSync, writeFileSync } from "node:fs"

const between = /^(?:import|export)(?: type)? \{[^}]*\} from "\.\/[^"]*";\n/gm
const parts = ["frames", "replica", "channel", "client"].map(name => readFileSync(`node_modules/.types/${name}.d.ts`, "utf8"))
const told = parts.map(text => text.replace(between, "").replace(/^export \{\};?\n/gm, "").trim())
// The story of the module comes first.
const story = /^\/\*\*[\s\S]*?\*\/\n/.exec(told[3])[0]
writeFileSync("dist/client.d.ts", `${story}\n${[...told.slice(0, 3), told[3].slice(story.length)].join("\n\n")}\n`)
