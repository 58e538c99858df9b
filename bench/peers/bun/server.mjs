// socket.io on Bun with its own engine as a contestant: bound as its documentation says, and nothing but defaults.
import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";
import { announce, speakContract } from "../node/contract.mjs";

const port = Number(process.argv[2]);
const engine = new Engine({ path: "/socket.io/" });
const io = new Server();
io.bind(engine);
speakContract(io);
Bun.serve({ ...engine.handler(), port, hostname: "127.0.0.1" });
announce(port);
