// The page of a share in a real Chromium, against the built program. Plays the scene that SCENE names, and ends
// with code 0 if all held. Started by tests/it/browser.rs.
import { endAll } from "./lib.mjs"

const SCENES = {
  away: () => import("./scenes/away.mjs"),
  field: () => import("./scenes/field.mjs"),
  grows: () => import("./scenes/grows.mjs"),
  gaps: () => import("./scenes/gaps.mjs"),
  hosts: () => import("./scenes/hosts.mjs"),
  hostile: () => import("./scenes/hostile.mjs"),
  kinds: () => import("./scenes/kinds.mjs"),
  access: () => import("./scenes/access.mjs"),
  search: () => import("./scenes/search.mjs"),
  replay: () => import("./scenes/replay.mjs"),
  private: () => import("./scenes/private.mjs"),
  asks: () => import("./scenes/asks.mjs"),
  large: () => import("./scenes/large.mjs"),
  loads: () => import("./scenes/loads.mjs"),
  loading: () => import("./scenes/loading.mjs"),
  pictures: () => import("./scenes/pictures.mjs"),
}

const scene = SCENES[process.env.SCENE]
if (!scene) throw new Error(`which scene? ${Object.keys(SCENES).join(", ")}`)
try {
  const { default: play } = await scene()
  await play()
} finally {
  await endAll()
}
process.exit(0)
