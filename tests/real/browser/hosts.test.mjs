// /client.js with two hosts of the built program over one folder: one is killed, or drained, and the channel goes on at the
// other. And with servers that do what hosts do: refuse, end, name others. Run by tests/it/browser.rs.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once as onceOf } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { afterEach, test } from "node:test"
import { WebSocket, WebSocketServer } from "ws"

const { Replica, connect } = await import(process.env.CLIENT)

/** How long anything may take before the test has failed. */
const WITHIN = 60_000
/** How long a viewer may hear nothing when its host is gone. */
const SILENCE_MAX = 1_000

const ending = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

async function fact(what, holds) {
  for (const end = Date.now() + WITHIN; !(await holds()); ) {
    assert.ok(Date.now() < end, `not within ${WITHIN / 1_000} s: ${what}`)
    await new Promise(done => setTimeout(done, 5))
  }
}

/** A folder in which hosts keep their shares. */
function folder() {
  const home = mkdtempSync(join(tmpdir(), "capshare-hosts-"))
  ending.push(() => rmSync(home, { recursive: true, force: true }))
  return home
}

/** A host of the program over a folder. */
async function serve(home) {
  const args = ["serve", "--json", "--log", "warn", "--listen", "127.0.0.1:0", "--store", home, "--drain-within", "3s"]
  const child = spawn(process.env.CAPSHARE, args, { env: { HOME: home }, stdio: ["ignore", "pipe", "inherit"] })
  const gone = onceOf(child, "exit")
  ending.push(async () => (child.kill("SIGKILL"), gone))
  const [line] = await onceOf(createInterface({ input: child.stdout }), "line")
  return { url: JSON.parse(line).url, end: signal => child.kill(signal), gone }
}

const post = async (url, body) => {
  const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })
  assert.equal(response.status, 200, await response.clone().text())
  return response.json()
}

/** A share that grows by a revision every 20 ms, written at `host`, until it is stopped. */
async function growing(host) {
  const { id, secret } = await post(`${host.url}/api/share`, { sessionID: "ses_1" })
  const part = n => ({ type: "part", data: { id: "prt_1", messageID: "msg_1", n } })
  let revision = 0
  let isOn = true
  const grow = (async () => {
    while (isOn) {
      revision = (await post(`${host.url}/api/share/${id}/sync`, { secret, data: [part(revision + 1)] })).revision
      await new Promise(done => setTimeout(done, 20))
    }
  })()
  const stop = async () => {
    isOn = false
    await grow
    return revision
  }
  ending.push(stop)
  return { id, stop }
}

/** A channel, and what it was told: each step must begin where the one before has ended. */
function follow(urls, options) {
  const channel = connect(urls, { WebSocket, backoffMs: 200, ...options })
  ending.push(() => channel.close())
  const replica = new Replica()
  const seen = { channel, replica, states: [], resets: 0, heardAt: performance.now(), silence: 0, moving: [] }
  const take = event => step => {
    if (event === "snapshot") seen.resets += 1
    else assert.equal(step.base, replica.revision, "nothing is skipped and nothing comes twice")
    replica.apply(event, step)
    const now = performance.now()
    seen.silence = Math.max(seen.silence, now - seen.heardAt)
    seen.heardAt = now
  }
  channel.on("snapshot", take("snapshot"))
  channel.on("changes", take("changes"))
  channel.on("state", state => seen.states.push(state.name))
  channel.on("moving", moving => seen.moving.push(moving))
  return seen
}

/** Follows by a channel that has begun at `host`, one of several: channels are made until one has, because each begins at a random one. */
function followFrom(host, urls, options) {
  for (;;) {
    const seen = follow(urls, options)
    if (seen.channel.host === host.url) return seen
    seen.channel.close()
  }
}

for (const transport of ["websocket", "sse"]) {
  test(`S102: over ${transport}, a host that is killed is left for the other within a second, with nothing skipped or doubled`, async () => {
    const home = folder()
    const [one, other] = [await serve(home), await serve(home)]
    const share = await growing(other)
    const seen = followFrom(one, [one, other].map(({ url }) => `${url}/share/${share.id}`), { transport })
    await fact("it has heard something", () => seen.replica.revision > 2)
    const before = seen.replica.revision
    ;[seen.heardAt, seen.silence] = [performance.now(), 0]
    one.end("SIGKILL")
    await fact("it goes on", () => seen.replica.revision > before + 20)
    assert.equal(seen.channel.host, other.url)
    assert.ok(seen.silence <= SILENCE_MAX, `${seen.silence} ms of silence`)
    assert.ok(!seen.states.includes("waiting"), seen.states.join())
    const last = await share.stop()
    await fact("it has all of it", () => seen.replica.revision === last)
    assert.equal(seen.resets, 1)
  })

  test(`S102, S103: over ${transport}, a host that drains is left when the other is there, and ends by itself`, async () => {
    const home = folder()
    const [one, other] = [await serve(home), await serve(home)]
    const share = await growing(other)
    const seen = followFrom(one, [one, other].map(({ url }) => `${url}/share/${share.id}`), { transport })
    await fact("it has heard something", () => seen.replica.revision > 2)
    const before = seen.states.length
    one.end("SIGTERM")
    await fact("it is told to move", () => seen.moving.length === 1)
    // Until then the host looks once a second for what is written at the other.
    ;[seen.heardAt, seen.silence] = [performance.now(), 0]
    await fact("it is with the other", () => seen.channel.host === other.url)
    assert.deepEqual(await one.gone, [0, null])
    const last = await share.stop()
    await fact("it has all of it", () => seen.replica.revision === last)
    assert.equal(seen.moving.length, 1)
    assert.ok(seen.silence <= SILENCE_MAX, `${seen.silence} ms of silence`)
    assert.deepEqual(new Set(seen.states.slice(before)), new Set(["live"]), "it was never without a connection")
    assert.equal(seen.resets, 1)
  })
}

