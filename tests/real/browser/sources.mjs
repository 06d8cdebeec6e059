// Modules of the page's sources, built as the page is, and run by Node. PAGE is the folder of these sources with their packages.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const PAGE = process.env.PAGE
const { build } = await import(pathToFileURL(createRequire(join(PAGE, "package.json")).resolve("vite")))

/** What a source exports, such as `app/text/terminal.ts`. */
export async function source(file) {
  const lib = { entry: join(PAGE, file), formats: ["es"], fileName: "source" }
  const [{ output }] = await build({ root: PAGE, configFile: false, logLevel: "error", build: { write: false, minify: false, target: "es2022", lib } })
  const folder = mkdtempSync(join(tmpdir(), "capshare-source-"))
  try {
    const built = join(folder, "source.mjs")
    writeFileSync(built, output[0].code)
    return await import(pathToFileURL(built))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
