// socket.io on uWebSockets.js as a contestant: attached as its documentation says, and nothing but defaults.
import { Server } from "socket.io";
import uws from "uwebsockets";
import { announce, speakContract } from "../node/contract.mjs";

const port = Number(process.argv[2]);
const app = uws.App();
const io = new Server();
io.attachApp(app);
speakContract(io);
app.listen("127.0.0.1", port, (listening) => {
  if (!listening) throw new Error(`port ${port} is taken`);
  announce(port);
});