/** A server that does with each socket what the scene says; `answer` is what it says in place of an upgrade. */
async function stand({ socket, answer } = {}) {
  const seen = { urls: [], sockets: [] }
  const http = createServer((_, response) => response.writeHead(404).end())
  const sockets = new WebSocketServer({ noServer: true })
  http.on("upgrade", (request, raw, head) => {
    seen.urls.push(request.url)
    // A client that was refused may reset the connection.
    raw.on("error", () => {})
    if (answer) return void raw.end(answer)
    sockets.handleUpgrade(request, raw, head, ws => {
      seen.sockets.push(ws)
      ws.frames = []
      ws.down = (event, payload) => ws.send(JSON.stringify({ event, payload }))
      ws.on("message", data => {
        const frame = JSON.parse(data)
        ws.frames.push(frame)
        if (frame.procedure !== "share.never") ws.send(JSON.stringify({ id: frame.id, ok: true, data: "answered" }))
      })
      socket?.(ws, seen.sockets.length)
    })
  })
  await new Promise(done => http.listen(0, "127.0.0.1", done))
  const end = () => new Promise(done => {
    for (const ws of seen.sockets) ws.terminate()
    http.closeAllConnections()
    http.close(done)
  })
  ending.push(end)
  const base = `http://127.0.0.1:${http.address().port}`
  return { seen, base, url: `${base}/share/abc`, end }
}

const step = (base, revision, more = false) => ({ base, revision, syncCount: revision, more, changes: [{ key: "part/m/p", revision, type: "part", value: revision }] })
const begin = (hosts = []) => ws => (ws.down("snapshot", step(0, 1)), ws.down("ready", { revision: 1, channel: "c", hosts }))
const goOn = (from, to) => ws => (ws.down("changes", step(from, to)), ws.down("ready", { revision: to, channel: "c", hosts: [] }))
const UNAVAILABLE = `HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n`
const live = async seen => fact("it is live", () => seen.channel.state.name === "live")

test("all hosts are tried at once before the first wait, and again after it", async () => {
  const refusing = [await stand({ answer: UNAVAILABLE }), await stand({ answer: UNAVAILABLE }), await stand({ answer: UNAVAILABLE })]
  const seen = follow(refusing.map(({ url }) => url), { transport: "websocket", backoffMs: 50 })
  await fact("two rounds", () => refusing.every(({ seen }) => seen.urls.length >= 2))
  const waits = seen.states.reduce((counts, name) => (name === "waiting" ? [...counts, 0] : name === "connecting" ? [...counts.slice(0, -1), counts.at(-1) + 1] : counts), [0])
  assert.deepEqual(waits.slice(0, 2), [3, 3])
})

test("a host that its host named is gone to, but never with a token and without TLS", async () => {
  const named = await stand({ socket: goOn(1, 2) })
  const naming = await stand({ socket: begin([named.base, "ftp://x", "https://user@x", 7, "https://h/?q"]) })
  const seen = follow(naming.url, { transport: "websocket" })
  await live(seen)
  await naming.end()
  await fact("it is with the other", () => seen.replica.revision === 2)
  assert.deepEqual(named.seen.urls, ["/ws/abc?cursor=1"])
  const [trap, other] = [await stand(), await stand({ socket: ws => ws.on("message", () => begin([trap.base])(ws)) })]
  const secret = follow(other.url, { transport: "websocket", token: "capgrant_x", backoffMs: 10 })
  await live(secret)
  await other.end()
  await fact("it has given up", () => secret.states.filter(name => name === "waiting").length >= 2)
  assert.deepEqual(trap.seen.urls, [])
})

test("a host that its host named does not end a channel that is new to it by its final word, as a host of the caller's does", async () => {
  const named = await stand({ socket: ws => ws.close(4001) })
  const naming = await stand({ socket: begin([named.base]) })
  const seen = follow(naming.url, { transport: "websocket", backoffMs: 10 })
  await live(seen)
  await naming.end()
  await fact("the named host was tried, and then the caller's own", () => named.seen.urls.length === 1 && seen.states.filter(name => name === "waiting").length >= 2)
  assert.equal(named.seen.urls.length, 1, "it is not tried again")
  assert.equal(seen.channel.host, naming.base)
  const own = follow(named.url, { transport: "websocket" })
  await fact("it is closed for good", () => own.channel.state.name === "closed")
})

