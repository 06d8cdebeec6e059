// What the scenes stand on: a host of the built program, a network between it and the browser that can be cut, a real
// Chromium that tells of every error, and the producer's and the reader's ends of a share.
import assert from "node:assert/strict"
import { execFileSync, spawn } from "node:child_process"
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { chromium } from "playwright-core"

const PROGRAM = process.env.CAPSHARE
const DATA = process.env.DATA
/** How long a fact may take before the scene has failed. */
export const WITHIN = 60_000

const ended = []
/** Ends what a scene began, the last first. */
export async function endAll() {
  for (const end of ended.splice(0).reverse()) await end()
}

export const home = mkdtempSync(join(tmpdir(), "capshare-browser-"))
ended.push(() => rmSync(home, { recursive: true, force: true }))
const env = { HOME: home, TMPDIR: home }

/** Waits until something holds. */
export async function fact(what, holds, within = WITHIN) {
  for (const end = Date.now() + within; ; ) {
    const found = await holds()
    if (found) return found
    assert.ok(Date.now() < end, `not within ${within / 1_000} s: ${what}`)
    await new Promise(done => setTimeout(done, 20))
  }
}

function start(...args) {
  const child = spawn(PROGRAM, args, { env, stdio: ["ignore", "pipe", "pipe"] })
  const gone = new Promise(done => child.once("close", done))
  const said = []
  const waiting = []
  const heard = line => {
    said.push(line)
    for (const one of [...waiting]) one()
  }
  createInterface({ input: child.stdout }).on("line", heard)
  createInterface({ input: child.stderr }).on("line", line => process.env.VERBOSE && console.error(line))
  const stop = async (signal = "SIGKILL") => {
    child.kill(signal)
    await gone
  }
  ended.push(stop)
  /** The first line that fits. */
  const line = fits =>
    new Promise((done, fail) => {
      const look = () => {
        const found = said.find(fits)
        if (found === undefined) return
        waiting.splice(waiting.indexOf(look), 1)
        done(found)
      }
      waiting.push(look)
      look()
      child.once("close", () => fail(new Error(`${args.join(" ")} ended:\n${said.join("\n")}`)))
    })
  return { stop, line, said }
}

/** A host over a folder, behind a network of its own: its URL stays the same across restarts and cuts. */
export function host(...more) {
  return over(mkdtempSync(join(home, "store-")), more)
}

/** Hosts over one folder, each of which says by which URL it is reached. */
export function hosts(count) {
  const store = mkdtempSync(join(home, "store-"))
  return Promise.all(Array.from({ length: count }, () => over(store, [], "--advertise")))
}

async function over(store, more, ...named) {
  const network = await wire()
  ended.push(() => network.end())
  const served = { url: network.url, network }
  served.start = async () => {
    const url = more.includes("--public-url") ? [] : ["--public-url", network.url]
    const urls = [...url, ...named.flatMap(flag => [flag, network.url])]
    const args = ["serve", "--listen", "127.0.0.1:0", "--store", store, ...urls, "--json", "--log", "warn", ...more]
    served.process = start(...args)
    const { address } = JSON.parse(await served.process.line(line => line.includes("listening")))
    served.direct = `http://${address}`
    network.to(Number(address.split(":").pop()))
  }
  served.stop = signal => served.process.stop(signal)
  await served.start()
  return served
}

/**
 * TCP from a port of ours to one of the host's, which can be cut and mended. Where `instead` is set it is given the head of each
 * connection's first request, and what it returns is answered in the host's place; if nothing, the connection is the host's.
 */
async function wire() {
  let target
  let cut = false
  const sockets = new Set()
  const network = { refused: 0, instead: undefined }
  const server = createServer(from => {
    from.on("error", () => {})
    if (cut || target === undefined) {
      network.refused += 1
      from.destroy()
      return
    }
    sockets.add(from)
    from.on("close", () => sockets.delete(from))
    if (network.instead) void headOf(from).then(head => answerOr(from, head))
    else relay(from)
  })
  const answerOr = (from, head) => {
    const answer = network.instead?.(head.toString("latin1"))
    if (answer === undefined) relay(from, head)
    else from.end(answer)
  }
  const relay = (from, head) => {
    const to = connect(target, "127.0.0.1")
    to.on("error", () => from.destroy())
    if (head) to.write(head)
    for (const [one, other] of [[from, to], [to, from]]) {
      sockets.add(one)
      one.on("close", () => (sockets.delete(one), other.destroy()))
    }
    from.pipe(to).pipe(from)
  }
  await new Promise(done => server.listen(0, "127.0.0.1", done))
  return Object.assign(network, {
    url: `http://127.0.0.1:${server.address().port}`,
    to: port => (target = port),
    cut() {
      cut = true
      for (const socket of sockets) socket.destroy()
    },
    mend: () => (cut = false),
    /** Cuts what there is; new connections are taken. */
    reset() {
      for (const socket of sockets) socket.destroy()
    },
    end() {
      this.cut()
      return new Promise(done => server.close(done))
    },
  })
}

