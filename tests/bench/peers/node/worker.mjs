// A share as the original design has it: a Durable Object whose sync reads the share's record from R2, writes the data and the
// record, and tells the other connections.
import { DurableObject } from "cloudflare:workers";
import { RpcTarget, newWorkersWebSocketRpcResponse } from "./capnweb.mjs";

class Shares extends RpcTarget {
  constructor(object) {
    super();
    this.object = object;
  }

  syncShare(shareId, secret, data) {
    return this.object.sync(shareId, data);
  }

  probeCallback(callback) {
    return callback("server-called");
  }
}

export class ShareObject extends DurableObject {
  watchers = new Set();

  async fetch(request) {
    return newWorkersWebSocketRpcResponse(request, new Shares(this));
  }

  async sync(shareId, data) {
    const key = `share/${shareId}.json`;
    const stored = await this.env.BUCKET.get(key);
    const record = stored ? await stored.json() : { syncCount: 0 };
    record.syncCount += 1;
    await this.env.BUCKET.put(`data/${shareId}/${record.syncCount % 500}.json`, data);
    await this.env.BUCKET.put(key, JSON.stringify(record));
    for (const watcher of this.watchers) watcher(data);
    return record.syncCount;
  }
}

export default {
  fetch(request, env) {
    return env.SHARES.get(env.SHARES.idFromName("share")).fetch(request);
  },
};
