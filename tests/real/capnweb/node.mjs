// The scene in Node, by one version of the package: node node.mjs VERSION URL TOKEN
import { WebSocket } from "ws";
import { scene } from "./scene.mjs";

// Node has a WebSocket of its own from 22 on.
globalThis.WebSocket ??= WebSocket;
const [version, url, token] = process.argv.slice(2);
const capnweb = await import(version === "0.12.0" ? "capnweb" : `capnweb-${version}`);
await scene({ capnweb, url, token, session: `ses_${version}`, hasMembers: version === "0.12.0" });
process.exit(0);
