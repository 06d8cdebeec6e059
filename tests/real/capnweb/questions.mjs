// Asks the server at a URL, with the official client, and says of each question what went wrong, one line of JSON each:
//
//     node questions.mjs ws://127.0.0.1:1234
//
// Each question has a connection of its own. When it is answered, all that it was given is disposed, so that the server can see
// whether anything is left there.
import assert from "node:assert/strict";
import { WebSocket } from "ws";

globalThis.WebSocket = WebSocket;
const { RpcTarget, newWebSocketRpcSession } = await import("capnweb");
const url = process.argv[2];

class Squarer extends RpcTarget {
  square(number) {
    return number * number;
  }
}

class Late extends RpcTarget {
  async square(number) {
    await new Promise((resolve) => setImmediate(resolve));
    return number * number;
  }
}

const questions = {
  "a call is answered": async (api) => assert.equal(await api.square(3), 9),
  "calls made at once get their own answers": async (api, own) => {
    const numbers = [...Array(100).keys()];
    assert.deepEqual(await Promise.all(numbers.map((n) => api.square(n))), numbers.map((n) => n * n));
  },
  "an error has its class and its message": async (api, own) => {
    await assert.rejects(async () => await api.throwError(), (error) => error instanceof RangeError && error.message === "test error");
    assert.equal(await api.square(2), 4);
  },
  "then, catch and finally are called as of any promise": async (api, own) => {
    assert.equal(await api.square(2).then((four) => four + 1), 5);
    assert.equal(await api.throwError().catch((error) => error.message), "test error");
    let times = 0;
    assert.equal(await api.square(5).finally(() => times++), 25);
    await assert.rejects(() => api.throwError().finally(() => times++), RangeError);
    assert.equal(times, 2);
  },
  "a value that cannot be sent is refused at home": async (api, own) => {
    await assert.rejects(async () => await api.square(new Map()), /Cannot serialize value/);
    assert.equal(await api.square(2), 4);
  },
  "a method that is not there rejects": async (api, own) => {
    await assert.rejects(async () => await api.nothing(1), (error) => error instanceof TypeError && /is not a function/.test(error.message));
    assert.equal(await api.nothing, undefined);
  },
  "nothing, undefined and numbers are told apart": async (api, own) => {
    assert.equal(await api.returnNull(), null);
    assert.equal(await api.returnUndefined(), undefined);
    for (const number of [0, -1.5, 2 ** 53, NaN, Infinity, -Infinity]) {
      assert.deepEqual(await api.returnNumber(number), number);
    }
  },
  "an array is an array, and its elements can be read before it is here": async (api, own) => {
    const list = own(await api.generateFibonacci(10));
    assert.deepEqual([...list], [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]);
    assert.equal(await own(api.generateFibonacci(10))[6], 8);
  },
  "a function is called back": async (api, own) => {
    const answer = own(await api.callFunction((number) => number + 1, 5));
    assert.equal(answer.result, 6);
  },
  "a function may answer later": async (api, own) => {
    const answer = own(await api.callFunction(async (number) => (await api.square(number)) + 1, 5));
    assert.equal(answer.result, 26);
  },
  "the error of a function comes back": async (api, own) => {
    const fails = () => {
      throw new TypeError("mine");
    };
    await assert.rejects(async () => await api.callFunction(fails, 1), (error) => error instanceof TypeError && error.message === "mine");
  },
  "an object of the client is called": async (api, own) => {
    for (const object of [new Squarer(), new Late()]) {
      const answer = own(await api.callSquare(object, 4));
      assert.equal(answer.result, 16);
    }
  },
  "an object of the server is given back to it": async (api, own) => {
    const answer = own(await api.callSquare(api, 3));
    assert.equal(answer.result, 9);
  },
  "an object of the server keeps what it knows": async (api, own) => {
    const counter = own(await api.makeCounter(4));
    assert.equal(await counter.increment(), 5);
    assert.equal(await counter.increment(4), 9);
    assert.equal(await counter.value, 9);
    assert.equal(await api.incrementCounter(counter, 2), 11);
  },
  "calls are made on what is not here yet": async (api, own) => {
    const counter = own(api.makeCounter(4));
    const incremented = own(counter.increment(5));
    assert.equal(await counter.value, 9);
    assert.equal(await incremented, 9);
  },
  "what is not here yet is an argument": async (api, own) => {
    const counter = own(api.makeCounter(4));
    const two = own(api.returnNumber(2));
    assert.equal(await api.incrementCounter(counter, two), 6);
    assert.equal(await api.square(own(api.square(own(api.square(2))))), 256);
    assert.equal(await own(api.callSquare(api, own(api.square(2)))).result, 16);
  },
  "the error of an argument is the error of the call": async (api, own) => {
    await assert.rejects(async () => await api.square(own(api.throwError())), RangeError);
    await assert.rejects(async () => await own(api.throwError()).more.of(1), RangeError);
  },
  "an awaited promise as an argument fails that call alone": async (api, own) => {
    const counter = api.makeCounter(1);
    own(await counter);
    await assert.rejects(async () => await api.incrementCounter(counter, 1), /Released/);
    assert.equal(await api.square(2), 4);
  },
  "a call that is disposed of rejects at once": async (api, own) => {
    const call = api.square(2);
    call[Symbol.dispose]();
    await assert.rejects(async () => await call, /disposed/);
  },
  "the main object ends the session when it is disposed of": async (api, own, socket) => {
    assert.equal(await api.square(2), 4);
    api[Symbol.dispose]();
    await new Promise((resolve) => socket.on("close", resolve));
    await assert.rejects(async () => await api.square(2));
  },
};

for (const [question, ask] of Object.entries(questions)) {
  const socket = new WebSocket(url);
  const api = newWebSocketRpcSession(socket);
  const owned = [];
  const own = (value) => (owned.push(value), value);
  let error;
  try {
    await ask(api, own, socket);
  } catch (wrong) {
    error = String(wrong?.stack ?? wrong);
  }
  owned.forEach((value) => value[Symbol.dispose]());
  if (socket.readyState < WebSocket.CLOSING) {
    // All that was said before has arrived when this is answered.
    await api.square(1).catch(() => {});
    const closed = new Promise((resolve) => socket.on("close", resolve));
    socket.close(1000);
    await closed;
  }
  console.log(JSON.stringify({ question, error }));
}
