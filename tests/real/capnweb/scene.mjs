// All verbs of the Cap'n Web door, called by the real package: in Node (node.mjs) and in a browser (browser.mjs).

/** Fails unless the two are equal, by their JSON. */
function same(got, wanted, what) {
  const [one, other] = [got, wanted].map((value) => JSON.stringify(value));
  if (one !== other) throw new Error(`${what}: got ${one}, wanted ${other}`);
}

/** Fails unless it holds. */
function holds(fact, what) {
  if (!fact) throw new Error(what);
}

/** The error that a promise is rejected with. */
async function error(promise, what) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`${what}: no error`);
}

/** Waits until a fact holds. */
async function until(fact, what) {
  for (let n = 0; !fact(); n++) {
    if (n > 6000) throw new Error(`${what} did not come`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** An event of a share without what differs from run to run. */
const told = ({ base, revision, changes }) => ({ base, revision, keys: changes.map((change) => change.key) });

/**
 * Calls everything on a host that knows the account `ann` by `token`. `has_members`: whether the version shows members of errors.
 */
export async function scene({ capnweb, url, token, session, hasMembers }) {
  const { newWebSocketRpcSession, RpcTarget } = capnweb;
  // Before 0.8 the members of errors are dropped, and the error of an abort comes inside an object of the package's own.
  const words = (error) => error.message ?? error.value?.message ?? String(error);
  const code = (error) => (hasMembers ? error.code : words(error).split(":")[0]);
  const open = newWebSocketRpcSession(url);

  // Without a credential there are the probes, and a way to show one.
  const value = { when: new Date(1796000000123), bytes: new Uint8Array([0, 1, 254]), nested: { x: 1.5 } };
  const back = await open.probeValue(value);
  same([back.when.getTime(), [...back.bytes], back.nested], [1796000000123, [0, 1, 254], { x: 1.5 }], "probeValue");
  same(await open.probeCallback((message) => `${message}!`), "server-called!", "probeCallback");
  const thrown = await error(open.probeCallback(() => { throw new RangeError("no"); }), "a callback that throws");
  same([thrown.name, thrown.message], ["RangeError", "no"], "the callback's own error");
  same(code(await error(open.listShares(), "listShares")), "Unauthorized", "a stranger's call");
  same(code(await error(open.authenticate("wrong").listShares(), "a wrong token")), "Unauthorized", "a wrong token");

  // One round trip: nothing is awaited before the last.
  const first = open.authenticate(token).createShare(`${session}-trip`, [{ type: "session", data: { id: "s" } }]);
  first.share.sync([{ type: "message", data: { id: "m" } }]);
  const trip = await first.share.read();
  same(trip.changes.map((change) => change.key), ["session", "message/m"], "pipelined");

  // The plain form.
  const api = open.authenticate(token);
  same((await api.hello("scene")).account, "ann", "hello");
  const created = await api.createShare(session, [{ type: "session", data: { id: "ses", list: [[1], [], { a: [null] }] } }]);
  same([created.syncCount, created.revision, created.existed], [1, 1, false], "createShare");
  holds(/^[a-z2-7]{26}$/.test(created.id) && created.url.endsWith(`/share/${created.id}`), "id and url");
  const part = (id, text) => ({ type: "part", data: { id, messageID: "m", text } });
  const { success, syncCount } = await api.syncShare(created.id, created.secret, [part("p", "half \ud83d")]);
  same({ success, syncCount }, { success: true, syncCount: 2 }, "syncShare");
  const wrong = await error(api.syncShare(created.id, "wrong", []), "a wrong secret");
  same(code(wrong), "InvalidSecret", "a wrong secret");
  // The facts of a refusal are members of its error; a version that drops those has them in the words.
  if (hasMembers) same([wrong.id, wrong.transient], [created.id, false], "the facts of a refusal");
  else holds(wrong.message.includes(created.id), wrong.message);
  const undefinedMember = await error(api.syncShare(created.id, created.secret, [part("p", undefined)]), "undefined");
  same(code(undefinedMember), "InvalidInput", "undefined in an item");
  holds(undefinedMember.message.includes("undefined"), undefinedMember.message);
  const stamp = { producer: "scene", epoch: 1, sequence: 1 };
  await api.syncShare(created.id, created.secret, [part("q", "1")], stamp);
  same((await api.syncShare(created.id, created.secret, [part("q", "1")], stamp)).duplicate, true, "a stamp");

  // Shares as objects.
  const share = created.share;
  const read = await share.read();
  same(read.changes[0].data, { id: "ses", list: [[1], [], { a: [null] }] }, "an item comes back");
  same(read.changes[1].data.text, "half \ufffd", "half a pair");
  const info = await api.openShare(created.id, created.secret).info();
  holds(info.createdAt instanceof Date && info.expiresAt === null, "info");
  same([info.sessionId, info.itemCount, info.visibility], [session, 3, "link"], "info");
  same((await api.ownShare(created.id).info()).id, created.id, "ownShare");
  same((await api.viewShare(created.id).read(2)).changes.map((change) => change.key), ["part/m/q"], "viewShare");
  const page = await api.listShares("", 100);
  holds(page.shares.some((listed) => listed.id === created.id && listed.account === "ann"), "listShares");
  holds((await share.setExpiry(3_600_000)) instanceof Date, "setExpiry");
  same(await share.setExpiry(null), null, "setExpiry");
  same(await share.setVisibility("account"), "account", "setVisibility");

  // Observers are kept after the call that gave them, until their watch is disposed of.
  const events = [];
  class Observer extends RpcTarget {
    changed(event) { events.push(told(event)); }
    ended(reason) { events.push(code(reason)); }
  }
  const plain = [];
  const watch = await share.watch(new Observer());
  const plainWatch = await share.watch({ changed: (event) => { plain.push(told(event)); } }, 3);
  await until(() => events.length === 1 && plain.length === 0, "the state");
  await share.sync([part("r", "1")]);
  await until(() => events.length === 2 && plain.length === 1, "a change");
  same(plain, [{ base: 3, revision: 4, keys: ["part/m/r"] }], "a watch from a revision");
  plainWatch[Symbol.dispose]();
  await share.sync([{ type: "remove", data: "part/m/r" }]);
  await until(() => events.length === 3, "a removal");
  same(plain.length, 1, "a disposed watch");
  same(code(await error(share.watch(() => 1), "a function as observer")), "InvalidInput", "a function is no observer");

  // Narrowing, tokens.
  const writer = await share.narrowToWrite();
  same((await writer.sync([part("w", "1")])).success, true, "narrowToWrite");
  holds((await error(writer.read(), "a writer's read")).message.includes("is not a function"), "a writer does not read");
  const saved = await share.narrowToRead(new Date(Date.now() + 3_600_000)).save("scene");
  const restored = await api.restore(saved.token);
  same([restored.right, (await restored.view.info()).id], ["read", created.id], "restore");
  same((await share.grants()).map((grant) => [grant.id, grant.right]), [[saved.grantId, "read"]], "grants");
  await share.revokeGrant(saved.grantId);
  same(code(await error(restored.view.info(), "a revoked view")), "Unauthorized", "revokeGrant");
  const asked = await share.ask("Go on?", ["yes", "no"], 1, 50);
  same([asked.outcome, asked.choice], ["expired", null], "ask");

  // The host calls back; a service's procedure does so within a call.
  const pushes = [];
  const registration = await api.offerSink((action) => {
    pushes.push(action.type);
    if (action.type === "ping") return action.nonce;
    return action.type === "custom" ? { twice: action.data.n * 2 } : undefined;
  });
  same(await api.call("double", { n: 21 }), { twice: 42 }, "call and push back");
  same(code(await error(api.call("nothing"), "an unknown procedure")), "UnknownProcedure", "an unknown procedure");
  registration[Symbol.dispose]();
  const lost = await error(api.call("double", { n: 1 }), "a withdrawn sink");
  same(code(lost), "CallFailed", "a withdrawn sink");
  same(pushes, ["custom"], "pushes");

  // What a program does wrong fails alone.
  holds((await error(api.nope(), "nope")).message.includes("is not a function"), "an unknown method");
  const promise = api.createShare(session);
  await promise;
  const late = await error(api.viewShare(promise.id), "an awaited promise as an argument");
  holds(late.message.includes("pass the awaited value"), late.message);

  // Deleting ends what follows.
  same(await api.deleteShare(created.id, created.secret), { success: true }, "deleteShare");
  await until(() => events.at(-1) === "NotFound", "the end of a watch");
  same(code(await error(share.read(), "a deleted share")), "NotFound", "a deleted share");
  same(code(await error(api.deleteShare(created.id, created.secret), "a second delete")), "NotFound", "a second delete");
  watch[Symbol.dispose]();

  // The end: the host closes, and everybody who waits is told why.
  const broken = new Promise((resolve) => api.onRpcBroken(resolve));
  const closing = error(api.call("close me"), "a call that is cut off");
  const [reason, cut] = await Promise.all([broken, closing]);
  for (const last of [reason, cut]) holds(/an administrator/.test(words(last)), `the end is told: ${words(last)}`);
  same(code(cut), "Unauthorized", "the end has a name");
}
