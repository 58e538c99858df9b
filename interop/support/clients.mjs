// The official clients, from the first to the last, behind one set of words.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { io } from "socket.io-client";
import { once, within } from "./wait.mjs";

const require = createRequire(import.meta.url);

/**
 * `old`: Engine.IO 3, in the main namespace without asking, refusals come as `error`.
 * `query`: how a namespace's query is told, which is `auth` to us: in its address, or not at all.
 * `wideTexts`: whether texts beyond ASCII survive polling. The first clients encode them twice there, which no server
 * since Socket.IO 2 takes back.
 * `knowsId`: whether it is told its id in other namespaces than the main one.
 * `recovers`: whether it finds its old socket again after it lost its connection.
 */
export const CLIENTS = [
  { version: "1.4.8", io: require("socket.io-client-1.4"), old: true, query: false, wideTexts: false, knowsId: false },
  { version: "1.7.4", io: require("socket.io-client-1.7"), old: true, query: true, wideTexts: false, knowsId: false },
  { version: "2.5.0", io: require("socket.io-client-2"), old: true, query: true, wideTexts: true, knowsId: true },
  { version: "3.1.3", io: require("socket.io-client-3"), old: false, query: false, wideTexts: true, knowsId: true },
  { version: "4.8.4", io, old: false, query: false, wideTexts: true, knowsId: true, recovers: true },
];

/** Resolves with all values of the acknowledgement. */
export function answers(socket, event, ...args) {
  const answer = new Promise((resolve) => socket.emit(event, ...args, (...got) => resolve(got)));
  return within(5000, answer, `the ack of "${event}"`);
}

/** Resolves with the first value of the acknowledgement. */
export async function ask(socket, event, ...args) {
  return (await answers(socket, event, ...args))[0];
}

/** Resolves with the arguments of the next `event` from the server, without its offset. */
export async function next(socket, event, options) {
  return withoutOffset(await once(socket, event, options));
}

/**
 * Collects what an event brings from now on, without its offset: the argument, or the list of them if there are several.
 * Volatile events and questions have none: `{ offset: false }`.
 */
export function collect(socket, event, { offset = true } = {}) {
  const heard = [];
  socket.on(event, (...args) => {
    const told = offset ? withoutOffset(args) : args;
    heard.push(told.length === 1 ? told[0] : told);
  });
  return heard;
}

/** With recovery on, every event that is kept ends with its offset, a text. */
function withoutOffset(args) {
  assert.equal(typeof args.at(-1), "string", "the last argument is the offset");
  return args.slice(0, -1);
}

export async function connected(socket) {
  if (!socket.connected) await once(socket, "connect");
  return socket;
}

/** Resolves when everything that was emitted to this socket before has arrived. */
export async function settled(...sockets) {
  await Promise.all(sockets.map((socket) => ask(socket, "id")));
}

export const numbers = (n) => Array.from({ length: n }, (_, i) => i);
