// Records what the npm package capnweb says on the wire, client and server, for the scenes below:
//
//     npm install --prefix /tmp/capnweb capnweb@0.12.0
//     node record.mjs /tmp/capnweb/node_modules/capnweb > ../../data/capnweb/0.12.0.jsonl
//
// One line a scene: {"scene": name, "frames": [["->", from the client], ["<-", from the server], ...]}. The server's methods are
// those of tests/it/capnweb/app.rs, whose answers a test compares with the recorded ones.
import path from "node:path";
import { pathToFileURL } from "node:url";

const entry = path.resolve(process.argv[2], "dist/index.js");
globalThis.WebSocket ??= class {};
const { RpcSession, RpcTarget } = await import(pathToFileURL(entry));

class Counter extends RpcTarget {
  #count;
  constructor(count) {
    super();
    this.#count = count;
  }
  increment(by = 1) {
    return (this.#count += by);
  }
  get value() {
    return this.#count;
  }
}

class Main extends RpcTarget {
  #kept;
  #waiting = [];
  hello(name) {
    return `hi ${typeof name === "string" ? name : ""}`;
  }
  square(number) {
    return number * number;
  }
  echo(value) {
    return value;
  }
  wrap(value) {
    return { value: typeof value === "function" ? value.dup() : value };
  }
  fail(message) {
    throw Object.assign(new RangeError(message), { code: "E_FAIL" });
  }
  make(count) {
    return new Counter(count);
  }
  both() {
    return { a: new Counter(1), b: new Counter(2) };
  }
  increment(counter, by) {
    return counter.increment(by);
  }
  call(fn, ...args) {
    return fn(...args);
  }
  probeCallback(fn) {
    return fn("server-called");
  }
  notify(fn, ...args) {
    fn(...args)[Symbol.dispose]();
  }
  keep(fn) {
    this.#kept = fn.dup();
  }
  ring(value) {
    return this.#kept(value);
  }
  drop() {
    this.#kept[Symbol.dispose]();
  }
  wait() {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
  go(value) {
    this.#waiting.splice(0).forEach((resolve) => resolve(value));
  }
}

// Two ends of a pipe, each a transport of the package's own kind.
function pipe(frames) {
  const end = (mark) => {
    const queue = [];
    let wake;
    const push = (frame) => (wake ? (wake(frame), (wake = undefined)) : queue.push(frame));
    return { mark, push, receive: () => (queue.length ? Promise.resolve(queue.shift()) : new Promise((r) => (wake = r))) };
  };
  const [client, server] = [end("->"), end("<-")];
  client.send = async (frame) => (frames.push(["->", frame]), server.push(frame));
  server.send = async (frame) => (frames.push(["<-", frame]), client.push(frame));
  return [client, server];
}

const swallow = (promise) => promise.then((value) => value, () => undefined);

const scenes = {
  hello: (api) => api.hello("x"),
  values: async (api) => {
    for (const value of [null, undefined, true, -1.5, NaN, Infinity, -Infinity, "ä😀\"\\\n\u0001", [], [[1]], {}, { a: [{ b: [] }] }]) {
      await api.echo(value);
    }
  },
  special: async (api) => {
    await api.echo(new Date(1700000000123));
    await api.echo(new Date(0.5));
    await api.echo(12345678901234567890n);
    for (let length = 1; length < 5; length++) {
      await api.echo(new Uint8Array([255, 254, 253, 252]).subarray(0, length));
    }
    await api.echo({ when: new Date(0), list: [new Date(1), { deep: [{ deeper: [1n] }] }] });
    await api.echo(new TypeError("mine"));
  },
  members: async (api) => {
    await api.both.nothing;
    await swallow(api.nope());
    await api.wrap({ a: { b: "c" } }).value.a.b;
  },
  fails: async (api) => {
    await swallow(api.fail("f"));
    await swallow(api.fail("f").then((x) => x));
    await swallow(api.hello(api.fail("g")));
    await swallow(api.fail("h").more());
  },
  objects: async (api) => {
    const counter = await api.make(5);
    await counter.increment(2);
    await counter.value;
    await api.increment(counter, 3);
    counter[Symbol.dispose]();
    const both = await api.both();
    await Promise.all([both.a.increment(), both.b.increment(4)]);
    both[Symbol.dispose]();
    await api.hello("after");
  },
  pipelined: async (api) => {
    await api.make(1).increment(4);
    await api.square(api.square(3));
    await api.hello(api.wrap("p").value);
    const counter = api.make(1);
    await Promise.all([counter.increment(), counter.increment(10), api.increment(counter, 100)]);
    counter[Symbol.dispose]();
    await api.hello("after");
  },
  unawaited: async (api) => {
    api.square(1);
    api.square(2);
    await api.hello("after");
  },
  callbacks: async (api) => {
    await api.probeCallback((text) => `${text}!`);
    await api.call(async (a, b) => ({ sum: a + b }), 1, 2);
    await swallow(api.call(() => { throw new RangeError("mine"); }));
    await swallow(api.call((inner) => inner, "text"));
    await api.echo("after");
  },
  kept: async (api) => {
    let count = 0;
    await api.keep((by) => (count += by));
    await api.ring(1);
    await api.ring(2);
    await api.drop();
    await api.hello("after");
  },
  told: async (api) => {
    const heard = new Promise((resolve) => swallow(api.notify(resolve, "note")));
    await heard;
    await api.hello("after");
  },
  returned: async (api) => {
    const wrapped = await api.wrap((x) => x * 2);
    await wrapped.value(4);
    wrapped[Symbol.dispose]();
    await api.hello("after");
  },
  refused: async (api) => {
    await swallow(api.hello(() => 1));
    await swallow(api.nope(() => 1));
    await api.hello("after");
  },
  waited: async (api) => {
    const waiting = api.wait();
    const settled = swallow(waiting);
    await api.hello("meanwhile");
    await api.go("late");
    await settled;
  },
  // Here capshare's sessions do otherwise, on purpose: see the test.
  through_an_array: (api) => swallow(api.wrap({ list: [5, { a: 1 }] }).value.list[1].a),
  given_up: async (api) => {
    const waiting = api.wait();
    swallow(waiting);
    await api.hello("meanwhile");
    waiting[Symbol.dispose]();
    await api.go("late");
  },
};

for (const [scene, play] of Object.entries(scenes)) {
  const frames = [];
  const [client, server] = pipe(frames);
  new RpcSession(server, new Main());
  const api = new RpcSession(client).getRemoteMain();
  await play(api);
  // What is still on its way is in memory: a turn of the event loop moves all of it.
  await new Promise((resolve) => setTimeout(resolve, 20));
  console.log(JSON.stringify({ scene, frames }));
}
process.exit(0);
