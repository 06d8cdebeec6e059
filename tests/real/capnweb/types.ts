// Compiled under `strict` against the real package and the declarations that a host serves, as share.ts beside this file. Nothing of
// it is run.
import { newWebSocketRpcSession, RpcTarget, type RpcStub } from "capnweb";
import type { PushAction, Share, ShareError, ShareEvent, ShareObserver, ShareRpc, SyncData } from "./share.js";

// As OpenCode has them.
type Data =
  | { type: "session"; data: { id: string; title: string } }
  | { type: "part"; data: { id: string; messageID: string; text?: string } };

class Follower extends RpcTarget implements ShareObserver {
  changed(event: ShareEvent): void {
    for (const change of event.changes) {
      if (change.removed) console.log(change.key, change.revision);
      else console.log(change.type, change.data);
    }
  }
  ended(reason: ShareError): void {
    console.log(reason.code, reason.transient, reason.message);
  }
}

export async function everything(items: Data[]): Promise<void> {
  using api = newWebSocketRpcSession<ShareRpc>("wss://host/rpc/share/web");
  const account: string | null = (await api.hello("types/1")).account;
  const rpc = api.authenticate("captok_");
  const probe = await api.probeValue({ when: new Date(), bytes: new Uint8Array(1), nested: { x: 1 } });
  const when: Date = probe.when;
  const reply: string = await api.probeCallback((message) => `${message}!`);
  const later: string = await api.probeCallback(async (message: string) => message);

  // Without awaiting.
  const promised = rpc.createShare("ses_1", items, { ttlMs: 1000, visibility: "account" });
  promised.share.sync(items);
  const early = await promised.share.read();
  const first: number | null | undefined = early.changes[0]?.removed ? undefined : early.changes[0]?.first;
  await rpc.openShare(promised.id, promised.secret).info();

  using created = await rpc.createShare("ses_1");
  const text: string = created.id + created.url + created.secret;
  const { success, syncCount } = await rpc.syncShare(created.id, created.secret, items, {
    producer: "p",
    epoch: 1,
    sequence: 1,
  });
  const both: [true, number] = [success, syncCount];
  const share: RpcStub<Share> = created.share;
  const expires: Date | null = await share.setExpiry(60_000);
  const visibility: "link" | "account" | "grant" = await share.setVisibility("grant");
  using watch = await share.watch(new Follower());
  using other = await share.watch({ changed: async (event) => console.log(event.revision) }, 7);
  const saved = await share.narrowToRead(new Date()).save("label", new Date());
  const restored = await rpc.restore(saved.token);
  if (restored.right === "read") await restored.view.read(0, 0);
  await share.narrowToWrite().sync([{ type: "remove", data: "message/m" }]);
  for (const grant of await share.grants()) await share.revokeGrant(grant.id);
  const outcome: "agreed" | "expired" | "withdrawn" = (await share.ask("Go on?", ["yes"], 1, 1000)).outcome;
  const { hosts, store } = await rpc.hello();
  const next: [string | undefined, string | null] = [hosts[0], store];
  using registration = await rpc.offerSink((action: PushAction) => {
    if (action.type === "moving") next[0] = action.urls[0];
    return action.type === "ping" ? action.nonce : null;
  });
  const answer: unknown = await rpc.call("procedure", { n: 1 }, 1000);
  const page = await rpc.listShares("", 10, false);
  const title: string | null | undefined = page.shares[0]?.title;
  const own = await rpc.ownShare(created.id).info();
  const created_at: Date = own.createdAt;
  const removed: true = (await share.remove()).success;
  await rpc.deleteShare(created.id, created.secret);
  console.log(account, when, reply, later, first, text, both, expires, visibility, watch, other, outcome, registration);
  console.log(answer, title, created_at, removed, next);

  // @ts-expect-error: there is no such method.
  rpc.nope();
  // @ts-expect-error: a session's id is a string.
  rpc.createShare(1);
  // @ts-expect-error: a writer does not read.
  share.narrowToWrite().read();
  // @ts-expect-error: no such visibility.
  share.setVisibility("all");
  // @ts-expect-error: an item has a type.
  share.sync([{ data: 1 }]);
  // @ts-expect-error: an observer is told changes.
  share.watch({});
}

export const data: SyncData[] = [{ type: "note", data: null }];
