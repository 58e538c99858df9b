// Writes the golden vectors of this folder: what the npm packages write, recorded by a client that is no Redis, beside
// what it means, told by hand.
//
// In an empty folder:
//   npm i --legacy-peer-deps --ignore-scripts @socket.io/redis-adapter@8.3.0 @socket.io/redis-streams-adapter@0.3.1 \
//     @socket.io/redis-emitter@5.1.0 socket.io@4.8.4 socket.io-adapter@2.5.8 notepack.io@3.0.1 @msgpack/msgpack@2.8.0 \
//     redis-adapter-7@npm:@socket.io/redis-adapter@7.2.0 socket.io-redis-5@npm:socket.io-redis@5.4.0 \
//     socket.io-emitter-3@npm:socket.io-emitter@3.2.0
//   node <here>/generate.mjs

import { writeFileSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(join(process.cwd(), "x.js"));
const here = dirname(fileURLToPath(import.meta.url));

// Ids that are the same in every run.
const crypto = require("crypto");
let drawn = 0;
crypto.randomBytes = (length) => Buffer.from(Array.from({ length }, (_, i) => (drawn * 11 + i * 29) & 0xff), drawn++);
crypto.pseudoRandomBytes = crypto.randomBytes;
const CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const bytesOf = (length) => Array.from({ length }, (_, i) => ((drawn - 1) * 11 + i * 29) & 0xff);
const lastShortId = () => bytesOf(6).map((byte) => CHARACTERS[byte % 64]).join("");
const lastLongId = () => Buffer.from(bytesOf(8)).toString("hex");

const { Server } = require("socket.io");
const { createAdapter, createShardedAdapter } = require("@socket.io/redis-adapter");
const { createAdapter: createStreamsAdapter } = require("@socket.io/redis-streams-adapter");
const { Emitter } = require("@socket.io/redis-emitter");
const notepack = require("notepack.io");

const version = (name) => JSON.parse(readFileSync(join(process.cwd(), "node_modules", name, "package.json"))).version;
const forever = new Promise(() => {});
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

/** A client like that of npm's `redis`. It keeps what is sent; three servers seem to be there. */
class Recorder {
  sent = [];
  subscribed = [];
  on() {}
  duplicate() { return new Recorder(); }
  async connect() {}
  listenerCount() { return 2; }
  pSubscribe(pattern) { this.subscribed.push(pattern); }
  subscribe(channels) { this.subscribed.push(...[channels].flat()); }
  sSubscribe(channel) { this.subscribed.push(channel); }
  sUnsubscribe() {}
  async publish(channel, payload) { this.sent.push({ channel, bytes: hex(payload) }); }
  async sPublish(channel, payload) { this.sent.push({ channel, bytes: hex(payload) }); }
  async xAdd(stream, id, entry) { this.sent.push({ stream, entry: { ...entry } }); return "1-0"; }
  async sendCommand([, , channel]) { return [channel, "3"]; }
  async set(key, value) { this.sent.push({ key, value }); }
  xRead() { return forever; }
}
const hex = (payload) => Buffer.from(payload).toString("hex");

/** A socket, as far as adapters look at one. */
function addSocket(nsp, id, rooms, data = {}, answer = undefined) {
  const acks = new Map();
  nsp.sockets.set(id, {
    id, data, acks, rooms: new Set([id, ...rooms]),
    handshake: { headers: { "user-agent": "é" }, time: "now", issued: 1700000000000, auth: { token: "t" }, sessionStore: {} },
    join() {}, leave() {}, disconnect() {}, notifyOutgoingListeners() {},
    client: { writeToEngine() { acks.forEach((ack) => ack(answer)); } },
  });
  nsp.adapter.addAll(id, new Set([id, ...rooms]));
}
const HANDSHAKE = { headers: { "user-agent": "é" }, time: "now", issued: 1700000000000, auth: { token: "t" } };

const bytes = (...list) => ({ $bytes: Buffer.from(list).toString("hex") });
const to = (...rooms) => ({ rooms, except: [] });
const ALL = { rooms: null, except: [] };

/** Everything that values can be; what JSON makes of some of it, and MessagePack of the rest. */
const VALUES = [
  null, true, false, 0, -0, 1, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, 9007199254740991, -1, -32, -33, -128,
  -129, -32768, -32769, -2147483648, -2147483649, -9007199254740991, 0.5, -1.25, 0.1 + 0.2, 1e-7, 5e-324,
  123456.789, "", "é€😀", "\"\\/\b\f\n\r\t\u0000\u001f\u007f\u2028", "x".repeat(31), "x".repeat(32), "x".repeat(255), "é".repeat(200),
  [], {}, [[[]]], { b: 1, a: { "ключ": [1, { c: null }] }, "": 0 }, Array.from({ length: 16 }, (_, i) => i),
  Object.fromEntries(Array.from({ length: 16 }, (_, i) => ["k" + i, i])),
];
const DATE = new Date(1700000000123);
const DATE_TEXT = "2023-11-14T22:13:20.123Z";

/** What the file says about each message. `rewritten` is false where our own bytes differ on purpose. */
class Vectors {
  messages = [];
  add(name, recorded, from, namespace, message, extra = {}) {
    if (recorded.length !== 1) throw new Error(`${name}: ${recorded.length} messages`);
    this.messages.push({ name, ...recorded[0], from, namespace, message, ...extra });
  }
}
const take = (...recorders) => recorders.flatMap((recorder) => recorder.sent.splice(0));

const broadcast = (event, to = ALL, flags = {}, more = {}) => ({ kind: "broadcast", event, to, flags, ...more });

/** Broadcasts, as every adapter publishes them. */
async function broadcasts(add, io, nsp) {
  const cases = [
    ["to everybody", () => nsp.emit("hello"), broadcast(["hello"])],
    ["to one room", () => nsp.to("news").emit("hello", 1), broadcast(["hello", 1], to("news"))],
    ["to several rooms", () => nsp.to(["a", "b"]).to("é€😀").emit("hello"), broadcast(["hello"], to("a", "b", "é€😀"))],
    ["except rooms", () => nsp.except(["a", "b"]).emit("hello"), broadcast(["hello"], { rooms: null, except: ["a", "b"] })],
    ["to a room except another", () => nsp.to("a").except("b").emit("hello"), broadcast(["hello"], { rooms: ["a"], except: ["b"] })],
    ["to a room of 20 characters", () => nsp.to("twenty characters 20").emit("hello"), broadcast(["hello"], to("twenty characters 20"))],
    ["volatile", () => nsp.volatile.emit("hello"), broadcast(["hello"], ALL, { volatile: true })],
    ["not compressed", () => nsp.compress(false).emit("hello"), broadcast(["hello"], ALL, { compress: false })],
    ["volatile and compressed, with a time", () => nsp.volatile.compress(true).timeout(1500).emit("hello"),
      broadcast(["hello"], ALL, { volatile: true, compress: true, timeout: 1500 })],
    ["with values", () => nsp.emit("values", ...VALUES), broadcast(["values", ...VALUES])],
    ["with bytes", () => nsp.to("a").emit("bytes", Buffer.from([0, 1, 255]), { deep: [new Uint8Array([7])] }, Buffer.alloc(0)),
      broadcast(["bytes", bytes(0, 1, 255), { deep: [bytes(7)] }, bytes()], to("a"))],
    ["with long bytes", () => nsp.emit("bytes", Buffer.alloc(256, 1)),
      broadcast(["bytes", bytes(...Buffer.alloc(256, 1))])],
    ["with bytes and values", () => nsp.emit("both", Buffer.from([1]), ...VALUES), broadcast(["both", bytes(1), ...VALUES])],
    ["with an id", () => nsp.adapter.broadcast({ type: 2, data: ["hello"], id: 7 }, { rooms: new Set(["sid"]), except: new Set(), flags: {} }),
      broadcast(["hello"], to("sid"), {}, { id: 7 })],
    ["with a name that is a number", () => nsp.emit(1, 2), broadcast(["1", 2]), { rewritten: false }],
    ["to a room that is a number", () => nsp.to(5).emit("hello"), broadcast(["hello"], to("5")), { rewritten: false }],
    ["to rooms that nobody is in", () => nsp.to(null).emit("hello"), broadcast(["hello"], to()), { rewritten: false }],
    ["with undefined and a date", () => nsp.emit("odd", undefined, { a: undefined, b: 1 }, DATE, [undefined]),
      broadcast(["odd", null, { b: 1 }, DATE_TEXT, [null]]), { rewritten: false }],
    ["with undefined, a date and bytes", () => nsp.emit("odd", undefined, { b: 1 }, DATE, [undefined], Buffer.from([1])),
      broadcast(["odd", null, { b: 1 }, DATE_TEXT, [null], bytes(1)]), { rewritten: false }],
  ];
  for (const [name, act, message, extra] of cases) {
    act();
    await settled();
    add("broadcast " + name, message, extra);
  }
}

// The classic format.

async function classic() {
  const vectors = new Vectors();
  const subscriptions = [];
  for (const [key, name, response] of [["socket.io", "/", false], ["mine", "/chat", true]]) {
    const [pub, sub, io] = [new Recorder(), new Recorder(), new Server()];
    io.adapter(createAdapter(pub, sub, { key, publishOnSpecificResponseChannel: response }));
    const nsp = io.of(name);
    const adapter = nsp.adapter;
    adapter.uid = "k3Fz-_";
    subscriptions.push({ key, namespace: name, channels: sub.subscribed.map((channel) => channel.replace(/#[^#]{6}#$/, "#k3Fz-_#")) });
    const add = (label, message, extra) => vectors.add(label, take(pub), "k3Fz-_", name, message, extra);
    await broadcasts(add, io, nsp);

    nsp.to("a").timeout(1000).emit("ask", 1, Buffer.from([1]), () => {});
    await settled();
    add("broadcast with answers", broadcast(["ask", 1, bytes(1)], to("a"), { timeout: 1000 }, { request: lastShortId() }));
    nsp.in("a").except("c").socketsJoin(["b", "é"]);
    add("join", { kind: "join", to: { rooms: ["a"], except: ["c"] }, rooms: ["b", "é"] });
    nsp.socketsLeave("b");
    add("leave", { kind: "leave", to: ALL, rooms: ["b"] });
    nsp.in("a").disconnectSockets();
    add("disconnect", { kind: "disconnect", to: to("a"), close: false });
    nsp.disconnectSockets(true);
    add("disconnect with close", { kind: "disconnect", to: ALL, close: true });
    nsp.in("a").fetchSockets().catch(() => {});
    await settled();
    add("request for sockets", { kind: "fetch", to: to("a"), request: lastShortId() });
    adapter.allRooms().catch(() => {});
    await settled();
    add("request for rooms", { kind: "allRooms", request: lastShortId() });
    nsp.serverSideEmit("hello", ...VALUES);
    add("server-side event", { kind: "serverSideEmit", event: ["hello", ...VALUES] });
    nsp.serverSideEmit("hello", Buffer.from([1, 2]));
    add("server-side event with bytes", { kind: "serverSideEmit", event: ["hello", { type: "Buffer", data: [1, 2] }] });
    nsp.serverSideEmit("ask", 1, () => {});
    await settled();
    add("server-side event with answers", { kind: "serverSideEmit", event: ["ask", 1], request: lastShortId() });

    // Answers. The one that is alone on a list without type is asked for as nodes of version 7 do.
    addSocket(nsp, "sid1", ["a", "b"], { name: "é", n: 1.5 }, Buffer.from([9, 9]));
    addSocket(nsp, "sid2", [], {}, { ok: true });
    nsp.on("ask", (argument, answer) => answer(argument));
    const ask = async (request) => {
      adapter.onrequest(adapter.requestChannel, request instanceof Buffer ? request : Buffer.from(JSON.stringify(request)));
      await settled();
    };
    const answer = (label, message, extra) => vectors.add(label, take(pub), "", name, message, { asker: response ? "asker_" : null, ...extra });
    await ask({ uid: "asker_", requestId: "req001", type: 0, rooms: ["a"] });
    answer("socket ids", { kind: "ids", request: "req001", ids: ["sid1"] });
    await ask({ uid: "asker_", requestId: "req002", type: 1 });
    answer("rooms", { kind: "rooms", request: "req002", rooms: ["sid1", "a", "b", "sid2"] });
    for (const [type, label] of [[2, "join"], [3, "leave"], [4, "disconnect"]]) {
      await ask({ uid: "asker_", requestId: "req003", type, sid: "sid1", room: "x" });
      answer(label + " done", { kind: "done", request: "req003" });
    }
    await ask({ uid: "asker_", requestId: "req004", type: 5, opts: { rooms: [], except: [] } });
    answer("sockets", {
      kind: "sockets", request: "req004", sockets: [
        { id: "sid1", handshake: HANDSHAKE, rooms: ["sid1", "a", "b"], data: { name: "é", n: 1.5 } },
        { id: "sid2", handshake: HANDSHAKE, rooms: ["sid2"], data: {} },
      ],
    });
    await ask({ uid: "asker_", requestId: "req005", type: 5, opts: { rooms: ["nowhere"], except: [] } });
    answer("no sockets", { kind: "sockets", request: "req005", sockets: [] });
    await ask({ uid: "asker_", requestId: "req006", type: 6, data: ["ask", { deep: ["é", 1.5] }] });
    answer("answer to a server-side event", { kind: "serverSideAnswer", request: "req006", answer: { deep: ["é", 1.5] } });
    await ask({ uid: "asker_", requestId: "req007", type: 6, data: ["ask", undefined] });
    answer("empty answer to a server-side event", { kind: "serverSideAnswer", request: "req007", answer: null });
    const question = (requestId, room) => notepack.encode({ uid: "asker_", requestId, type: 7, packet: { type: 2, data: ["x"], nsp: name }, opts: { rooms: [room], except: [], flags: {} } });
    for (const [room, label, value] of [["sid1", "bytes", bytes(9, 9)], ["sid2", "an object", { ok: true }]]) {
      await ask(question("req008", room));
      const [client, count] = take(pub);
      vectors.add(`answer of a client: ${label}`, [client], "", name, { kind: "clientAnswer", request: "req008", answer: value }, { asker: response ? "asker_" : null });
      vectors.add(`count of clients beside ${label}`, [count], "", name, { kind: "clientCount", request: "req008", count: 1 }, { asker: response ? "asker_" : null });
    }
  }

  // Version 7, which asked for sockets one by one.
  const [pub7, sub7, io7] = [new Recorder(), new Recorder(), new Server()];
  io7.adapter(require("redis-adapter-7").createAdapter(pub7, sub7));
  const seven = io7.of("/").adapter;
  seven.uid = "SEVEN7";
  const add7 = async (label, message) => {
    await settled();
    const recorded = take(pub7);
    const { requestId } = JSON.parse(Buffer.from(recorded[0].bytes, "hex"));
    vectors.add("version 7: " + label, recorded, "SEVEN7", "/", message(requestId));
  };
  seven.serverCount = async () => 3;
  seven.sockets(new Set(["a"])).catch(() => {});
  await add7("request for socket ids", (request) => ({ kind: "socketIds", to: to("a"), request }));
  seven.sockets(new Set()).catch(() => {});
  await add7("request for all socket ids", (request) => ({ kind: "socketIds", to: ALL, request }));
  seven.remoteJoin("sid1", "x").catch(() => {});
  await add7("join of one socket", (request) => ({ kind: "ordered", request, order: { kind: "join", to: to("sid1"), rooms: ["x"] } }));
  seven.remoteLeave("sid1", "x").catch(() => {});
  await add7("leave of one socket", (request) => ({ kind: "ordered", request, order: { kind: "leave", to: to("sid1"), rooms: ["x"] } }));
  seven.remoteDisconnect("sid1", true).catch(() => {});
  await add7("disconnect of one socket", (request) => ({ kind: "ordered", request, order: { kind: "disconnect", to: to("sid1"), close: true } }));

  // Broadcasts of version 5, for servers of version 2. It wants to be asked for its exceptions.
  const pub5 = new Recorder();
  const Five = require("socket.io-redis-5")({ pubClient: pub5, subClient: { psubscribe() {}, subscribe() {}, on() {} } });
  const five = new Five({ name: "/", connected: {}, server: { encoder: { encode() {} } } });
  const uid5 = five.uid;
  const add5 = (label, message) => vectors.add("version 5: " + label, take(pub5), uid5, "/", message, { rewritten: false });
  five.broadcast({ type: 2, data: ["hello", { a: undefined }] }, { rooms: ["a"], flags: {} });
  add5("broadcast", broadcast(["hello", {}], to("a")));
  five.broadcast({ type: 5, data: ["hello", Buffer.from([1]), new Uint8Array([2]).buffer] }, { except: ["sid"], rooms: [], flags: { volatile: true } });
  add5("broadcast with bytes", broadcast(["hello", bytes(1), bytes(2)], { rooms: null, except: ["sid"] }, { volatile: true }));

  // Emitters.
  const recorder = new Recorder();
  const emitter = new Emitter(recorder).of("chat");
  const addEmitted = (label, message, from = "emitter", extra = {}) => vectors.add("emitter: " + label, take(recorder), from, "/chat", message, extra);
  emitter.emit("hello", ...VALUES);
  addEmitted("broadcast", broadcast(["hello", ...VALUES]));
  emitter.to("a").to(["b"]).except("c").volatile.compress(false).emit("hello", Buffer.from([1]));
  addEmitted("broadcast with all options", broadcast(["hello", bytes(1)], { rooms: ["a", "b"], except: ["c"] }, { volatile: true, compress: false }));
  emitter.to("a").emit("hello");
  addEmitted("broadcast to a room", broadcast(["hello"], to("a")));
  emitter.in("a").except("b").socketsJoin("c");
  addEmitted("join", { kind: "join", to: { rooms: ["a"], except: ["b"] }, rooms: ["c"] }, "");
  emitter.socketsLeave(["c", "d"]);
  addEmitted("leave", { kind: "leave", to: ALL, rooms: ["c", "d"] }, "");
  emitter.disconnectSockets(true);
  addEmitted("disconnect", { kind: "disconnect", to: ALL, close: true }, "");
  emitter.serverSideEmit("hello", 1);
  addEmitted("server-side event", { kind: "serverSideEmit", event: ["hello", 1] });
  const old = new Recorder();
  old.hset = () => {};
  require("socket.io-emitter-3")(old).to("a").volatile.emit("hello", 1);
  vectors.add("emitter of version 3: broadcast", take(old), "emitter", "/", broadcast(["hello", 1], to("a"), { volatile: true }), { rewritten: false });

  write("classic", ["@socket.io/redis-adapter", "@socket.io/redis-emitter", "notepack.io", "socket.io", "redis-adapter-7", "socket.io-redis-5", "socket.io-emitter-3"], { subscriptions, messages: vectors.messages });
}

/** What `ClusterAdapter` sends, whatever carries it. */
async function cluster(add, answer, io, nsp, recorder) {
  await broadcasts(add, io, nsp);
  const adapter = nsp.adapter;
  const did = async (label, act, message, extra) => {
    act();
    await settled();
    add(label, typeof message === "function" ? message(lastLongId()) : message, extra);
  };
  await did("broadcast with answers", () => nsp.to("a").timeout(1000).emit("ask", 1, () => {}),
    (request) => broadcast(["ask", 1], to("a"), { timeout: 1000 }, { request }));
  await did("broadcast with answers and bytes", () => nsp.timeout(1000).emit("ask", Buffer.from([1]), () => {}),
    (request) => broadcast(["ask", bytes(1)], ALL, { timeout: 1000 }, { request }));
  await did("join", () => nsp.in("a").except("c").socketsJoin(["b", "é"]), { kind: "join", to: { rooms: ["a"], except: ["c"] }, rooms: ["b", "é"] });
  await did("leave", () => nsp.socketsLeave("b"), { kind: "leave", to: ALL, rooms: ["b"] });
  await did("disconnect", () => nsp.in("a").disconnectSockets(), { kind: "disconnect", to: to("a"), close: false });
  await did("disconnect with close", () => nsp.disconnectSockets(true), { kind: "disconnect", to: ALL, close: true });
  await did("request for sockets", () => nsp.in("a").fetchSockets().catch(() => {}), (request) => ({ kind: "fetch", to: to("a"), request }));
  await did("request for sockets, with a time", () => nsp.timeout(50).fetchSockets().catch(() => {}), (request) => ({ kind: "fetch", to: ALL, request }), { rewritten: false });
  await did("server-side event", () => nsp.serverSideEmit("hello", ...VALUES), { kind: "serverSideEmit", event: ["hello", ...VALUES] });
  await did("server-side event with bytes", () => nsp.serverSideEmit("hello", Buffer.from([1, 2])), { kind: "serverSideEmit", event: ["hello", bytes(1, 2)] });
  await did("server-side event with answers", () => nsp.serverSideEmit("ask", 1, () => {}), (request) => ({ kind: "serverSideEmit", event: ["ask", 1], request }));
  // Of these, notepack makes something else.
  await did("broadcast with large numbers", () => nsp.emit("large", 1e20, 1e21, -1e21, 1.7976931348623157e308), broadcast(["large", 1e20, 1e21, -1e21, 1.7976931348623157e308]));
  await did("broadcast with half an emoji", () => nsp.emit("half", "a\ud83db"), broadcast(["half", "a\ufffdb"]), { rewritten: false });
  const { RemoteSocket } = require(join(process.cwd(), "node_modules/socket.io/dist/broadcast-operator.js"));
  const remote = new RemoteSocket(adapter, { id: "remote-socket", handshake: {}, rooms: [], data: {} });
  await did("broadcast to a remote socket", () => remote.emit("hello"), broadcast(["hello"], to("remote-socket"), { single: true }));
  await did("join of a remote socket", () => remote.join("x"), { kind: "join", to: to("remote-socket"), rooms: ["x"] }, { rewritten: false });

  addSocket(nsp, "sid1", ["a", "b"], { name: "é", n: 1.5 }, Buffer.from([9, 9]));
  addSocket(nsp, "sid2", [], {}, { ok: true });
  addSocket(nsp, "sid3", ["c"], { picture: Buffer.from([1, 2, 3]) });
  nsp.on("ask", (argument, callback) => callback(argument));
  const opts = (...rooms) => ({ rooms, except: [], flags: {} });
  const ask = async (type, data) => {
    adapter.onMessage({ uid: "00000000000asker", nsp: nsp.name, type, data });
    await settled();
  };
  await ask(7, { requestId: "r1", opts: opts("a", "sid2") });
  answer("sockets", {
    kind: "sockets", request: "r1", sockets: [
      { id: "sid1", handshake: HANDSHAKE, rooms: ["sid1", "a", "b"], data: { name: "é", n: 1.5 } },
      { id: "sid2", handshake: HANDSHAKE, rooms: ["sid2"], data: {} },
    ],
  });
  await ask(7, { requestId: "r2", opts: opts("c") });
  answer("sockets with bytes", { kind: "sockets", request: "r2", sockets: [{ id: "sid3", handshake: HANDSHAKE, rooms: ["sid3", "c"], data: { picture: bytes(1, 2, 3) } }] });
  await ask(7, { requestId: "r3", opts: opts("nowhere") });
  answer("no sockets", { kind: "sockets", request: "r3", sockets: [] });
  await ask(9, { requestId: "r4", packet: ["ask", { deep: ["é", 1.5] }] });
  answer("answer to a server-side event", { kind: "serverSideAnswer", request: "r4", answer: { deep: ["é", 1.5] } });
  await ask(9, { requestId: "r5", packet: ["ask", Buffer.from([5])] });
  answer("answer to a server-side event with bytes", { kind: "serverSideAnswer", request: "r5", answer: bytes(5) });
  await ask(9, { requestId: "r6", packet: ["ask", undefined] });
  answer("empty answer to a server-side event", { kind: "serverSideAnswer", request: "r6", answer: null }, { rewritten: false });
  for (const [room, label, value] of [["sid1", "bytes", bytes(9, 9)], ["sid2", "an object", { ok: true }]]) {
    await ask(3, { packet: { type: 2, data: ["x"] }, requestId: "r7", opts: opts(room) });
    const [client, count] = take(recorder);
    recorder.sent.push(client);
    answer(`answer of a client: ${label}`, { kind: "clientAnswer", request: "r7", answer: value });
    recorder.sent.push(count);
    answer(`count of clients beside ${label}`, { kind: "clientCount", request: "r7", count: 1 });
  }
  for (const [type, kind] of [[1, "hello"], [2, "heartbeat"], [13, "farewell"]]) {
    adapter.publish({ type });
    await settled();
    add(kind, { kind });
  }
}

// The sharded format.

async function sharded() {
  const vectors = new Vectors();
  const subscriptions = [];
  for (const [channelPrefix, name, subscriptionMode] of [["socket.io", "/", "static"], ["socket.io", "/chat", "dynamic"], ["mine", "/", "dynamic-private"]]) {
    const [pub, sub, io] = [new Recorder(), new Recorder(), new Server()];
    io.adapter(createShardedAdapter(pub, sub, { channelPrefix, subscriptionMode }));
    const nsp = io.of(name);
    const { uid } = nsp.adapter;
    const extra = { prefix: channelPrefix, mode: subscriptionMode };
    const add = (label, message, more) => vectors.add(label, take(pub), uid, name, message, { ...extra, ...more });
    const answer = (label, message, more) => add(label, message, { asker: "00000000000asker", ...more });
    await cluster(add, answer, io, nsp, pub);
    subscriptions.push({ ...extra, namespace: name, uid, rooms: ["a", "b", "c"], sockets: ["sid1", "sid2", "sid3"], channels: sub.subscribed });
  }
  write("sharded", ["@socket.io/redis-adapter", "socket.io-adapter", "notepack.io", "socket.io"], { subscriptions, messages: vectors.messages });
}

// Streams.

async function streams() {
  const vectors = new Vectors();
  const streamNames = [];
  const client = new Recorder();
  const io = new Server({ connectionStateRecovery: { maxDisconnectionDuration: 1000 } });
  io.adapter(createStreamsAdapter(client));
  const nsp = io.of("/chat");
  const { uid } = nsp.adapter;
  const add = (label, message, extra) => vectors.add(label, take(client), uid, "/chat", message, extra);
  const answer = (label, message, extra) => add(label, message, { asker: "00000000000asker", ...extra });
  await cluster(add, answer, io, nsp, client);

  const sessions = [];
  for (const data of [{}, { name: "é", list: [1, 1.5, null], picture: Buffer.from([1]) }]) {
    nsp.adapter.persistSession({ sid: "sid1", pid: "secret", rooms: ["sid1", "a"], data });
    const [{ key, value }] = take(client);
    sessions.push({ key, value, id: "sid1", private_id: "secret", rooms: ["sid1", "a"], data: data.picture ? { ...data, picture: bytes(1) } : data });
  }

  for (const streamCount of [1, 2, 3, 7]) {
    for (const name of ["/", "/a", "/chat", "/admin", "/é€😀", "/a-rather-long-name-of-a-namespace", "/0", "/zz"]) {
      const other = new Recorder();
      const server = new Server();
      server.adapter(createStreamsAdapter(other, { streamName: "s", streamCount }));
      server.of(name).emit("x");
      await settled();
      streamNames.push({ streamCount, namespace: name, stream: take(other)[0].stream });
    }
  }

  // `@socket.io/redis-streams-emitter` 0.0.1 is not in the registry: its entries after its published source.
  const { encode } = require("@msgpack/msgpack");
  const emitted = (label, type, data, message, isBinary) => vectors.add("emitter: " + label, [{
    stream: "socket.io",
    entry: { uid: "emitter", nsp: "/chat", type: String(type), data: isBinary ? Buffer.from(encode(data)).toString("base64") : JSON.stringify(data) },
  }], "emitter", "/chat", message);
  emitted("broadcast", 3, { packet: { type: 2, data: ["hello", 1], nsp: "/chat" }, opts: { rooms: ["a"], flags: { volatile: true }, except: ["b"] } },
    broadcast(["hello", 1], { rooms: ["a"], except: ["b"] }, { volatile: true }));
  emitted("broadcast with bytes", 3, { packet: { type: 2, data: ["hello", Buffer.from([1])], nsp: "/chat" }, opts: { rooms: [], flags: {}, except: [] } },
    broadcast(["hello", bytes(1)]), true);
  const opts = { rooms: ["a"], except: [], flags: {} };
  emitted("join", 4, { opts, rooms: ["b"] }, { kind: "join", to: to("a"), rooms: ["b"] });
  emitted("leave", 5, { opts, rooms: ["b"] }, { kind: "leave", to: to("a"), rooms: ["b"] });
  emitted("disconnect", 6, { opts, close: true }, { kind: "disconnect", to: to("a"), close: true });
  emitted("server-side event", 9, { packet: ["hello", 1] }, { kind: "serverSideEmit", event: ["hello", 1] });

  write("streams", ["@socket.io/redis-streams-adapter", "socket.io-adapter", "@msgpack/msgpack", "socket.io"], { streamNames, sessions, messages: vectors.messages });
}

/** One line for each vector, so that changes can be read. */
function write(name, packages, parts) {
  const made = Object.fromEntries(packages.map((name) => [name, version(name)]));
  const lists = Object.entries(parts).map(([part, list]) => `${JSON.stringify(part)}:[\n${list.map((item) => JSON.stringify(item)).join(",\n")}\n]`);
  writeFileSync(join(here, `${name}.json`), `{"made_with":${JSON.stringify(made)},\n${lists.join(",\n")}\n}\n`);
}

await classic();
await sharded();
await streams();
process.exit();
