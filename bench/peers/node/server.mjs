// socket.io on Node with ws as a contestant: the load contract, and nothing but defaults.
import { createServer } from "node:http";
import { Server } from "socket.io";

const port = Number(process.argv[2]);
const http = createServer();
const io = new Server(http);

io.on("connection", (socket) => {
  socket.on("echo", (data, ack) => ack(data));
  socket.on("broadcast", (data) => io.emit("broadcast", data));
  socket.on("join", (room, ack) => {
    socket.join(room);
    ack();
  });
  socket.on("room", (room, data) => io.to(room).emit("room", data));
});

http.listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${port}`));