test("what the old host says while the new one is made is told once, by whichever of them it is that goes on", async () => {
  let ready
  const slow = await stand({ socket: ws => (ready = ws) })
  const draining = await stand({ socket: begin() })
  const refusing = await stand({ answer: UNAVAILABLE })
  const seen = follow(draining.url, { transport: "websocket" })
  await live(seen)
  const [old] = draining.seen.sockets
  // The first that it is sent to refuses it: what came meanwhile is told, and the second is tried from there on.
  old.down("moving", { urls: [refusing.base, slow.base], withinMs: 2_000 })
  old.down("changes", step(1, 2))
  await fact("both were tried", () => refusing.seen.urls.length === 1 && ready)
  const from = Number(/cursor=(\d)/.exec(slow.seen.urls[0])[1])
  old.down("changes", step(2, 3))
  ready.down("changes", step(from, 3))
  ready.down("ready", { revision: 3, channel: "c", hosts: [] })
  await fact("it is with the new one", () => seen.channel.host === slow.base && seen.replica.revision === 3)
  await fact("the old one was left", () => old.readyState === WebSocket.CLOSED)
  ready.down("changes", step(3, 4))
  await fact("it goes on", () => seen.replica.revision === 4)
})

test("a call that was sent to the old host is answered by it, and the next one goes to the new", async () => {
  const next = await stand({ socket: goOn(1, 2) })
  const draining = await stand({ socket: begin() })
  const seen = follow(draining.url, { transport: "websocket" })
  await live(seen)
  const [old] = draining.seen.sockets
  const waits = seen.channel.call("share.never")
  await fact("it was sent", () => old.frames.length === 1)
  old.down("moving", { urls: [next.base], withinMs: 2_000 })
  await fact("it is with the next", () => seen.channel.host === next.base && seen.channel.state.name === "live")
  assert.equal(await seen.channel.call("share.ping"), "answered")
  assert.equal(next.seen.sockets[0].frames.length, 1)
  old.send(JSON.stringify({ id: old.frames[0].id, ok: true, data: "late" }))
  assert.equal(await waits, "late")
  await fact("the old one was left", () => old.readyState === WebSocket.CLOSED)
})

test("a step that is under way is told to its end before another host is gone to", async () => {
  const next = await stand({ socket: goOn(4, 5) })
  const draining = await stand({ socket: begin() })
  const seen = follow(draining.url, { transport: "websocket" })
  await live(seen)
  const [old] = draining.seen.sockets
  old.down("changes", step(1, 4, true))
  old.down("moving", { urls: [next.base], withinMs: 2_000 })
  await new Promise(done => setTimeout(done, 20))
  assert.equal(next.seen.urls.length, 0)
  const rest = { ...step(1, 4), changes: [] }
  old.down("changes", rest)
  await fact("it is with the next", () => seen.replica.revision === 5)
  assert.deepEqual(next.seen.urls, ["/ws/abc?cursor=4"])
})

test("a host that ends before the next one is there is no pause, and one that knows no other is left at its end", async () => {
  let ready
  const next = await stand({ socket: ws => (ready = ws) })
  const draining = await stand({ socket: begin() })
  const seen = follow(draining.url, { transport: "websocket", backoffMs: 10 })
  await live(seen)
  draining.seen.sockets[0].down("moving", { urls: [next.base], withinMs: 2_000 })
  await fact("the next is being made", () => ready)
  draining.seen.sockets[0].close(1012)
  goOn(1, 2)(ready)
  await fact("it is with the next", () => seen.replica.revision === 2)
  assert.ok(!seen.states.includes("waiting"))
  // Its own URL is tried, behind which another host may be.
  ready.down("moving", { urls: [], withinMs: 2_000 })
  await fact("the same URL was asked again", () => next.seen.urls.length === 2 || draining.seen.urls.length === 2)
})

test("a host that failed a moment ago is gone to when the host in use sends the channel there", async () => {
  const other = await stand({ socket: (ws, n) => goOn(n, n + 1)(ws) })
  const one = await stand({ socket: (ws, n) => (n === 1 ? begin([other.base])(ws) : goOn(2, 3)(ws)) })
  const seen = follow(one.url, { transport: "websocket" })
  await live(seen)
  one.seen.sockets[0].terminate()
  await fact("it is with the other", () => seen.replica.revision === 2)
  other.seen.sockets[0].down("moving", { urls: [one.base], withinMs: 2_000 })
  await fact("it is back", () => seen.replica.revision === 3)
  assert.equal(seen.channel.host, one.base)
  assert.ok(!seen.states.includes("waiting"), seen.states.join())
})

test("the URLs of a list are of one share", () => {
  assert.throws(() => connect(["http://a/share/x", "http://b/share/y"], { WebSocket }), TypeError)
  assert.throws(() => connect([], { WebSocket }), TypeError)
  const hosts = new Set()
  for (let n = 0; n < 50; n += 1) {
    const one = connect(["http://a/share/x", "http://b/share/x"], { WebSocket })
    hosts.add(one.host)
    one.close()
  }
  assert.deepEqual([...hosts].sort(), ["http://a", "http://b"])
})