/** What a connection says first, up to the end of a request's head. */
function headOf(from) {
  return new Promise(done => {
    let head = Buffer.alloc(0)
    const read = piece => {
      head = Buffer.concat([head, piece])
      if (!head.includes("\r\n\r\n")) return
      from.off("data", read)
      from.pause()
      done(head)
    }
    from.on("data", read)
  })
}

/** A share that grows: `send` appends items to a file that `capshare push --follow` follows. */
export async function producer(host, session, items) {
  const file = join(home, `${session}.jsonl`)
  const lines = items => items.map(item => `${JSON.stringify(item)}\n`).join("")
  writeFileSync(file, lines(items))
  const push = start("push", "--to", host.direct, "--session", session, "--follow", "--json", file)
  const { id, url } = JSON.parse(await push.line(line => line.includes('"shared"')))
  return { id, url, file, push, send: items => appendFileSync(file, lines(items)) }
}

/** A share of all items at once. */
export function share(host, session, items, ...more) {
  const file = join(home, `${session}.jsonl`)
  writeFileSync(file, items.map(item => `${JSON.stringify(item)}\n`).join(""))
  const said = execFileSync(PROGRAM, ["push", "--to", host.direct, "--session", session, "--json", ...more, file], { env, encoding: "utf8" })
  const { id, url } = JSON.parse(said.split("\n").find(line => line.includes('"shared"')))
  return { id, url }
}

export function capshare(...args) {
  return execFileSync(PROGRAM, args, { env, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
}

/** What the share holds, read through another door than the page's: each key with its revision. */
export async function held(host, id) {
  const watch = start("watch", "--to", host.direct, id)
  await watch.line(line => line.includes('"ready"'))
  await watch.stop()
  const items = new Map()
  for (const line of watch.said.map(line => JSON.parse(line))) {
    for (const change of line.payload?.changes ?? []) {
      if (change.removed) items.delete(change.key)
      else items.set(change.key, change.revision)
    }
    if (line.event === "ready") break
  }
  return sorted([...items])
}

const sorted = entries => entries.sort(([a], [b]) => (a < b ? -1 : 1))

/** What the page holds, in the same form. */
export async function shown(page) {
  return sorted(await page.evaluate(() => globalThis.capshare.items().map(({ key, revision }) => [key, revision])))
}

/** The recorded session: what was sent, sync by sync. */
export function recording() {
  const lines = readFileSync(join(DATA, "opencode-recording.jsonl"), "utf8").trim().split("\n")
  const syncs = lines.map(line => JSON.parse(line).body)
  return { session: syncs.find(sync => sync.sessionID).sessionID, syncs: syncs.map(sync => sync.data ?? []).filter(data => data.length > 0) }
}

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--js-flags=--expose-gc", "--enable-precise-memory-info",
]
let browser

/**
 * A page of its own, which fails the scene by any error in its console and any breach of its policy. `frames` gets what it is told;
 * `prepare` is given the page before it goes anywhere.
 */
export async function reader(url, options = {}) {
  if (!browser) {
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS })
    ended.push(() => browser.close())
  }
  const { expect = [], settle = true, host = new URL(url).host, frames, prepare, ...rest } = options
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, locale: "en-GB", timezoneId: "UTC", ...rest })
  const page = await context.newPage()
  page.setDefaultTimeout(WITHIN)
  page.wrong = []
  const wrong = text => expect.some(fits => fits.test(text)) || page.wrong.push(text)
  page.on("console", message => ["error", "warning"].includes(message.type()) && wrong(`${message.type()}: ${message.text()}`))
  page.on("pageerror", error => wrong(`uncaught: ${error.name}: ${error.message}\n${error.stack}`))
  if (frames) page.on("websocket", socket => socket.on("framereceived", ({ payload }) => frames.push(JSON.parse(payload))))
  page.on("dialog", dialog => (wrong(`dialog: ${dialog.message()}`), dialog.dismiss()))
  page.on("request", request => {
    if (!/^(data:|blob:)/.test(request.url()) && new URL(request.url()).host !== host) wrong(`left the host: ${request.url()}`)
  })
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", event => console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`))
  })
  await prepare?.(page)
  await page.goto(url)
  if (settle) await page.waitForFunction(() => globalThis.capshare?.ready())
  return page
}

export function isWell(page) {
  assert.deepEqual(page.wrong, [])
}

/** Opens all that is folded in what of the page is in the document. */
export async function unfold(page) {
  // What was opened may hold more that is folded.
  for (let n = 0; n < 4; n += 1) {
    await page.evaluate(() => {
      for (const fold of document.querySelectorAll(".panel [aria-expanded=false]")) fold.click()
      return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
    })
  }
}
