// Connection state recovery: a client that was away finds what it had and what it missed.

import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { io } from "socket.io-client";
import { answers, ask, collect, connected, next, numbers, settled } from "../support/clients.mjs";
import { WAYS, serve } from "../support/suite.mjs";
import { once, pause, until, within } from "../support/wait.mjs";
import { Frames, Polling, RS } from "../support/wire.mjs";

/** Longer than the server keeps what a client had. */
const TOO_LONG = 3800;

const suite = serve(io, { name: "contract" });

/** Cuts the transport off, which the server has seen then; the client comes back after its `reconnectionDelay`. */
async function cut(socket, other) {
  const { id } = socket;
  const gone = once(socket, "disconnect");
  socket.io.engine.close();
  await gone;
  if (other) await until(() => ask(other, "reason-of", id), { what: "the server's notice" });
}

describe("a client that comes back", { concurrency: 3 }, () => {
  for (const [index, [way, options]] of Object.entries(WAYS).entries()) {
    const clients = [];
    const tenant = (n) => `/tenant-${index}${n}`;
    const open = (path, more) => {
      const client = io(suite.server.url + path, {
        forceNew: true, reconnectionDelay: 300, reconnectionDelayMax: 300, randomizationFactor: 0, ...options, ...more,
      });
      clients.push(client);
      return client;
    };
    const enter = (path, more) => connected(open(path, more));

    describe(way, { concurrency: 1 }, () => {
      afterEach(() => {
        for (const client of clients.splice(0)) client.disconnect();
      });

      test("gets what was sent meanwhile, once and in order, and what it said meanwhile is heard", async () => {
        const [away, other] = await Promise.all([enter(tenant(1)), enter(tenant(1))]);
        const { id } = away;
        const news = collect(away, "news");
        await answers(other, "broadcast-all", "before");
        await settled(away);
        await cut(away);
        // It may be back before all has been sent.
        const back = once(away, "connect");
        for (const i of numbers(20)) await answers(other, "broadcast-all", i, Buffer.from([i]));
        const said = answers(away, "echo", "said meanwhile");
        await back;
        assert.deepEqual([away.recovered, away.id, await ask(away, "recovered")], [true, id, true]);
        assert.deepEqual(await said, ["said meanwhile"]);
        await answers(other, "broadcast-all", "after");
        await settled(away);
        assert.deepEqual(news, ["before", ...numbers(20).map((i) => [i, Buffer.from([i])]), "after"]);
      });

      test("is welcomed as recovered, as often as it comes back", async () => {
        const [away, other] = await Promise.all([enter(tenant(2)), enter(tenant(2))]);
        const { id } = away;
        const news = collect(away, "news");
        for (const i of numbers(4)) {
          await cut(away);
          await answers(other, "broadcast-all", i);
          const [welcome] = await next(away, "welcome");
          assert.deepEqual(welcome, { id, ns: tenant(2), recovered: true });
          assert.equal(away.recovered, true);
        }
        await settled(away);
        assert.deepEqual(news, numbers(4));
      });

      test("is recovered after it has been idle for longer than the window", async () => {
        const [away, other] = await Promise.all([enter(tenant(3)), enter(tenant(3))]);
        await pause(TOO_LONG);
        await cut(away);
        const news = collect(away, "news");
        await answers(other, "broadcast-all", "missed");
        await once(away, "connect");
        await settled(away);
        assert.deepEqual([away.recovered, news], [true, ["missed"]]);
      });

      test("has its rooms and data, and missed only what was for it", async () => {
        const [away, other] = await Promise.all([enter(tenant(4)), enter(tenant(4))]);
        await ask(away, "join", ["x", "y"]);
        await ask(away, "set-data", "k", { deep: [1] });
        const news = collect(away, "news");
        const secrets = collect(away, "private");
        const { id } = away;
        await cut(away, other);
        const back = once(away, "connect");
        for (const [event, ...args] of [
          ["to-room", "x", 1], ["to-room", "z", 2], ["all-except", "y", 3], ["in-room", ["y", "z"], 4],
          ["to-room-except", "x", "y", 5], ["private", id, 6],
        ]) await answers(other, event, ...args);
        await back;
        assert.deepEqual(await ask(away, "rooms"), [away.id, "x", "y"].sort());
        assert.deepEqual(await ask(away, "get-data"), { k: { deep: [1] } });
        assert.deepEqual([news, secrets], [[1, 4], [[other.id, 6]]]);
        await answers(other, "to-room", "y", 7);
        await settled(away);
        assert.deepEqual(news, [1, 4, 7]);
      });

      test("missed questions are not asked again", async () => {
        const [away, other] = await Promise.all([enter(tenant(5)), enter(tenant(5))]);
        await ask(away, "join", "x");
        const questions = collect(away, "question", { offset: false });
        await cut(away, other);
        const back = once(away, "connect");
        assert.deepEqual(await ask(other, "ask-room", "x", 100, "anybody?"), { err: false, responses: [] });
        await back;
        await settled(away);
        assert.deepEqual([away.recovered, questions], [true, []]);
      });

      test("passes no middleware again", async () => {
        const away = await enter("/admin", { auth: { token: "secret" } });
        away.auth = { token: "forgotten" };
        await cut(away);
        await once(away, "connect");
        assert.equal(away.recovered, true);
      });

      test("too late is a new one", async () => {
        const [away, other] = await Promise.all([enter(tenant(6), { reconnectionDelay: TOO_LONG, reconnectionDelayMax: TOO_LONG }), enter(tenant(6))]);
        const { id } = away;
        await ask(away, "set-data", "k", 1);
        const news = collect(away, "news");
        await cut(away);
        await answers(other, "broadcast-all", "missed");
        await once(away, "connect", { within: 8000 });
        assert.equal(away.recovered, false);
        assert.notEqual(away.id, id);
        assert.deepEqual([await ask(away, "get-data"), await ask(away, "rooms"), news], [{}, [away.id], []]);
      });

      test("is a new one after it left or was sent away", async () => {
        const socket = await enter(tenant(7));
        let { id } = socket;
        const gone = once(socket, "disconnect");
        socket.emit("kick", true);
        await gone;
        socket.connect();
        await once(socket, "connect");
        assert.equal(socket.recovered, false);
        assert.notEqual(socket.id, id);
        ({ id } = socket);
        socket.disconnect().connect();
        await once(socket, "connect");
        assert.equal(socket.recovered, false);
        assert.notEqual(socket.id, id);
      });
    });
  }
});

