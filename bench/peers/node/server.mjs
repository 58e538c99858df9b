// socket.io on Node with ws as a contestant: the load contract, and nothing but defaults.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { announce, speakContract } from "./contract.mjs";

const port = Number(process.argv[2]);
const http = createServer();
speakContract(new Server(http));
http.listen(port, "127.0.0.1", () => announce(port));
