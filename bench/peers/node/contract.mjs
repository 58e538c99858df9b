/** The load contract on the official server, whatever it runs on. */
export function speakContract(io) {
  io.on("connection", (socket) => {
    socket.on("echo", (data, ack) => ack(data));
    socket.on("broadcast", (data) => io.emit("broadcast", data));
    socket.on("join", (room, ack) => {
      socket.join(room);
      ack();
    });
    socket.on("room", (room, data) => io.to(room).emit("room", data));
  });
}

/** Tells the runner that the server listens. */
export const announce = (port) => console.log(`http://127.0.0.1:${port}`);