describe("on the wire", { concurrency: 4 }, () => {
  /** A member of a namespace: its connection, the answer to its CONNECT and the packets behind it. */
  async function join(auth = "", namespace = "/") {
    const frames = await Frames.open(suite.server.url);
    await frames.next();
    const prefix = namespace === "/" ? "" : `${namespace},`;
    frames.send(`40${prefix}${auth && JSON.stringify(auth)}`);
    const packets = [];
    for (;;) {
      const packet = await frames.next();
      if (packet === "2") {
        frames.send("3");
        continue;
      }
      packets.push(packet);
      if (packet.startsWith(`42${prefix}["welcome"`) && packets.some((packet) => packet.startsWith(`40${prefix}{`))) break;
    }
    const answer = packets.find((packet) => packet.startsWith("40"));
    const events = packets.filter((packet) => packet.startsWith("42")).map((packet) => JSON.parse(packet.slice(2 + prefix.length)));
    const { sid, pid } = JSON.parse(answer.slice(2 + prefix.length));
    return { frames, sid, pid, packets, events, offset: events.at(-1).at(-1) };
  }

  test("the answer has the socket's id and its private id, and events end with their offset", async () => {
    const { sid, pid, events, frames } = await join();
    for (const id of [sid, pid]) assert.match(id, /^[\w-]{20}$/);
    assert.notEqual(sid, pid);
    assert.equal(events.length, 1);
    assert.deepEqual(events[0].slice(0, 2), ["welcome", { id: sid, ns: "/", recovered: false }]);
    assert.equal(typeof events[0][2], "string");
    frames.send('421["echo",1]');
    assert.equal(await frames.next(), "431[1]");
    frames.ws.terminate();
  });

  test("a client that got no event yet is recovered, with all events", async () => {
    const { frames, sid, pid } = await join();
    frames.ws.terminate();
    await pause(100);
    const again = await join({ pid });
    assert.equal(again.sid, sid);
    const [first, second] = again.events;
    assert.deepEqual(first.slice(0, 2), ["welcome", { id: sid, ns: "/", recovered: false }]);
    assert.deepEqual(second.slice(0, 2), ["welcome", { id: sid, ns: "/", recovered: true }]);
    again.frames.ws.terminate();
  });

  test("missed events come before the answer", async () => {
    const { frames, sid, pid, offset } = await join("", "/tenant-501");
    frames.ws.terminate();
    const other = await connected(io(`${suite.server.url}/tenant-501`, { forceNew: true }));
    await until(() => ask(other, "reason-of", sid));
    await answers(other, "broadcast-all", "missed");
    other.disconnect();
    const again = await join({ pid, offset }, "/tenant-501");
    assert.equal(again.sid, sid);
    assert.equal(again.packets.length, 3);
    assert.match(again.packets[0], /^42\/tenant-501,\["news","missed",/);
    assert.match(again.packets[1], /^40\/tenant-501,\{/);
    again.frames.ws.terminate();
  });

  test("an old connection that is still open is replaced", async () => {
    const { frames, sid, pid, offset } = await join();
    // Nothing tells the server that this one is dead.
    frames.ws._socket.pause();
    const again = await join({ pid, offset });
    assert.equal(again.sid, sid);
    assert.deepEqual(again.events.map(([name]) => name), ["welcome"]);
    frames.ws._socket.resume();
    await within(4000, frames.closed, "the close of the old connection");
    again.frames.send('421["id"]');
    for (;;) {
      const packet = await again.frames.next();
      if (packet === "2") again.frames.send("3");
      else if (packet.startsWith("43")) {
        assert.equal(packet, `431["${sid}"]`);
        break;
      }
    }
    again.frames.ws.terminate();
  });

  test("volatile events are not kept", async () => {
    const polling = await Polling.open(suite.server.url);
    await polling.post("40");
    let body = "";
    while (!body.includes("welcome")) body += RS + (await polling.get()).body;
    const { sid, pid } = JSON.parse(body.split(RS).find((packet) => packet.startsWith("40")).slice(2));
    const offset = JSON.parse(body.split(RS).find((packet) => packet.startsWith("42")).slice(2)).at(-1);
    // Nobody polls, so the volatile ones can't be sent; the last one waits.
    await polling.post('42["volatile-flood",10,10]');
    await polling.post("1");
    const again = await join({ pid, offset });
    assert.equal(again.sid, sid);
    assert.deepEqual(again.events.map(([name]) => name), ["flood-end", "welcome"]);
    again.frames.ws.terminate();
  });

  test("what nobody knows, or what is no text, is a new client and no error", async () => {
    const { frames, sid, pid, offset } = await join();
    frames.ws.terminate();
    await pause(100);
    for (const auth of [
      { pid: "nobody's", offset }, { pid: "", offset: "" }, { pid: "x".repeat(1000), offset }, { pid: 1, offset: 2 }, { pid: null }, { pid, offset: "nothing" },
    ]) {
      const again = await join(auth);
      assert.notEqual(again.sid, sid, JSON.stringify(auth));
      assert.deepEqual(again.events[0].slice(0, 2), ["welcome", { id: again.sid, ns: "/", recovered: false }]);
      again.frames.ws.terminate();
    }
  });

  test("a private id is of one namespace", async () => {
    const { frames, sid, pid, offset } = await join("", "/tenant-502");
    frames.ws.terminate();
    await pause(100);
    const again = await join({ pid, offset }, "/tenant-503");
    assert.notEqual(again.sid, sid);
    again.frames.ws.terminate();
  });

  test("who sent what is no packet is not recovered", async () => {
    const { frames, sid, pid, offset } = await join();
    frames.send("9");
    await within(3000, frames.closed, "the close");
    const again = await join({ pid, offset });
    assert.notEqual(again.sid, sid);
    again.frames.ws.terminate();
  });
});
