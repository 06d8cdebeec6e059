// capnweb on Node with ws: a counter in memory. Ends with its standard input.
import { RpcTarget, newWebSocketRpcSession } from "capnweb";
import { WebSocket, WebSocketServer } from "ws";

// Node has none of its own before 22, and capnweb reads its constants.
globalThis.WebSocket ??= WebSocket;

let count = 0;

class Shares extends RpcTarget {
  syncShare(shareId, secret, data) {
    count += data.length > 0 ? 1 : 0;
    return count;
  }

  probeCallback(callback) {
    return callback("server-called");
  }
}

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), perMessageDeflate: false });
server.on("connection", (socket) => newWebSocketRpcSession(socket, new Shares()));
process.stdin.resume().on("end", () => process.exit(0));
