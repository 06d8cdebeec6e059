// A Socket.IO server with its defaults. A viewer says by `?room=` what it follows; POST /pub/ROOM sends its body to a room.
import { createServer } from "node:http"
import { Server } from "socket.io"

const http = createServer((request, response) => {
  const room = request.url.slice("/pub/".length)
  const pieces = []
  request.on("data", (piece) => pieces.push(piece))
  request.on("end", () => {
    io.to(room).emit("event", Buffer.concat(pieces).toString())
    response.writeHead(204).end()
  })
})
const io = new Server(http, { serveClient: false })
io.on("connection", (socket) => socket.join(socket.handshake.query.room))
http.keepAliveTimeout = 3_600_000
http.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 })
