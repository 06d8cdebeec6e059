// Runs worker.mjs in workerd against a host, and compares what it saw. By hand, as workerd alone has 100 MB:
//
//     capshare serve --store memory: --open &
//     npm ci && node run.mjs ws://127.0.0.1:7420/rpc/share/web
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Miniflare } from "miniflare";

const module = (path, file) => ({ type: "ESModule", path, contents: readFileSync(file, "utf8") });
const miniflare = new Miniflare({
  compatibilityDate: "2025-10-01",
  bindings: { HOST: process.argv[2] },
  modules: [module("worker.mjs", "worker.mjs"), module("capnweb.mjs", "node_modules/capnweb/dist/index-workers.js")],
});
try {
  const answer = await miniflare.dispatchFetch("http://worker/");
  assert.deepEqual(await answer.json(), {
    probe: [1_796_000_000_000, [1, 2, 3], 1],
    callback: "got server-called",
    sync: [true, 2],
    heard: 2,
    deleted: true,
    refused: "NotFound",
  });
  console.log("a Worker makes every call");
} finally {
  await miniflare.dispose();
}
