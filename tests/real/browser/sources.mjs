// Modules of the page's sources, built as the page is, and run by Node. PAGE is the folder of these sources with their packages.
import { createRequire } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const PAGE = process.env.PAGE
const { build } = await import(pathToFileURL(createRequire(join(PAGE, "package.json")).resolve("vite")))

/** What a source exports, such as `app/text/terminal.ts`. */
export async function source(file) {
  const lib = { entry: join(PAGE, file), formats: ["es"], fileName: "source" }
  const [{ output }] = await build({ root: PAGE, configFile: false, logLevel: "error", build: { write: false, minify: false, target: "es2022", lib } })
  return import(`data:text/javascript;base64,${Buffer.from(output[0].code).toString("base64")}`)
}
