// Two of our nodes and one of Node's on the same Redis: everything that a node can do to the sockets of another, in both directions.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { ask, collect, connected, numbers } from "../support/clients.mjs";
import { RedisServer } from "../support/redis.mjs";
import { TestServer } from "../support/server.mjs";
import { once, pause, until } from "../support/wait.mjs";

/** The next `event` of each of these clients. */
const each = (clients, event) => Promise.all(clients.map((client) => once(client, event)));
const sorted = (list) => list.map((item) => JSON.stringify(item)).sort();

for (const adapter of ["redis", "sharded"]) describe(`pub/sub, --adapter ${adapter}`, () => {
  let redis, one, two, node, clients, a, b, n;

  before(async () => {
    redis = await RedisServer.start();
    const start = (name) => TestServer.start("contract", { args: ["--name", name, "--adapter", adapter, "--redis", redis.url] });
    [one, two] = await Promise.all([start("one"), start("two")]);
    const http = createServer().listen(0, "127.0.0.1");
    await once(http, "listening");
    const create = adapter === "redis" ? createAdapter : createShardedAdapter;
    node = new Server(http, { adapter: create(redis.client(), redis.client()) });
    node.on("connection", (socket) => {
      socket.on("join", (room, ack) => { socket.join(room); ack(); });
    });
    node.on("side", (...args) => node.local.emit("side", "node", ...args));
    node.on("side-ask", (...args) => { const ack = args.pop(); ack(["node", ...args]); });
    const urls = [one.url, two.url, `http://127.0.0.1:${http.address().port}`];
    clients = urls.map((url) => io(url, { transports: ["websocket"], forceNew: true }));
    await Promise.all(clients.map(connected));
    [a, b, n] = clients;
    await until(async () => (await node.of("/").adapter.serverCount()) === 3, { what: "three nodes" });
    for (const client of clients) {
      await ask(client, "join", "all of us");
      client.on("question", (number, ack) => ack(number + 1));
    }
  });

  after(async () => {
    for (const client of clients ?? []) client.disconnect();
    await node?.close();
    await Promise.all([one?.stop(), two?.stop()]);
    await redis?.stop();
  });

  test("broadcasts reach the clients of all nodes, bytes among them", async () => {
    let news = each(clients, "news");
    await ask(a, "broadcast-all", "text", { list: [1, "ü"] }, Buffer.from("abc"));
    for (const [text, object, bytes] of await news) {
      assert.deepEqual([text, object, bytes.toString()], ["text", { list: [1, "ü"] }, "abc"]);
    }
    news = each(clients, "news");
    node.emit("news", { deep: Buffer.from([1, 2]) }, null, 1.5);
    for (const [object, ...rest] of await news) assert.deepEqual([[...object.deep], ...rest], [[1, 2], null, 1.5]);
  });

  test("rooms, exceptions and private messages hold across nodes", async () => {
    let news = each([b, n], "news");
    const atSender = collect(a, "news", { offset: false });
    await ask(a, "to-room", "all of us", 1);
    assert.deepEqual(await news, [[1], [1]]);
    assert.deepEqual([...atSender], []);
    news = each([a, b], "news");
    const excepted = collect(n, "news", { offset: false });
    node.to("all of us").except(n.id).emit("news", 2);
    assert.deepEqual(await news, [[2], [2]]);
    assert.deepEqual([...excepted], []);
    const secret = once(n, "private");
    await ask(a, "private", n.id, "psst");
    assert.deepEqual(await secret, [a.id, "psst"]);
  });

  test("events of one client arrive in their order on other nodes", async () => {
    const got = [];
    n.on("news", (number) => got.push(number));
    for (const number of numbers(200)) a.emit("to-room", "all of us", number);
    await until(() => got.length === 200, { what: "200 events" });
    n.off("news");
    assert.deepEqual(got, numbers(200));
  });

  test("each finds the sockets of all, with rooms, data and handshake", async () => {
    await ask(a, "set-data", "key", 7);
    const ids = clients.map((client) => client.id).sort();
    const ours = await ask(b, "who", null);
    assert.deepEqual(ours.map((socket) => socket.id), ids);
    const theirs = await node.fetchSockets();
    assert.deepEqual(theirs.map((socket) => socket.id).sort(), ids);
    for (const found of [ours.find(({ id }) => id === a.id), theirs.find(({ id }) => id === a.id)]) {
      assert.equal(found.data.key, 7);
      assert.ok([...found.rooms].includes("all of us"));
    }
    assert.match(theirs.find(({ id }) => id === a.id).handshake.url, /^\/socket.io\//);
  });

  test("each moves the sockets of the others", async () => {
    const rooms = () => node.sockets.sockets.get(n.id).rooms;
    await ask(a, "move", n.id, ["moved"]);
    await until(() => rooms().has("moved"), { what: "the room" });
    await ask(a, "unmove", n.id, ["moved"]);
    await until(() => !rooms().has("moved"), { what: "no room" });
    node.in(b.id).socketsJoin("moved");
    await until(async () => (await ask(b, "rooms")).includes("moved"), { what: "the room" });
    node.in(b.id).socketsLeave("moved");
    await until(async () => !(await ask(b, "rooms")).includes("moved"), { what: "no room" });
  });

  test("servers tell and ask each other", async () => {
    let told = each([b, n], "side");
    await ask(a, "side-emit", 1, "x");
    assert.deepEqual(await told, [["two", 1, "x"], ["node", 1, "x"]]);
    told = each([a, b], "side");
    node.serverSideEmit("side", 2);
    assert.deepEqual(await told, [["one", 2], ["two", 2]]);
    const { err, replies } = await ask(a, "side-ask", 3);
    assert.equal(err, false);
    assert.deepEqual(sorted(replies), sorted([["two", 3], ["node", 3]]));
    const theirs = await node.serverSideEmitWithAck("side-ask", 4);
    assert.deepEqual(sorted(theirs), sorted([["one", 4], ["two", 4]]));
  });

  test("clients of all nodes answer one question", async () => {
    assert.deepEqual(await ask(a, "ask-room", "all of us", 2000, 10), { err: false, responses: [11, 11, 11] });
    assert.deepEqual(await node.timeout(2000).to("all of us").emitWithAck("question", 20), [21, 21, 21]);
  });

  test("a client that is silent on another node is told of in time", async () => {
    b.off("question");
    const { err, responses } = await ask(a, "ask-room", "all of us", 300, 10);
    b.on("question", (number, ack) => ack(number + 1));
    assert.deepEqual([err, responses], [true, [11, 11]]);
  });

  test("Node's servers count our nodes", async () => {
    assert.equal(await node.of("/").adapter.serverCount(), 3);
  });

  // The sharded format has no such question, and nobody has published an emitter for it.
  if (adapter === "redis") test("Node's servers know our rooms", async () => {
    const rooms = await node.of("/").adapter.allRooms();
    for (const room of [...clients.map((client) => client.id), "all of us"]) assert.ok(rooms.has(room), room);
  });

  if (adapter === "redis") test("an outside process emits, joins and tells", async () => {
    const emitter = new Emitter(redis.client());
    let news = each(clients, "news");
    emitter.emit("news", 1);
    assert.deepEqual(await news, [[1], [1], [1]]);
    emitter.in(b.id).socketsJoin("emitted");
    await until(async () => (await ask(b, "rooms")).includes("emitted"), { what: "the room" });
    news = each([b], "news");
    emitter.to("emitted").emit("news", Buffer.from("bytes"));
    assert.equal((await news)[0][0].toString(), "bytes");
    const told = each(clients, "side");
    emitter.serverSideEmit("side", "outside");
    assert.deepEqual((await told).map(([, text]) => text), ["outside", "outside", "outside"]);
  });

  test("while Redis is away a node serves its own, and afterwards all again", async () => {
    await redis.kill();
    await pause(300);
    const news = once(a, "news");
    await ask(a, "broadcast-all", "alone");
    assert.deepEqual(await news, ["alone"]);
    await redis.start();
    const heard = collect(b, "news", { offset: false });
    await until(async () => {
      await ask(a, "broadcast-all", "again");
      return heard.includes("again");
    }, { within: 15_000, what: "the other node to hear" });
  });

  test("each disconnects the sockets of the others", async () => {
    const gone = once(n, "disconnect");
    await until(async () => {
      await ask(a, "kick-other", n.id, true);
      await pause(100);
      return n.disconnected;
    }, { what: "the end" });
    await gone;
    const theirs = once(b, "disconnect");
    node.in(b.id).disconnectSockets(true);
    await theirs;
  });
});
