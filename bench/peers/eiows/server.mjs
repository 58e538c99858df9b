// socket.io on Node with eiows as a contestant: its documentation's one option, and nothing else but defaults.
import { createServer } from "node:http";
import eiows from "eiows";
import { Server } from "socket.io";
import { announce, speakContract } from "../node/contract.mjs";

/** This eiows doesn't tell text from binary, as Engine.IO expects since `ws` 8, and takes its memory back after the call. */
class WsEngine extends eiows.Server {
  handleUpgrade(request, socket, head, callback) {
    super.handleUpgrade(request, socket, head, (webSocket) => {
      const on = webSocket.on.bind(webSocket);
      webSocket.on = (event, listener) => on(event, event === "message" ? (data) => deliver(data, listener) : listener);
      callback(webSocket);
    });
  }
}

/** Both as "binary": that has Engine.IO take the data as it is. */
function deliver(data, listener) {
  if (typeof data === "string") listener(data, true);
  else listener(Buffer.from(new Uint8Array(data)), true);
}

const port = Number(process.argv[2]);
const http = createServer();
speakContract(new Server(http, { wsEngine: WsEngine }));
http.listen(port, "127.0.0.1", () => announce(port));
