// A Worker that is a client of a host: it makes the calls of the contract, a callback and a watch, and answers with what came of them.
import { newWebSocketRpcSession } from "./capnweb.mjs";

export default {
  async fetch(_request, env) {
    const api = newWebSocketRpcSession(env.HOST);
    const seen = {};
    const value = await api.probeValue({ when: new Date(1_796_000_000_000), bytes: new Uint8Array([1, 2, 3]), nested: { x: 1 } });
    seen.probe = [value.when.getTime(), [...value.bytes], value.nested.x];
    seen.callback = await api.probeCallback((message) => `got ${message}`);

    const created = await api.createShare("ses_worker", [{ type: "message", data: { id: "m", role: "user" } }]);
    let heard;
    const hears = new Promise((resolve) => (heard = resolve));
    // The state comes first, then what is new.
    const watch = await created.share.watch({ changed: (event) => event.revision === 2 && heard(event.revision) }, 1);
    const part = { type: "part", data: { id: "p", messageID: "m", type: "text", text: "hello" } };
    const { success, syncCount } = await api.syncShare(created.id, created.secret, [part]);
    seen.sync = [success, syncCount];
    seen.heard = await hears;
    watch.watch?.[Symbol.dispose]?.();

    seen.deleted = (await api.deleteShare(created.id, created.secret)).success;
    seen.refused = await api.syncShare(created.id, created.secret, [part]).catch((error) => error.message.split(":")[0]);
    return Response.json(seen);
  },
};
