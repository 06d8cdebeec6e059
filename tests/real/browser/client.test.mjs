// /client.js as it is shipped, against a server that does what networks do: it refuses, goes silent, cuts, and loses answers.
// Run by tests/it/browser.rs with the file's URL in CLIENT.
import assert from "node:assert/strict"
import { createServer } from "node:http"
import { afterEach, test } from "node:test"
import { WebSocket, WebSocketServer } from "ws"

const { ChannelError, Replica, connect } = await import(process.env.CLIENT)

/** Quick enough for a test, slow enough to see the order of things. */
const QUICK = { WebSocket, backoffMs: 2, backoffMaxMs: 8, callTimeoutMs: 20_000 }
const open = []

afterEach(async () => {
  for (const end of open.splice(0).reverse()) await end()
})

/** A host as the viewer sees it: what it does with each socket, stream and post is the scene's; `instead` answers in its place. */
async function host({ socket, stream, post, instead } = {}) {
  const seen = { sockets: 0, streams: 0, urls: [], posts: [], live: new Set(), most: 0, headers: [], instead: 0, stops: [] }
  const http = createServer(async (request, response) => {
    const answer = instead?.(request, seen)
    if (answer) {
      seen.instead += 1
      response.writeHead(answer.status, answer.headers).end(answer.body)
      return
    }
    if (request.method === "POST") {
      let body = ""
      for await (const piece of request) body += piece
      const frame = JSON.parse(body)
      seen.posts.push(frame)
      const answer = post?.(frame, request) ?? { id: frame.id, ok: true, data: frame.input ?? null }
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer))
      return
    }
    seen.streams += 1
    seen.urls.push(request.url)
    seen.headers.push(request.headers)
    if (!stream) return void response.writeHead(404, { "content-type": "application/json" }).end('{"error":{"code":"NotFound","message":"gone"}}')
    response.writeHead(200, { "content-type": "text/event-stream" })
    seen.stops.push(() => response.destroy())
    stream(response, seen.streams)
  })
  const sockets = new WebSocketServer({ noServer: true })
  http.on("upgrade", (request, raw, head) => {
    seen.sockets += 1
    seen.urls.push(request.url)
    const answer = instead?.(request, seen)
    if (answer) {
      seen.instead += 1
      const headers = Object.entries(answer.headers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`).join("")
      return void raw.end(`HTTP/1.1 ${answer.status} Whatever\r\n${headers}Connection: close\r\n\r\n${answer.body ?? ""}`)
    }
    if (!socket) return void raw.destroy()
    sockets.handleUpgrade(request, raw, head, ws => {
      seen.live.add(ws)
      seen.most = Math.max(seen.most, seen.live.size)
      ws.on("close", () => seen.live.delete(ws))
      ws.frames = []
      ws.down = frame => ws.send(JSON.stringify(frame))
      ws.on("message", data => ws.frames.push(JSON.parse(data)))
      socket(ws, seen.sockets, request)
    })
  })
  await new Promise(done => http.listen(0, "127.0.0.1", done))
  open.push(() => new Promise(done => {
    for (const ws of seen.live) ws.terminate()
    http.closeAllConnections()
    http.close(done)
  }))
  return { seen, url: `http://127.0.0.1:${http.address().port}/share/abc` }
}

function channel(url, options) {
  const channel = connect(url, { ...QUICK, ...options })
  open.push(() => channel.close())
  return channel
}

const once = (channel, event, fits = () => true) =>
  new Promise(done => {
    const off = channel.on(event, payload => fits(payload) && (off(), done(payload)))
  })
const live = channel => (channel.state.name === "live" ? Promise.resolve() : once(channel, "state", state => state.name === "live"))
const step = (base, revision, changes, more = false) => ({ base, revision, syncCount: revision, more, changes })
const put = (key, revision, value = revision) => ({ key, revision, type: "part", value })
const ready = (revision, channel = "ch1") => ({ event: "ready", payload: { revision, channel } })
const begin = ws => (ws.down({ event: "snapshot", payload: step(0, 1, [put("a", 1)]) }), ws.down(ready(1)))
const sse = (response, event, payload, id) => response.write(`event: ${event}\ndata: ${JSON.stringify(payload)}\n${id === undefined ? "" : `id: ${id}\n`}\n`)
const fact = async (what, holds) => {
  for (const end = Date.now() + 20_000; !holds(); ) {
    assert.ok(Date.now() < end, `not within 20 s: ${what}`)
    await new Promise(done => setImmediate(done))
  }
}

test("one handle holds one socket, however many listeners and calls", async () => {
  const { seen, url } = await host({
    socket: ws => {
      begin(ws)
      ws.on("message", data => {
        const { id, input } = JSON.parse(data)
        ws.down({ id, ok: true, data: input })
      })
    },
  })
  const one = channel(url)
  let told = 0
  for (let n = 0; n < 50; n += 1) one.on("snapshot", () => (told += 1))
  // Calls made before there is a connection wait for it, and start none of their own.
  const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => one.call("share.echo", { n })))
  assert.deepEqual(answers.map(({ n }) => n), Array.from({ length: 40 }, (_, n) => n))
  await fact("all heard the snapshot", () => told === 50)
  assert.deepEqual([seen.sockets, seen.most], [1, 1])
})

test("after 5 attempts without a frame it falls back to SSE and POST, and keeps its listeners", async () => {
  let response
  const { seen, url } = await host({
    stream: (to, n) => {
      response = to
      to.write(": hello\n\n")
      sse(to, "snapshot", step(0, 3, [put("a", 2), put("b", 3)]))
      sse(to, "ready", { revision: 3, channel: `stream-${n}` }, 3)
    },
  })
  const one = channel(url, { token: "capgrant_x", input: { room: "r" } })
  const replica = new Replica()
  one.on("snapshot", payload => replica.apply("snapshot", payload))
  one.on("changes", payload => replica.apply("changes", payload))
  const states = []
  one.on("state", state => states.push(state.name === "connecting" ? state.transport : state.name))
  await live(one)
  assert.deepEqual([seen.sockets, seen.streams], [5, 1])
  assert.deepEqual(states.filter(state => state !== "waiting"), [...Array(5).fill("websocket"), "sse", "live"])
  // The same listeners hear what comes now.
  sse(response, "changes", step(3, 4, [put("a", 4)]), 4)
  await fact("the change came", () => replica.revision === 4)
  assert.equal(replica.items.get("a").value, 4)
  // Calls go by POST, and name the stream; the token is in a header and in no URL.
  assert.deepEqual(await one.call("share.echo", { x: 1 }), { x: 1 })
  assert.equal(seen.posts[0].channel, "stream-1")
  assert.equal(seen.headers[0].authorization, "Bearer capgrant_x")
  assert.ok(seen.urls.every(url => !url.includes("capgrant")), seen.urls.join())
  assert.deepEqual(JSON.parse(new URL(seen.urls[0], url).searchParams.get("input")), { room: "r" })
})

test("a host that is away for long is found again, whichever way it opens first", async () => {
  let up = false
  const { seen, url } = await host({ socket: ws => (up ? begin(ws) : ws.terminate()), stream: response => (up ? sse(response, "ready", { revision: 0 }) : response.destroy()) })
  const one = channel(url)
  await fact("both ways were tried", () => seen.sockets >= 7 && seen.streams >= 2)
  up = true
  await live(one)
})

test("it goes on from the revision that it reached", async () => {
  const { seen, url } = await host({
    socket: (ws, n) => {
      if (n === 1) {
        begin(ws)
        ws.down({ event: "changes", payload: step(1, 5, [put("b", 5)]) })
        // Half of a step is nothing to go on from.
        ws.send(JSON.stringify({ event: "changes", payload: step(5, 9, [put("c", 6)], true) }), () => ws.terminate())
      } else {
        ws.down({ event: "changes", payload: step(5, 9, [put("c", 6), put("d", 9)]) })
        ws.down(ready(9))
      }
    },
  })
  const one = channel(url)
  const replica = new Replica()
  one.on("snapshot", payload => replica.apply("snapshot", payload))
  one.on("changes", payload => replica.apply("changes", payload))
  await fact("all of it is here", () => replica.revision === 9)
  assert.deepEqual([...replica.items.keys()], ["a", "b", "c", "d"])
  assert.deepEqual(seen.urls, ["/ws/abc", "/ws/abc?cursor=5"])
})

test("half a snapshot is begun again from nothing", async () => {
  const { seen, url } = await host({
    socket: (ws, n) => {
      if (n === 1) ws.send(JSON.stringify({ event: "snapshot", payload: step(0, 9, [put("a", 1)], true) }), () => ws.terminate())
      else begin(ws)
    },
  })
  const one = channel(url, { cursor: 4 })
  await live(one)
  assert.deepEqual(seen.urls, ["/ws/abc?cursor=4", "/ws/abc"])
})

test("a call whose connection is lost is rejected, and one after it is served", async () => {
  const { url } = await host({
    socket: (ws, n) => {
      begin(ws)
      ws.on("message", data => (n === 1 ? ws.terminate() : ws.down({ id: JSON.parse(data).id, ok: true, data: "served" })))
    },
  })
  const one = channel(url)
  await live(one)
  await assert.rejects(one.call("share.ping"), error => error instanceof ChannelError && error.code === "Disconnected" && error.transient)
  assert.equal(await one.call("share.ping"), "served")
})

test("a refusal of the host rejects its call with the host's words", async () => {
  const { url } = await host({
    socket: ws => {
      begin(ws)
      ws.on("message", data => ws.down({ id: JSON.parse(data).id, ok: false, error: { code: "InvalidInput", message: "no such choice", transient: false } }))
    },
  })
  const one = channel(url)
  await assert.rejects(one.call("share.answer", {}), error => error.code === "InvalidInput" && error.message === "no such choice")
  assert.notEqual(one.state.name, "closed")
})

test("a private share's token is the first thing said on a socket, and calls wait until it is answered", async () => {
  let socket
  let told
  const { url } = await host({
    socket: (ws, _, request) => {
      socket = ws
      told = request.url
      ws.on("message", async data => {
        // Whatever is said before the answer comes too early.
        if (ws.frames.length === 1) await new Promise(done => setImmediate(() => setImmediate(done)))
        if (ws.frames[0].procedure !== "share.authenticate" || (ws.frames.length > 1 && !ws.known)) return ws.close(4001)
        ws.known = true
        ws.down({ id: JSON.parse(data).id, ok: true, data: null })
        if (ws.frames.length === 1) begin(ws)
      })
    },
  })
  const one = channel(url, { token: "capgrant_x" })
  await one.call("share.info")
  assert.deepEqual(socket.frames.map(({ procedure, input }) => [procedure, input]), [["share.authenticate", { token: "capgrant_x" }], ["share.info", undefined]])
  assert.equal(told, "/ws/abc?auth=inband")
})

test("a token that is refused ends the channel", async () => {
  const { seen, url } = await host({
    socket: ws => ws.on("message", data => ws.down({ id: JSON.parse(data).id, ok: false, error: { code: "Unauthorized", message: "no", transient: false } })),
  })
  const one = channel(url, { token: "wrong" })
  const { error } = await once(one, "state", state => state.name === "closed")
  assert.equal(error.code, "Unauthorized")
  assert.equal(seen.sockets, 1)
})

for (const [code, name] of [[1000, "NotFound"], [4001, "Unauthorized"], [4004, "LimitExceeded"]]) {
  test(`after close code ${code} it does not come back`, async () => {
    const { seen, url } = await host({ socket: ws => (begin(ws), ws.close(code)) })
    const one = channel(url)
    const { error } = await once(one, "state", state => state.name === "closed")
    assert.equal(error.code, name)
    assert.equal(seen.sockets, 1)
    await assert.rejects(one.call("share.ping"), { code: "Closed" })
  })
}

for (const code of [1001, 1008, 1011, 1012, 1013]) {
  test(`after close code ${code}, which a proxy may send, it comes back`, async () => {
    const { seen, url } = await host({ socket: (ws, n) => (begin(ws), n < 3 && ws.close(code)) })
    const one = channel(url)
    const waits = []
    one.on("state", state => state.name === "waiting" && waits.push(state.retryInMs))
    await fact("it came back twice", () => seen.sockets === 3)
    await live(one)
    assert.equal(waits.length, 2)
  })
}

const HTML = { "content-type": "text/html" }
const JSON_TYPE = { "content-type": "application/json" }
const TEXT = { "content-type": "text/plain; charset=utf-8" }
/** How proxies answer while their host is away, most of them by default. */
const PROXIES = {
  "Traefik without a router": { status: 404, headers: TEXT, body: "404 page not found\n" },
  "nginx's 404": { status: 404, headers: HTML, body: "<html><title>404 Not Found</title></html>" },
  "nginx's 403": { status: 403, headers: HTML, body: "<html><title>403 Forbidden</title></html>" },
  "nginx's 400": { status: 400, headers: HTML, body: "<html></html>" },
  "a login in front": { status: 302, headers: { location: "/login" } },
  "a login's refusal": { status: 401, headers: { ...HTML, "www-authenticate": "Basic" }, body: "<html></html>" },
  "a page for the time being": { status: 200, headers: HTML, body: "<html>back soon</html>" },
  "Kong without a route": { status: 404, headers: JSON_TYPE, body: '{"message":"no Route matched with those values"}' },
  "an error that is not ours": { status: 403, headers: JSON_TYPE, body: '{"error":{"code":"AccessDenied","message":"no"}}' },
  "JSON of no shape": { status: 404, headers: JSON_TYPE, body: "null" },
  "a bare 426": { status: 426 },
  "a method that it does not know": { status: 405, headers: HTML, body: "" },
  "what is gone for good": { status: 410, headers: HTML, body: "<html></html>" },
  "Envoy without a healthy host": { status: 503, headers: TEXT, body: "no healthy upstream" },
  "a bad gateway": { status: 502, headers: HTML, body: "<html></html>" },
  "too many": { status: 429 },
}

for (const transport of ["auto", "sse", "websocket"]) {
  for (const [name, answer] of Object.entries(PROXIES)) {
    test(`S126: ${name} is away, by ${transport}`, async () => {
      let away = false
      const { seen, url } = await host({
        instead: () => (away ? answer : undefined),
        socket: begin,
        stream: response => (sse(response, "snapshot", step(0, 1, [put("a", 1)])), sse(response, "ready", { revision: 1, channel: "ch1" })),
      })
      const one = channel(url, { transport, backoffMs: 1, backoffMaxMs: 2, callTimeoutMs: 500 })
      await live(one)
      away = true
      for (const ws of seen.live) ws.terminate()
      for (const stop of seen.stops.splice(0)) stop()
      // Both ways are tried again and again.
      await fact("it tries on", () => seen.instead >= 12)
      assert.notEqual(one.state.name, "closed")
      away = false
      await live(one)
    })
  }
}

test("S126: the host's own refusal ends it, whichever way it is told", async () => {
  const refused = { status: 404, headers: JSON_TYPE, body: '{"error":{"code":"NotFound","message":"there is no share","transient":false}}' }
  const { seen, url } = await host({ instead: () => refused })
  const one = channel(url)
  const { error } = await once(one, "state", state => state.name === "closed")
  // A browser is not told why its WebSocket is refused, so the stream of events is asked.
  assert.deepEqual([error.code, error.message, seen.sockets], ["NotFound", "there is no share", 5])
})

test("S126: a refusal of what a proxy redirects to is no refusal of the share", async () => {
  let away = true
  const { seen, url } = await host({
    instead: ({ url }) =>
      !away ? undefined
      : url === "/login" ? { status: 404, headers: JSON_TYPE, body: '{"error":{"code":"RouteMismatch","message":"no","transient":false}}' }
      : PROXIES["a login in front"],
    stream: response => sse(response, "ready", { revision: 0, channel: "ch1" }),
  })
  const one = channel(url, { transport: "sse" })
  await fact("it was redirected again and again", () => seen.instead >= 6)
  assert.notEqual(one.state.name, "closed")
  away = false
  await live(one)
})

test("S126: what the host refuses for a while only, it is asked again", async () => {
  const busy = { status: 429, headers: JSON_TYPE, body: '{"error":{"code":"LimitExceeded","message":"too often","transient":false}}' }
  const { url } = await host({
    instead: (_, { instead }) => (instead < 9 ? busy : undefined),
    socket: begin,
    stream: response => sse(response, "ready", { revision: 0, channel: "ch1" }),
  })
  await live(channel(url))
})

test("S126: a stream of events that a proxy answers 502 on the way back is opened again", async () => {
  const { seen, url } = await host({
    instead: (_, { streams, instead }) => (streams === 1 && instead === 0 ? PROXIES["a bad gateway"] : undefined),
    stream: (response, n) => {
      sse(response, "snapshot", step(0, 1, [put("a", 1)]))
      response.write(`event: ready\ndata: {"revision":1,"channel":"ch${n}"}\n\n`, () => n === 1 && response.destroy())
    },
  })
  const one = channel(url, { transport: "sse" })
  await fact("the stream was opened again", () => seen.streams === 2)
  await live(one)
  assert.equal(seen.instead, 1)
})

test("a call that a proxy answers in the host's place may or may not have been carried out", async () => {
  const { url } = await host({
    instead: request => (request.method === "POST" ? PROXIES["nginx's 403"] : undefined),
    stream: response => sse(response, "ready", { revision: 0, channel: "ch1" }),
  })
  const one = channel(url, { transport: "sse" })
  await live(one)
  await assert.rejects(one.call("share.ping"), error => error.code === "Disconnected" && error.transient && /a proxy answered 403/.test(error.message))
})

test("a channel may begin by server-sent events, and finds WebSocket from there", async () => {
  const { seen, url } = await host({ stream: response => sse(response, "ready", { revision: 0, channel: "ch1" }) })
  const one = channel(url, { first: "sse" })
  await live(one)
  assert.deepEqual([one.state.transport, seen.sockets, seen.streams], ["sse", 0, 1])
  const other = await host({ socket: begin, instead: request => (request.headers.upgrade ? undefined : PROXIES["nginx's 403"]) })
  const two = channel(other.url, { first: "sse" })
  await live(two)
  assert.equal(two.state.transport, "websocket")
})

test("an error of the host that may pass is an end of the connection, one that stays an end of the channel", async () => {
  const { seen, url } = await host({
    socket: (ws, n) => {
      begin(ws)
      ws.down({ event: "__error", payload: n === 1 ? { code: "StorageFailure", message: "", transient: true } : { code: "NotFound", message: "deleted", transient: false } })
    },
  })
  const one = channel(url)
  const { error } = await once(one, "state", state => state.name === "closed")
  assert.deepEqual([error.code, error.message, seen.sockets], ["NotFound", "deleted", 2])
})

test("close rejects what waits, and nothing comes after it", async () => {
  const { seen, url } = await host({ socket: begin })
  const one = channel(url)
  await live(one)
  const call = one.call("share.ping")
  const states = []
  one.on("state", state => states.push(state.name))
  one.close()
  await assert.rejects(call, { code: "Closed" })
  await fact("the socket is gone", () => seen.live.size === 0)
  one.close()
  assert.deepEqual(states, ["closed"])
  assert.equal(seen.sockets, 1)
})

test("calls have a bound, and a time", async () => {
  const { url } = await host({ socket: begin })
  const one = channel(url, { callTimeoutMs: 50 })
  const calls = Array.from({ length: 64 }, () => one.call("share.ping"))
  await assert.rejects(one.call("share.ping"), { code: "TooManyCalls" })
  for (const end of await Promise.allSettled(calls)) assert.equal(end.reason.code, "Timeout")
})

test("a connection that is silent is given up", async () => {
  const { seen, url } = await host({ socket: (ws, n) => n > 1 && begin(ws) })
  await live(channel(url, { silenceMs: 40 }))
  assert.equal(seen.sockets, 2)
})

test("the waits double up to their longest, with jitter", async () => {
  const { url } = await host({})
  const one = channel(url, { backoffMs: 4, backoffMaxMs: 20, transport: "websocket" })
  const waits = []
  one.on("state", state => state.name === "waiting" && waits.push(state.retryInMs))
  await fact("eight attempts", () => waits.length >= 8)
  waits.slice(0, 8).forEach((wait, n) => {
    const longest = Math.min(20, 4 * 2 ** n)
    assert.ok(wait >= Math.floor(longest / 2) && wait <= longest, `${waits}`)
  })
})

test("it comes back at once when the network does", async () => {
  const listeners = {}
  globalThis.addEventListener = (name, fn) => (listeners[name] = fn)
  globalThis.removeEventListener = () => {}
  open.push(() => (delete globalThis.addEventListener, delete globalThis.removeEventListener))
  const { seen, url } = await host({ socket: (ws, n) => (n === 1 ? ws.terminate() : begin(ws)) })
  const one = channel(url, { backoffMs: 60_000, backoffMaxMs: 60_000 })
  await once(one, "state", state => state.name === "waiting")
  listeners.online()
  // While an attempt is under way another word of it starts none.
  listeners.online()
  await live(one)
  assert.equal(seen.sockets, 2)
})

test("a listener that throws harms neither the others nor the channel", async () => {
  const { url } = await host({ socket: begin })
  const one = channel(url)
  const thrown = new Promise(done => (globalThis.reportError = done))
  open.push(() => delete globalThis.reportError)
  one.on("snapshot", () => {
    throw new Error("mine")
  })
  const heard = once(one, "snapshot")
  await heard
  await live(one)
  assert.equal((await thrown).message, "mine")
})

test("a replica forgets nothing before the new state is whole", () => {
  const replica = new Replica()
  replica.apply("snapshot", step(0, 2, [put("a", 1), put("b", 2)]))
  replica.apply("snapshot", { ...step(0, 9, [put("a", 8)], true), resync: "removals-forgotten" })
  assert.deepEqual([...replica.items.keys(), replica.revision], ["a", "b", 2])
  const touched = replica.apply("changes", step(0, 9, [put("c", 9)]))
  assert.deepEqual([...replica.items.keys(), replica.revision, touched.all], ["a", "c", 9, true])
  replica.apply("changes", step(9, 10, [{ key: "a", revision: 10, removed: true }, { ...put("d", 10), first: 4 }]))
  assert.deepEqual([...replica.items.keys()], ["c", "d"])
  assert.equal(replica.items.get("d").first, 4)
})

test("a replica that begins with a document holds what the document and the channel told, whichever came first", () => {
  const replica = new Replica()
  const placed = (key, revision, place, more = {}) => ({ key, revision, place, first: 1, type: "part", value: { text: `${key}…` }, ...more })
  replica.begin(5, 5)
  assert.equal(replica.revision, 5)
  replica.add([placed("d", 5, 4), placed("c", 3, 3, { size: 900 })])
  // Told while the rest is on its way: more of one that is short, a newer value and a removal of what is not here yet.
  replica.apply("changes", step(5, 6, [{ key: "c", revision: 6, type: "part", base: 3, patch: [{ path: "/text", append: "!" }] }, put("e", 6)]))
  replica.apply("changes", step(6, 7, [put("b", 7), { key: "a", revision: 7, removed: true }]))
  replica.add([placed("b", 2, 2), placed("a", 2, 1), placed("z", 1, 0)], true)
  const held = [...replica.items.values()].sort((one, other) => one.order - other.order)
  assert.deepEqual(held.map(({ key, revision }) => [key, revision]), [["z", 1], ["b", 7], ["c", 6], ["d", 5], ["e", 6]])
  assert.deepEqual([replica.items.get("c").value, replica.items.get("c").size], [{ text: "c…" }, 900])
  assert.throws(() => replica.apply("changes", step(7, 8, [{ key: "d", revision: 8, type: "part", base: 4, patch: [] }])), /not held as of 4/)
  // It is whole: what is removed and comes again is new.
  replica.apply("changes", step(7, 8, [{ key: "z", revision: 8, removed: true }]))
  replica.apply("changes", step(8, 9, [put("z", 9)]))
  assert.equal(replica.items.get("z").first, 9)
})

test("addresses: a page's, a socket's, below a path; and what is none", () => {
  for (const [text, id] of [["http://h/share/abc", "abc"], ["wss://h/deep/er/ws/abc", "abc"], ["https://h/x/events/abc/", "abc"]]) {
    const one = connect(text, QUICK)
    assert.equal(one.id, id)
    one.close()
  }
  assert.throws(() => connect("http://h/elsewhere", QUICK), TypeError)
  assert.throws(() => connect("abc", QUICK), TypeError)
})

const patch = (key, base, revision, ...patch) => ({ key, revision, type: "part", base, patch })
const long = "All work and no play makes Jack a dull boy. "

test("a patch makes the new value and leaves what it is not about as it is", () => {
  const replica = new Replica()
  const value = { id: "a", text: long, list: [{ x: 1 }, { y: "a~/b" }], state: { "a/b": 1, "~": 2 }, time: { start: 1 } }
  const before = structuredClone(value)
  replica.apply("snapshot", step(0, 1, [{ ...put("a", 1, value), first: 1 }]))
  replica.apply("changes", step(1, 2, [{
    ...patch("a", 1, 2,
      { path: "/text", append: "\"more\"" },
      { path: "/list/1/y", append: "!" },
      { path: "/list", append: [3, null] },
      { path: "/state/a~1b", value: null },
      { path: "/state/~0", removed: true },
      { path: "/time/end", value: 2 },
    ),
    first: 1,
  }]))
  const item = replica.items.get("a")
  assert.deepEqual(item.value, {
    id: "a", text: `${long}"more"`, list: [{ x: 1 }, { y: "a~/b!" }, 3, null], state: { "a/b": null }, time: { start: 1, end: 2 },
  })
  assert.deepEqual([item.revision, item.first, replica.revision], [2, 1, 2])
  assert.deepEqual(value, before, "what was shown is not changed in place")
  assert.equal(item.value.list[0], value.list[0])
  // The value itself may be a text or a list.
  replica.apply("changes", step(2, 3, [put("b", 3, "a"), put("c", 3, [1])]))
  replica.apply("changes", step(3, 4, [patch("b", 3, 4, { path: "", append: "b" }), patch("c", 3, 4, { path: "", append: [2] }), patch("a", 2, 4)]))
  assert.deepEqual(["b", "c"].map(key => replica.items.get(key).value), ["ab", [1, 2]])
  assert.equal(replica.items.get("a").value, item.value)
  // What is here already does nothing a second time.
  replica.apply("changes", step(3, 4, [patch("b", 3, 4, { path: "", append: "b" })]))
  assert.equal(replica.items.get("b").value, "ab")
})

test("names that mean something to the language are names like others", () => {
  const replica = new Replica()
  const value = JSON.parse('{"__proto__":{"text":"a"},"constructor":"b","in":{}}')
  replica.apply("snapshot", step(0, 1, [put("a", 1, value)]))
  replica.apply("changes", step(1, 2, [patch("a", 1, 2,
    { path: "/__proto__/text", append: "!" },
    { path: "/constructor", append: "!" },
    { path: "/toString", value: 1 },
    { path: "/in/__proto__", value: { x: 1 } },
  )]))
  const made = replica.items.get("a").value
  assert.equal(JSON.stringify(made), '{"__proto__":{"text":"a!"},"constructor":"b!","in":{"__proto__":{"x":1}},"toString":1}')
  assert.equal(Object.getPrototypeOf(made), Object.prototype)
  assert.equal(Object.getPrototypeOf(made.in), Object.prototype)
})

/** Patches that no host makes of what is held: `{ text, list, none }` of revision 1. */
const WRONG = {
  "of another revision": patch("a", 3, 4, { path: "/text", append: "!" }),
  "of an item that is not held": patch("z", 1, 4, { path: "/text", append: "!" }),
  "to a member that is not there": patch("a", 1, 4, { path: "/gone", append: "!" }),
  "below one that is not there": patch("a", 1, 4, { path: "/gone/far", value: 1 }),
  "below a text": patch("a", 1, 4, { path: "/text/0", value: 1 }),
  "below null": patch("a", 1, 4, { path: "/none/x", value: 1 }),
  "to an inherited name": patch("a", 1, 4, { path: "/toString/name", append: "!" }),
  "to the prototype": patch("a", 1, 4, { path: "/__proto__/polluted", value: 1 }),
  "a list put to a text": patch("a", 1, 4, { path: "/text", append: [1] }),
  "a text put to a list": patch("a", 1, 4, { path: "/list", append: "!" }),
  "an element past the end": patch("a", 1, 4, { path: "/list/1", value: 1 }),
  "an element that is none": patch("a", 1, 4, { path: "/list/length", value: 9 }),
  "an element taken out": patch("a", 1, 4, { path: "/list/0", removed: true }),
  "a member taken out that is not there": patch("a", 1, 4, { path: "/gone", removed: true }),
  "no operation": patch("a", 1, 4, { path: "/text" }),
  "no place": patch("a", 1, 4, { path: "text", append: "!" }),
  "no path": patch("a", 1, 4, { append: "!" }),
  "nothing": { ...patch("a", 1, 4), patch: null },
}

test("a patch that does not fit is not applied, and the share is told anew", async () => {
  const wrongs = Object.entries(WRONG)
  const { seen, url } = await host({
    socket: (ws, n) => {
      ws.down({ event: "snapshot", payload: step(0, 1, [put("a", 1, { text: "held", list: [1], none: null })]) })
      ws.down(ready(1))
      const wrong = wrongs[n - 1]?.[1]
      if (!wrong) return
      ws.down({ event: "changes", payload: step(1, 4, [put("b", 4, n), wrong]) })
      // What comes after it is not told any more.
      ws.down({ event: "changes", payload: step(4, 5, [put("after", 5)]) })
    },
  })
  const one = channel(url)
  const replica = new Replica()
  const told = []
  one.on("snapshot", payload => replica.apply("snapshot", payload))
  one.on("changes", payload => replica.apply("changes", payload))
  one.on("changes", ({ revision }) => told.push(revision))
  await fact("each wrong patch was answered by coming again", () => seen.sockets === wrongs.length + 1)
  await live(one)
  assert.ok(seen.urls.every(address => address === "/ws/abc"), `from nothing: ${seen.urls}`)
  assert.deepEqual(told, wrongs.map(() => 4))
  assert.deepEqual([...replica.items].map(([key, { value }]) => [key, value]), [["a", { text: "held", list: [1], none: null }]])
  assert.equal(replica.revision, 1)
  assert.equal({}.polluted, undefined)
})

test("whoever keeps no values asks for them whole", async () => {
  const { seen, url } = await host({ socket: ws => (begin(ws), seen.sockets === 1 && ws.terminate()) })
  const one = channel(url, { values: "whole" })
  await fact("it came back", () => seen.sockets === 2)
  await live(one)
  assert.deepEqual(seen.urls, ["/ws/abc?values=whole", "/ws/abc?cursor=1&values=whole"])
})
