// The Durable Object of worker.mjs in workerd, with R2 emulated by miniflare. Ends with its standard input.
import { readFileSync } from "node:fs";
import { Miniflare } from "miniflare";

const miniflare = new Miniflare({
  host: "127.0.0.1",
  port: Number(process.argv[2]),
  compatibilityDate: "2025-10-01",
  modules: [
    { type: "ESModule", path: "worker.mjs", contents: readFileSync("worker.mjs", "utf8") },
    { type: "ESModule", path: "capnweb.mjs", contents: readFileSync("node_modules/capnweb/dist/index-workers.js", "utf8") },
  ],
  durableObjects: { SHARES: "ShareObject" },
  r2Buckets: ["BUCKET"],
});
await miniflare.ready;
process.stdin.resume().on("end", () => miniflare.dispose().then(() => process.exit(0)));
