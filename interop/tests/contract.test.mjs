// The contract, row by row, with the official client of today over every transport.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { afterEach, describe, test } from "node:test";
import { io } from "socket.io-client";
import msgpackParser from "socket.io-msgpack-parser";
import { answers, ask, collect, connected, next, numbers, settled } from "../support/clients.mjs";
import { TestServer, programFile } from "../support/server.mjs";
import { WAYS, serve } from "../support/suite.mjs";
import { once, pause, until, within } from "../support/wait.mjs";
import { Frames, Polling, Tcp, begin, path, request, upgradeHead } from "../support/wire.mjs";

const suite = serve(io, { name: "contract", args: ["--name", "one"] });

describe("the start", { concurrency: 4 }, () => {
  test("is told in one line with the address", async () => {
    const server = await TestServer.start("contract");
    assert.match(server.output, /^[^\n]*http:\/\/127\.0\.0\.1:\d+[^\n]*\n$/);
    await server.stop();
  });

  test("fails on a port that is taken, and with what comes later", async () => {
    const ends = (args) => new Promise((resolve) => {
      const child = spawn(programFile("contract"), args, {
        stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, RUST_BACKTRACE: "0" },
      });
      let said = "";
      child.stderr.on("data", (chunk) => { said += chunk; });
      child.on("close", (code) => resolve({ code, said }));
    });
    const taken = await within(5000, ends(["--port", String(suite.server.port)]), "the end");
    assert.ok(taken.code > 0);
    assert.match(taken.said, new RegExp(`--port ${suite.server.port}`));
    for (const args of [["--adapter", "streams"], ["--postgres", "postgres://localhost"]]) {
      const { code, said } = await within(5000, ends(["--port", "0", ...args]), "the end");
      assert.ok(code > 0);
      assert.match(said, /this version has/);
    }
    const { code, said } = await within(5000, ends(["--port", "0", "--adapter", "redis", "--redis", "redis://127.0.0.1:1"]), "the end");
    assert.ok(code > 0);
    assert.match(said, /broker is away.*refused/);
    for (const args of [["--adapter", "pigeon"], ["--port", "x"], ["--parser", "xml"]]) {
      assert.ok((await within(5000, ends(args), "the end")).code > 0, String(args));
    }
  });

  for (const signal of ["SIGTERM", "SIGINT"]) {
    test(`ends by ${signal} within 5 s, whatever is open`, async (t) => {
      const server = await TestServer.start("contract");
      t.after(() => server.kill());
      const { url } = server;
      const clients = Object.values(WAYS).map((way) => io(url, { forceNew: true, reconnection: false, ...way }));
      await Promise.all(clients.map(connected));
      // A question nobody answers, a poll that waits, a POST without an end, half a handshake, a WebSocket that never reads.
      clients[0].emit("ask", "anybody?");
      const polling = await Polling.join(url);
      polling.poll();
      const posting = await Polling.open(url);
      begin(url, posting.target, { method: "POST", headers: { "content-length": 100 } }).outgoing.write("4");
      await Tcp.open(url, "GET /socket.io/?EIO=4&tr");
      const deaf = await Tcp.open(url, upgradeHead(path({ EIO: 4, transport: "websocket" })));
      await until(() => deaf.text.includes('0{"sid"'), { what: "the open packet" });
      deaf.socket.pause();
      const gone = clients.map((client) => once(client, "disconnect"));
      const start = Date.now();
      server.child.kill(signal);
      assert.deepEqual(await within(5000, server.ended, "the end"), { code: 0, signal: null });
      assert.ok(Date.now() - start < 5000);
      for (const [reason] of await Promise.all(gone)) assert.match(reason, /^transport (close|error)$/);
    });
  }
});

describe("the settings", () => {
  test("are told by the handshake", async () => {
    const { handshake, response } = await Polling.open(suite.server.url);
    const { sid, ...rest } = handshake;
    assert.match(sid, /^[\w-]{20}$/);
    assert.deepEqual(rest, { upgrades: ["websocket"], pingInterval: 1000, pingTimeout: 1000, maxPayload: 100_000 });
    assert.equal(response.headers["set-cookie"], undefined);
    assert.equal((await Polling.open(suite.server.url, { EIO: 3, b64: 1 })).response.status, 200);
  });

  test("let pages of one origin in", async () => {
    const { url } = suite.server;
    const origin = "http://app.example";
    const target = path({ EIO: 4, transport: "polling" });
    const { status, headers } = await request(url, target, { headers: { origin } });
    assert.deepEqual(
      [status, headers["access-control-allow-origin"], headers["access-control-allow-credentials"]],
      [200, origin, "true"],
    );
    const preflight = await request(url, target, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type,x-own" },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers["access-control-allow-origin"], origin);
    assert.equal(preflight.headers["access-control-allow-credentials"], "true");
    assert.match(preflight.headers["access-control-allow-methods"], /POST/);
    assert.equal(preflight.headers["access-control-allow-headers"], "content-type,x-own");
    const other = await request(url, target, { headers: { origin: "http://other.example" } });
    assert.notEqual(other.headers["access-control-allow-origin"], "http://other.example");
  });

  test("answer a health check, and nothing else outside of the path", async () => {
    const { url } = suite.server;
    const health = await request(url, "/healthz");
    assert.deepEqual([health.status, health.body], [200, "ok"]);
    for (const target of ["/", "/healthz/x", "/socket.io", "/socket.iox/", "/other?EIO=4&transport=polling"]) {
      assert.equal((await request(url, target)).status, 404, target);
    }
  });

  test("send away who joins no namespace, after two seconds", async () => {
    const frames = await Frames.open(suite.server.url);
    const pongs = setInterval(() => frames.ws.readyState === 1 && frames.send("3"), 400);
    const start = Date.now();
    await within(4000, frames.closed, "the close");
    clearInterval(pongs);
    const life = Date.now() - start;
    assert.ok(life > 1800 && life < 3500, `${life} ms`);
  });

  test("give an upgrade two seconds", async () => {
    const polling = await Polling.join(suite.server.url);
    const frames = await Frames.open(suite.server.url, { sid: polling.sid });
    const start = Date.now();
    let over = false;
    within(4000, frames.closed, "the close").finally(() => { over = true; });
    while (!over) {
      if ((await polling.get()).body === "2") await polling.post("3");
    }
    const life = Date.now() - start;
    assert.ok(life > 1800 && life < 4000, `${life} ms`);
    assert.equal((await polling.post('42["silent"]')).body, "ok");
  });

  test("end a client that is silent for a ping and its timeout", async () => {
    const start = Date.now();
    const frames = await Frames.join(suite.server.url);
    await within(4000, frames.closed, "the close");
    const life = Date.now() - start;
    assert.ok(life > 1800 && life < 3500, `${life} ms`);
    const watcher = await connected(suite.connect("/"));
    assert.equal(await ask(watcher, "reason-of", frames.id), "ping timeout");
  });
});

// Most of the time they wait, so the transports can be tested at once.
describe("the events", { concurrency: 3 }, () => {
  for (const [index, [way, options]] of Object.entries(WAYS).entries()) {
    const clients = [];
    const own = (n) => `/tenant-${index}${n}`;
    const upgrades = options.transports.length > 1;
    const open = (path = "/", more = {}) => {
      const client = io(suite.server.url + path, { forceNew: true, reconnectionDelay: 50, ...options, ...more });
      clients.push(client);
      return client;
    };
    const enter = (path, more) => connected(open(path, more));
    const upgraded = (socket) =>
      until(() => socket.io.engine?.transport.name === "websocket", { what: "the upgrade" });

    describe(way, { concurrency: 1 }, () => {
      afterEach(() => {
        for (const client of clients.splice(0)) client.disconnect();
      });

      test("the main namespace lets in everybody but who asks to fail", async () => {
        for (const more of [{ query: { fail: "1" } }, { auth: { fail: true } }]) {
          const [error] = await once(open("/", more), "connect_error");
          assert.deepEqual([error.message, error.data], ["refused", { code: 4001 }]);
        }
        await enter("/", { query: { fail: "0" }, auth: { fail: false } });
        await enter("/", { auth: { fail: "no", delay: -1 } });
        const start = Date.now();
        const slow = open("/", { auth: { delay: 300 } });
        // Said before the answer: kept until the server has accepted.
        const early = ask(slow, "echo", "early");
        await connected(slow);
        assert.ok(Date.now() - start >= 290);
        assert.equal(await early, "early");
      });

      test("other namespaces let in by token, by name, or nobody", async () => {
        for (const auth of [undefined, {}, { token: "wrong" }, { token: null }, { token: ["secret"] }]) {
          const [error] = await once(open("/admin", { auth }), "connect_error");
          assert.deepEqual([error.message, error.data], ["not authorized", { code: 401, hint: "token" }]);
        }
        const admin = await enter("/admin", { auth: { token: "secret" } });
        assert.equal(await ask(admin, "namespace"), "/admin");
        assert.equal(await ask(await enter("/tenant-007"), "namespace"), "/tenant-007");
        for (const name of ["/tenant-", "/tenant-a", "/tenant-1x", "/x/tenant-1", "/other", "/Admin"]) {
          const [error] = await once(open(name), "connect_error");
          assert.equal(error.message, "Invalid namespace", name);
        }
      });

      test("every namespace welcomes and echoes alike", async () => {
        for (const [name, more] of [["/", {}], ["/admin", { auth: { token: "secret" } }], [own(1), {}]]) {
          const socket = open(name, more);
          const [welcome] = await next(socket, "welcome");
          assert.deepEqual(welcome, { id: socket.id, ns: name, recovered: false });
          assert.equal(await ask(socket, "echo", name), name);
        }
      });

      test("several namespaces share a connection and nothing else", async () => {
        const main = await enter("/", { multiplex: true });
        const [one, two] = [main.io.socket(own(1)), main.io.socket(own(2))];
        clients.push(one, two);
        await Promise.all([connected(one), connected(two)]);
        assert.equal(new Set([main.id, one.id, two.id]).size, 3);
        await ask(one, "set-data", "k", 1);
        await ask(one, "join", "room");
        assert.deepEqual(await ask(two, "get-data"), {});
        assert.deepEqual(await ask(two, "rooms"), [two.id]);
        const news = [main, one, two].map((socket) => collect(socket, "news"));
        await answers(two, "in-room", "room", "for nobody");
        await answers(two, "broadcast-all", "for two");
        await settled(main, one, two);
        assert.deepEqual(news.slice(1), [[], ["for two"]]);
        const { id } = one;
        one.disconnect();
        assert.equal(await until(() => ask(two, "reason-of", id)), "client namespace disconnect");
        one.connect();
        await once(one, "connect");
        assert.notEqual(one.id, id);
      });

      test("echo, message, sink, silent", async () => {
        const socket = await enter("/");
        const bytes = Buffer.from([0, 1, 255]);
        const cases = [
          [], ["a"], [1, null, true, -0.5], [{ deep: [{ bytes }] }, bytes], ["zwölf ☃ 🐟 𝒳 \u0000 \u2028"], [[]], [undefined],
        ];
        for (const args of cases) {
          const expected = args.map((arg) => arg ?? null);
          assert.deepEqual(await answers(socket, "echo", ...args), expected);
          assert.deepEqual(await answers(socket, "message", ...args), expected);
          assert.equal(await ask(socket, "sink", ...args), args.length);
          const replies = [next(socket, "echo:reply"), next(socket, "message")];
          socket.emit("echo", ...args);
          socket.send(...args);
          for (const reply of replies) assert.deepEqual(await reply, expected);
        }
        await assert.rejects(socket.timeout(200).emitWithAck("silent", 1), /timed out/);
      });

      test("ask and ask-timeout", async () => {
        const socket = await enter("/");
        for (const event of [["ask"], ["ask-timeout", 2000]]) {
          socket.once("question", (a, b, answer) => answer({ a, b }, Buffer.from([1])));
          socket.emit(...event, "x", [2]);
          assert.deepEqual(await next(socket, "answer"), [{ a: "x", b: [2] }, Buffer.from([1])]);
        }
        const questions = collect(socket, "question", { offset: false });
        const start = Date.now();
        socket.emit("ask-timeout", 200, "x");
        await next(socket, "answer-timeout");
        assert.ok(Date.now() - start >= 190);
        assert.equal(questions.length, 1);
        // An answer that comes too late is nobody's.
        questions[0][1]("late");
        assert.equal(await ask(socket, "echo", "goes on"), "goes on");
      });

      test("seq and large come whole and in order", async () => {
        const socket = await enter("/");
        const seq = collect(socket, "seq");
        socket.emit("seq", 3000);
        await until(() => seq.length >= 3000, { within: 15_000, what: "3,000 events" });
        assert.deepEqual(seq, numbers(3000));
        for (const n of [0, 1, 99_999, 1_000_000]) assert.equal((await ask(socket, "large", n)).length, n);
      });

      test("compress sends either way", async () => {
        const socket = await enter("/");
        for (const flag of [true, false]) {
          socket.emit("compress", flag, 20_000);
          assert.deepEqual(await next(socket, "blob"), ["x".repeat(20_000)]);
        }
      });

      test("volatile and volatile-flood", async () => {
        const socket = await enter("/");
        if (upgrades) await upgraded(socket);
        const news = collect(socket, "news", { offset: false });
        await until(async () => {
          socket.emit("volatile", "now", 2);
          await pause(50);
          return news.length > 0;
        }, { what: "a volatile event" });
        assert.deepEqual(news[0], ["now", 2]);
        await pause(200);
        const flood = collect(socket, "flood", { offset: false });
        socket.emit("volatile-flood", 1000, 2000);
        assert.deepEqual(await next(socket, "flood-end", { within: 10_000 }), [1000]);
        // The first finds the line free; over polling it may be between two polls.
        assert.ok(flood.length >= (way === "polling only" ? 0 : 1) && flood.length <= 1000, String(flood.length));
        const order = flood.map(([i]) => i);
        assert.deepEqual(order, order.toSorted((a, b) => a - b));
        for (const [, text] of flood) assert.equal(text.length, 2000);
      });

      test("bin-info, bin-make, bin-push", async () => {
        const socket = await enter("/");
        assert.deepEqual(await answers(socket, "bin-info", Buffer.from(numbers(20)), "text", Buffer.alloc(0), [1]), [
          { bytes: 20, hex: "000102030405060708090a0b0c0d0e0f" }, { bytes: -1, hex: "" }, { bytes: 0, hex: "" }, { bytes: -1, hex: "" },
        ]);
        for (const n of [0, 1, 200_000]) {
          const made = { top: Buffer.alloc(n, 7), nested: [{ deep: Buffer.from([1, 2, 3]) }, "text"] };
          assert.deepEqual(await ask(socket, "bin-make", n), made);
          socket.emit("bin-push", n);
          assert.deepEqual(await next(socket, "bin"), [made]);
        }
      });

      test("a blocked event is answered by middleware-error, and nothing else", async () => {
        const socket = await enter("/");
        const caught = collect(socket, "caught");
        let acked = false;
        socket.emit("blocked", 1, () => { acked = true; });
        assert.deepEqual(await next(socket, "middleware-error"), ["blocked event"]);
        await settled(socket);
        assert.deepEqual([caught, acked], [[], false]);
      });

      test("an event that nobody knows is caught", async () => {
        const socket = await enter("/");
        for (const [name, ...args] of [["unheard of"], ["x", 1, { two: Buffer.from([2]) }], ["🐟", null], ["toString"]]) {
          socket.emit(name, ...args);
          assert.deepEqual(await next(socket, "caught"), [name, args]);
        }
        let acked = false;
        socket.emit("with ack", 1, () => { acked = true; });
        assert.deepEqual(await next(socket, "caught"), ["with ack", [1]]);
        await settled(socket);
        assert.equal(acked, false);
        const caught = collect(socket, "caught");
        await ask(socket, "echo", 1);
        assert.deepEqual(caught, []);
      });

      test("join, leave, leave-all, rooms", async () => {
        const socket = await enter("/");
        const { id } = socket;
        assert.deepEqual(await ask(socket, "rooms"), [id]);
        assert.deepEqual(await ask(socket, "join", "b"), [id, "b"].sort());
        assert.deepEqual(await ask(socket, "join", ["a", "ü 🐟", "b"]), [id, "a", "b", "ü 🐟"].sort());
        assert.deepEqual(await ask(socket, "leave", "b"), [id, "a", "ü 🐟"].sort());
        assert.deepEqual(await ask(socket, "leave", ["ü 🐟", "unknown"]), [id, "a"].sort());
        assert.deepEqual(await ask(socket, "leave-all"), [id]);
      });

      test("broadcasts reach whom they are for, once", async () => {
        const [a, b, c] = await Promise.all([enter(own(3)), enter(own(3)), enter(own(3))]);
        await Promise.all([ask(a, "join", ["x", "y"]), ask(b, "join", ["x"]), ask(c, "join", ["y", "z"])]);
        const news = [a, b, c].map((socket) => collect(socket, "news"));
        for (const [event, ...args] of [
          ["broadcast-all", 1], ["broadcast", 2], ["local", 3], ["to-room", "x", 4], ["in-room", "x", 5],
          ["to-room", ["x", "y"], 6], ["in-room", ["x", "y"], 7], ["to-room-except", ["x", "y"], "z", 8],
          ["to-room-except", "x", ["y"], 9], ["all-except", "x", 10], ["all-except", ["x", "z"], 11], ["in-room", "nobody's", 12],
          ["in-room", b.id, 13], ["in-room", "x", Buffer.from([14]), { and: 14 }], ["broadcast-all"],
        ]) assert.deepEqual(await answers(a, event, ...args), []);
        await settled(a, b, c);
        const last = [Buffer.from([14]), { and: 14 }];
        assert.deepEqual(news, [
          [1, 3, 5, 7, 8, last, []], [1, 2, 3, 4, 5, 6, 7, 8, 9, 13, last, []], [1, 2, 3, 6, 7, 10, []],
        ]);
      });

      test("private reaches one socket", async () => {
        const [a, b] = await Promise.all([enter("/"), enter("/")]);
        const heard = collect(b, "private");
        assert.deepEqual(await answers(a, "private", b.id, "psst", { n: 1 }), []);
        await settled(b);
        assert.deepEqual(heard, [[a.id, "psst", { n: 1 }]]);
      });

      test("ask-room collects the answers, and tells of silence", async () => {
        const [a, b, c] = await Promise.all([enter(own(4)), enter(own(4)), enter(own(4))]);
        const room = "ask";
        await Promise.all([a, b, c].map((socket) => ask(socket, "join", room)));
        for (const [i, socket] of [a, b].entries()) socket.on("question", (n, answer) => answer(n + i, "more"));
        const answer = (n, reply) => reply(Buffer.from([n]));
        c.on("question", answer);
        const all = await ask(a, "ask-room", room, 2000, 10);
        assert.equal(all.err, false);
        assert.deepEqual(new Set(all.responses.map(String)), new Set([10, 11, Buffer.from([10])].map(String)));
        c.off("question", answer);
        const some = await ask(a, "ask-room", room, 300, 10);
        assert.equal(some.err, true);
        assert.deepEqual(some.responses.toSorted(), [10, 11]);
        assert.deepEqual(await ask(a, "ask-room", "empty", 300, 10), { err: false, responses: [] });
      });

      test("who, move, unmove, kick-other", async () => {
        const [a, b, c] = await Promise.all([enter(own(5)), enter(own(5)), enter(own(5))]);
        await ask(b, "join", "x");
        await ask(b, "set-data", "name", "b");
        const found = (socket, data, ...rooms) => ({ id: socket.id, rooms: [socket.id, ...rooms].sort(), data });
        const sorted = (...list) => list.toSorted((one, other) => (one.id < other.id ? -1 : 1));
        assert.deepEqual(await ask(a, "who", null), sorted(found(a, {}), found(b, { name: "b" }, "x"), found(c, {})));
        assert.deepEqual(await ask(a, "who", "x"), [found(b, { name: "b" }, "x")]);
        assert.deepEqual(await ask(a, "who", "nobody's"), []);
        assert.deepEqual(await answers(a, "move", c.id, ["x", "y"]), []);
        assert.deepEqual(await ask(c, "rooms"), [c.id, "x", "y"].sort());
        assert.deepEqual(await answers(a, "move", "x", "z"), []);
        assert.deepEqual(await answers(a, "unmove", "x", ["y", "x"]), []);
        assert.deepEqual(await ask(a, "who", "z"), sorted(found(b, { name: "b" }, "z"), found(c, {}, "z")));
        const gone = [b, c].map((socket) => once(socket, "disconnect"));
        const ids = [b.id, c.id];
        assert.deepEqual(await answers(a, "kick-other", b.id, false), []);
        assert.deepEqual(await answers(a, "kick-other", "z", true), []);
        assert.deepEqual((await Promise.all(gone)).map(([reason]) => reason), ["io server disconnect", "io server disconnect"]);
        for (const id of ids) assert.equal(await ask(a, "reason-of", id), "server namespace disconnect");
        assert.deepEqual(await ask(a, "who", null), [found(a, {})]);
      });

      test("side-emit and side-ask find no other node", async () => {
        for (const [name, more] of [["/", {}], ["/admin", { auth: { token: "secret" } }]]) {
          const socket = await enter(name, more);
          const side = collect(socket, "side");
          assert.deepEqual(await answers(socket, "side-emit", 1, "two"), []);
          assert.deepEqual(await ask(socket, "side-ask", 1), { err: false, replies: [] });
          assert.deepEqual(side, []);
        }
      });

      test("set-data, get-data", async () => {
        const socket = await enter("/");
        assert.deepEqual(await ask(socket, "get-data"), {});
        assert.deepEqual(await ask(socket, "set-data", "a", { b: [1] }), { a: { b: [1] } });
        assert.deepEqual(await ask(socket, "set-data", "c", null), { a: { b: [1] }, c: null });
        assert.deepEqual(await ask(socket, "get-data"), { a: { b: [1] }, c: null });
      });

      test("handshake", async () => {
        const before = Date.now();
        const socket = await enter("/", {
          query: { who: "me & you", "ü": "🐟" }, auth: { token: ["t", { x: 1 }] }, extraHeaders: { "X-Own": "value" },
        });
        const told = await ask(socket, "handshake");
        assert.deepEqual(Object.keys(told).sort(), ["address", "auth", "headers", "issued", "query", "secure", "url", "xdomain"]);
        assert.equal(told.query.EIO, "4");
        assert.equal(told.query.transport, options.transports[0]);
        assert.equal(told.query.who, "me & you");
        assert.equal(told.query["ü"], "🐟");
        assert.deepEqual(told.auth, { token: ["t", { x: 1 }] });
        assert.equal(told.headers["x-own"], "value");
        assert.equal(told.headers.host, new URL(suite.server.url).host);
        assert.match(told.address, /^(::ffff:)?127\.0\.0\.1$/);
        assert.deepEqual([told.secure, told.xdomain], [false, false]);
        assert.ok(told.issued >= before - 50 && told.issued <= Date.now() + 50, String(told.issued));
        assert.match(told.url, /^\/socket\.io\/\?/);
        const other = await connected(socket.io.socket(own(6)));
        clients.push(other);
        assert.deepEqual((await ask(other, "handshake")).auth, {});
        const foreign = await enter("/", { extraHeaders: { Origin: "http://app.example" } });
        assert.equal((await ask(foreign, "handshake")).xdomain, true);
      });

      test("id, namespace, transport, recovered, node", async () => {
        const socket = await enter(own(7));
        assert.equal(await ask(socket, "id"), socket.id);
        assert.equal(await ask(socket, "namespace"), own(7));
        if (upgrades) await upgraded(socket);
        const transport = upgrades ? "websocket" : options.transports[0];
        await until(async () => await ask(socket, "transport") === transport, { what: transport });
        assert.equal(await ask(socket, "recovered"), false);
        assert.equal(await ask(socket, "node"), "one");
      });

      test("kick, and the reasons for which sockets went", async () => {
        const watcher = await enter("/");
        const reason = (id) => until(() => ask(watcher, "reason-of", id), { what: "the reason" });
        assert.equal(await ask(watcher, "reason-of", "unknown"), null);
        const kicked = await enter("/");
        let { id } = kicked;
        let gone = once(kicked, "disconnect");
        kicked.emit("kick");
        assert.deepEqual([(await gone)[0], kicked.active], ["io server disconnect", false]);
        assert.equal(await reason(id), "server namespace disconnect");
        kicked.connect();
        await once(kicked, "connect");
        const other = await connected(kicked.io.socket(own(8)));
        clients.push(other);
        id = kicked.id;
        gone = Promise.all([once(kicked, "disconnect"), once(other, "disconnect")]);
        kicked.emit("kick", true);
        assert.deepEqual((await gone).map(([why]) => why), ["io server disconnect", "io server disconnect"]);
        assert.equal(await reason(id), "server namespace disconnect");
        const lost = await enter("/");
        id = lost.id;
        lost.io.engine.close();
        assert.equal(await reason(id), "transport close");
      });
    });
  }
});

describe("what holds throughout", () => {
  test("everything arrives in the order of sending, acks included", async () => {
    const socket = await connected(suite.connect("/"));
    const order = [];
    socket.on("echo:reply", (i) => order.push(i));
    for (const i of numbers(600)) {
      if (i % 3 === 0) socket.emit("echo", i, () => order.push(i));
      else if (i % 3 === 1) socket.emit("echo", i, Buffer.from([i & 255]));
      else socket.emit("echo", i);
    }
    await until(() => order.length >= 600, { what: "600 answers" });
    assert.deepEqual(order, numbers(600));
  });

  test("nobody waits for another client's handlers", async () => {
    const [asked, other] = await Promise.all([connected(suite.connect("/")), connected(suite.connect("/"))]);
    for (const i of numbers(300)) asked.emit("ask", i);
    asked.emit("seq", 2000);
    const start = Date.now();
    assert.equal(await ask(other, "echo", 1), 1);
    assert.ok(Date.now() - start < 1500);
  });

  test("a crowd connects, talks and leaves at once", async () => {
    const crowd = await Promise.all(numbers(45).map((i) => connected(suite.connect("/tenant-99", Object.values(WAYS)[i % 3]))));
    const heard = crowd.map((socket) => collect(socket, "news"));
    await Promise.all(crowd.map((socket, i) => answers(socket, "broadcast-all", i)));
    await settled(...crowd);
    for (const list of heard) assert.deepEqual(list.toSorted((a, b) => a - b), numbers(45));
  });
});

describe("with MessagePack", () => {
  for (const [way, options] of Object.entries(WAYS)) {
    test(`${way}: values, bytes, acks and rooms`, async (t) => {
      const server = await TestServer.start("contract", { args: ["--parser", "msgpack"] });
      t.after(() => server.kill());
      const socket = io(server.url, { forceNew: true, parser: msgpackParser, ...options });
      t.after(() => socket.disconnect());
      const [welcome] = await next(socket, "welcome");
      assert.deepEqual(welcome, { id: socket.id, ns: "/", recovered: false });
      const args = [1, -2.5, "ü 🐟", null, true, [[]], { deep: { er: [Buffer.from([1, 2])] } }, Buffer.alloc(0)];
      assert.deepEqual(await answers(socket, "echo", ...args), args);
      socket.emit("echo", ...args);
      assert.deepEqual(await next(socket, "echo:reply"), args);
      assert.deepEqual(await ask(socket, "bin-make", 3), { top: Buffer.alloc(3, 7), nested: [{ deep: Buffer.from([1, 2, 3]) }, "text"] });
      assert.deepEqual(await ask(socket, "join", ["a", "b"]), [socket.id, "a", "b"].sort());
      const heard = next(socket, "news");
      await answers(socket, "in-room", "a", "news", { n: 1 });
      assert.deepEqual(await heard, ["news", { n: 1 }]);
      socket.once("question", (n, answer) => answer(n, Buffer.from([n])));
      socket.emit("ask", 7);
      assert.deepEqual(await next(socket, "answer"), [7, Buffer.from([7])]);
      const admin = socket.io.socket("/admin");
      const [error] = await once(admin, "connect_error");
      assert.deepEqual([error.message, error.data], ["not authorized", { code: 401, hint: "token" }]);
      admin.auth = { token: "secret" };
      admin.connect();
      await once(admin, "connect");
      assert.equal(await ask(admin, "namespace"), "/admin");
      const gone = once(socket, "disconnect");
      socket.emit("kick", true);
      assert.equal((await gone)[0], "io server disconnect");
      socket.disconnect();
      await server.stop();
    });
  }
});
