// What a hostile or broken client may send, against the contract server: each has its defined end, an innocent client is
// served meanwhile, and the server does not grow.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, test } from "node:test";
import { io } from "socket.io-client";
import { ask, connected, numbers } from "../support/clients.mjs";
import { serve } from "../support/suite.mjs";
import { pause, until, within } from "../support/wait.mjs";
import { Frames, Polling, RS, Tcp, begin, path, request, upgradeHead } from "../support/wire.mjs";

const suite = serve(io, { name: "contract" });
let bystander;

beforeEach(async () => {
  bystander = await connected(io(suite.server.url, { forceNew: true, transports: ["websocket"], reconnection: false }));
});
afterEach(async () => {
  assert.equal(await ask(bystander, "echo", "served"), "served");
  assert.ok(suite.server.alive);
  bystander.disconnect();
});

const reasonOf = (id) => until(() => ask(bystander, "reason-of", id), { what: "the disconnect's reason" });
const hole = (num) => `{"_placeholder":true,"num":${num}}`;
const text = { "content-type": "text/plain;charset=UTF-8" };
const bytes = { "content-type": "application/octet-stream" };

/** How a connection ends that broke the protocol of Socket.IO, and of Engine.IO. */
const FORCED = /^forced (server )?close$/;
const UNREADABLE = /^parse error$/;

/** Messages of a member of the main namespace that end its connection, on either transport, and why. */
const BROKEN_PACKETS = {
  "an unknown packet of Engine.IO": [["7"], ["9x"], ["z"], ["\u{1f41f}"]],
  "an unknown packet of Socket.IO": [["47"], ["48[]"], ["4x"], ["4"], ["4-1"]],
  "broken JSON": [["42{"], ["42[1"], ['42["a"'], ['42["a",]'], ['42["a"]]'], ["42['a']"], ["42[\"\\ud8\"]"]],
  "an event without a name": [["42[]"], ["42{}"], ["42[null]"], ["42[true]"], ["42[[]]"], ['42"a"']],
  "an event with a reserved name": [['42["connect"]'], ['42["disconnect",1]'], ['42["connect_error"]']],
  "a wrong payload": [['43{"a":1}'], ['41/admin,"x"'], ["40[1]"], ['40/admin,"invalid"'], ["44{}"]],
  "an attachment count that is none": [["45"], ["45x"], ["451"], ["451.5-[\"a\"]"], ["45999999999999999999-[\"a\"]"]],
  "more attachments than are allowed": [[`4511-["bin-info",${numbers(11).map(hole).join()}]`], ['4599-["echo"]']],
  "an attachment that does not exist": [[`451-["echo",${hole(1)}]`, "bAQ=="], [`451-["echo",${hole(-1)}]`, "bAQ=="], ['451-["echo",{"_placeholder":true,"num":"0"}]', "bAQ=="]],
  "a text in place of an attachment": [[`451-["echo",${hole(0)}]`, '42["echo"]'], [`452-["echo",${hole(0)},${hole(1)}]`, "bAQ==", "40/admin,"]],
  "an attachment of nothing": [["bAQ=="], [`451-["echo",${hole(0)}]`, "bAQ==", "bAQ=="]],
  "CONNECT twice": [["40"], ['40{"token":"secret"}'], ["40/tenant-1,", "40/tenant-1,"]],
  "an event for a namespace not joined": [['42/tenant-1,["echo"]'], ['42/nowhere,["echo"]']],
  "an answer for a namespace not joined": [["43/tenant-1,1[]"]],
  "leaving a namespace not joined": [["41/tenant-1,"]],
};

describe("a connection that breaks the protocol is ended, and no other", { concurrency: 1 }, () => {
  for (const [name, attacks] of Object.entries(BROKEN_PACKETS)) {
    const reason = name.includes("Engine.IO") ? UNREADABLE : FORCED;

    test(`${name}, over WebSocket`, async () => {
      for (const packets of attacks) {
        const frames = await Frames.join(suite.server.url);
        for (const packet of packets) frames.send(packet.startsWith("bA") ? Buffer.from(packet.slice(1), "base64") : packet);
        await within(4000, frames.closed, `the close after ${packets}`);
        assert.match(await reasonOf(frames.id), reason, String(packets));
      }
    });

    test(`${name}, over polling`, async () => {
      for (const packets of attacks) {
        const polling = await Polling.join(suite.server.url);
        await polling.post(packets.join(RS));
        assert.match(await reasonOf(polling.id), reason, String(packets));
        await until(() => polling.closed(), { what: `the end of the session after ${packets}` });
      }
    });
  }

  test("text that is no UTF-8", async () => {
    for (const wrong of [[0xc3, 0x28], [0xff], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]]) {
      const event = Buffer.concat([Buffer.from('42["echo","'), Buffer.from(wrong), Buffer.from('"]')]);
      const frames = await Frames.join(suite.server.url);
      frames.ws.send(event, { binary: false });
      assert.equal(await within(4000, frames.closed, "the close"), 1007);
      assert.match(await reasonOf(frames.id), /^(transport|parse) error$/);
      const polling = await Polling.join(suite.server.url);
      await polling.post(event, { ...text, "content-length": event.length });
      // Node reads what is no UTF-8 as replacement characters; either it is that, or the end.
      await polling.post("421[\"id\"]");
      const { status, body } = await polling.get();
      assert.ok(status === 400 || body.includes("\ufffd") || body.includes("1"), `${status} ${body}`);
    }
  });

  test("more than the limit, whole, in fragments or compressed to nothing", async () => {
    const whole = await Frames.join(suite.server.url);
    whole.send("4".repeat(100_001));
    assert.equal(await within(4000, whole.closed, "the close"), 1009);
    assert.equal(await reasonOf(whole.id), "transport error");
    const pieces = await Frames.join(suite.server.url);
    for (const _ of numbers(11)) pieces.ws.send("x".repeat(10_000), { fin: false });
    assert.equal(await within(4000, pieces.closed, "the close"), 1009);
    const attachment = await Frames.join(suite.server.url);
    attachment.send(`451-["sink",${hole(0)}]`);
    attachment.send(Buffer.alloc(100_001));
    assert.equal(await within(4000, attachment.closed, "the close"), 1009);
    const polling = await Polling.join(suite.server.url);
    assert.equal((await polling.post("x".repeat(100_001))).status, 413);
    const chunked = await Polling.join(suite.server.url);
    const { promise, outgoing } = begin(suite.server.url, chunked.target, { method: "POST", headers: text });
    for (const _ of numbers(11)) outgoing.write("y".repeat(10_000));
    outgoing.end();
    assert.equal(await within(5000, promise.then(({ status }) => status, () => 413), "the answer"), 413);
  });

  test("two polls at once, or two POSTs", async () => {
    const polling = await Polling.join(suite.server.url);
    await polling.get();
    const first = polling.poll();
    await pause(100);
    assert.equal((await polling.get()).status, 400);
    assert.equal((await within(4000, first.promise, "the first poll")).status, 200);
    assert.equal(await reasonOf(polling.id), "transport error");
    const posting = await Polling.join(suite.server.url);
    const half = begin(suite.server.url, posting.target, { method: "POST", headers: { ...text, "content-length": 100 } });
    half.outgoing.write("42[");
    await pause(100);
    assert.equal((await posting.post('42["echo"]')).status, 400);
    assert.equal(await reasonOf(posting.id), "transport error");
    half.outgoing.destroy();
  });

  test("a socket that never reads", async () => {
    const deaf = await Frames.join(suite.server.url);
    deaf.ws._socket.pause();
    // More than may wait for one client, in pieces that it asked for itself.
    for (const _ of numbers(12)) deaf.send('42["bin-push",2000000]');
    assert.equal(await reasonOf(deaf.id), "forced server close");
    deaf.ws.terminate();
  });

  test("silence: half a handshake, no CONNECT, no pong, a body that does not come", async () => {
    const { url } = suite.server;
    const start = Date.now();
    const mute = await Frames.open(url);
    const noPong = await Frames.join(url);
    const half = await Polling.join(url);
    const posting = begin(url, half.target, { method: "POST", headers: { ...text, "content-length": 100_000 } });
    posting.outgoing.write('42["echo"');
    await within(5000, Promise.all([mute.closed, noPong.closed]), "the closes");
    assert.ok(Date.now() - start > 1500);
    assert.equal(await reasonOf(noPong.id), "ping timeout");
    assert.match(await reasonOf(half.id), /^(ping timeout|transport error)$/);
    await within(5000, posting.promise.then(() => {}, () => {}), "the end of the POST");
  });
});

describe("what is harmless is passed over", { concurrency: 1 }, () => {
  test("answers nobody asked for, twice, or with a foreign number", async () => {
    const frames = await Frames.join(suite.server.url);
    await frames.next();
    for (const packet of ["430[1]", "43999[]", "43999[]", "4318446744073709551615[]", `461-7[${hole(0)}]`, Buffer.from([1])]) frames.send(packet);
    frames.send('42["ask","?"]');
    const question = await frames.next();
    const id = /^42(\d+)\[/.exec(question)[1];
    frames.send(`43${id}["first"]`);
    frames.send(`43${id}["second"]`);
    assert.match(await frames.next(), /^42\["answer","first",/);
    frames.send('421["echo",1]');
    assert.equal(await frames.next(), "431[1]");
    frames.ws.close();
  });

  test("an event or an answer of nothing", async () => {
    const frames = await Frames.join(suite.server.url);
    await frames.next();
    for (const packet of ["42", "431", "421"]) frames.send(packet);
    frames.send('421["echo",1]');
    // Node lets them through; to us they are events without a name.
    const packets = [await frames.next(), await frames.next(), await frames.next()];
    assert.match(packets[0], /^42\["caught","",\[\],/);
    assert.equal(packets[2], "431[1]");
    frames.ws.close();
  });

  test("arguments of the wrong type", async () => {
    const frames = await Frames.join(suite.server.url);
    await frames.next();
    for (const event of [
      "seq", "large", "join", "leave", "to-room", "in-room", "to-room-except", "all-except", "private", "ask-timeout", "bin-make", "bin-push",
      "compress", "volatile-flood", "who", "move", "unmove", "kick-other", "set-data", "kick", "reason-of", "ask-room",
    ]) {
      for (const args of ["", ",-1", ",1e400", ',{"a":[]}', ",[[]]", ',[1,null]', ',"x",{},[]', ',null,null,null', `,${"[".repeat(50)}${"]".repeat(50)}`]) {
        // These say something after all: everybody, and me.
        if (["who", "kick"].includes(event) && (args === "" || args.startsWith(",null"))) continue;
        frames.send(`42["${event}"${args}]`);
      }
    }
    frames.send('421["echo","still here"]');
    for (;;) {
      const packet = await frames.next();
      if (packet === "2") frames.send("3");
      if (packet === '431["still here"]') break;
    }
    frames.ws.close();
  });

  test("namespaces by the hundred, and names that JavaScript trips over", async () => {
    const frames = await Frames.join(suite.server.url);
    await frames.next();
    for (const name of ["/__proto__", "/constructor", "/toString", `/${"x".repeat(5000)}`, "/ü", "/nowhere?token=secret"]) frames.send(`40${name},`);
    for (const i of numbers(300)) frames.send(`40/tenant-${i},`);
    frames.send('421["__proto__"]');
    frames.send('422["echo",{"__proto__":{"x":1},"constructor":1}]');
    for (;;) {
      const packet = await frames.next();
      if (packet === "2") frames.send("3");
      if (packet.startsWith("432")) {
        assert.equal(packet, '432[{"__proto__":{"x":1},"constructor":1}]');
        break;
      }
    }
    frames.ws.close();
  });
});

describe("protocol 3", { concurrency: 1 }, () => {
  async function old(query) {
    const polling = await Polling.open(suite.server.url, { EIO: 3, ...query });
    polling.id = polling.sid;
    return polling;
  }

  test("texts with wrong lengths end the session", async () => {
    for (const body of ["", "x", "5", "99:42[]", ":", "-1:4", "2:40extra", "1.5:40", `${"9".repeat(400)}:4`, "1:", " 2:40"]) {
      const polling = await old({ b64: 1 });
      await polling.post(body);
      await until(() => polling.closed(), { what: `the end after ${body.slice(0, 20)}` });
    }
  });

  test("bytes with wrong lengths end the session", async () => {
    for (const body of [[], [0], [1, 255], [2, 1, 255, 4], [0, 1], [0, 9, 9, 255, 0x34], [0, 10, 255, 0x34], [0, ...Array(400).fill(9), 255], [1, 3, 255, 4, 1]]) {
      const polling = await old({});
      await polling.post(Buffer.from(body), bytes);
      await until(() => polling.closed(), { what: `the end after ${body.slice(0, 10)}` });
    }
  });

  test("bad base64 and unknown types end the session", async () => {
    for (const packet of ["b4!!!", "b9AQ==", "b", "9", "4\u{1f41f}", "47"]) {
      const polling = await old({ b64: 1 });
      await polling.post(`${packet.length}:${packet}`);
      await until(() => polling.closed(), { what: `the end after ${packet}` });
    }
  });
});

describe("HTTP and TCP", { concurrency: 1 }, () => {
  test("garbage instead of HTTP", async () => {
    const noise = Buffer.from(numbers(5000).map((i) => (i * 7919) & 255));
    for (const garbage of [noise, "\0\0\0\0", "GET\r\n\r\n", "\x16\x03\x01\x02\x00\x01", "GET /socket.io/ HTTP/9.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n"]) {
      const tcp = await Tcp.open(suite.server.url, garbage);
      await Promise.race([tcp.closed, pause(100)]);
      tcp.socket.destroy();
    }
  });

  test("requests that are none of ours", async () => {
    const { url } = suite.server;
    const polling = await Polling.join(url);
    for (const [query, options, status] of [
      [{}, {}, 400], [{ EIO: 5, transport: "polling" }, {}, 400], [{ EIO: 4, transport: "tube" }, {}, 400],
      [{ EIO: 4, transport: "polling", sid: "unknown" }, {}, 400], [{ EIO: 4, transport: "polling" }, { method: "POST" }, 400],
      [{ EIO: 4, transport: "websocket" }, {}, 400],
      [{ EIO: 4, transport: "polling", sid: polling.sid, j: "0" }, { method: "PUT" }, 500],
    ]) assert.equal((await request(url, path(query), options)).status, status, JSON.stringify(query));
  });

  test("half a handshake, kept open or dropped", async () => {
    const head = upgradeHead(path({ EIO: 4, transport: "websocket" }));
    const halves = await Promise.all(numbers(60).map((i) => Tcp.open(suite.server.url, head.slice(0, i * 3))));
    assert.equal(await ask(bystander, "echo", "meanwhile"), "meanwhile");
    for (const tcp of halves) tcp.socket.destroy();
  });

  test("an upgrade that turns out to be garbage leaves polling unharmed", async () => {
    for (const wrong of [["2wrong"], ["4hello"], ["9"], [Buffer.from([1, 2])], ["2probe", "4hello"], ["5"]]) {
      const polling = await Polling.join(suite.server.url);
      const frames = await Frames.open(suite.server.url, { sid: polling.sid });
      for (const packet of wrong) frames.send(packet);
      await within(4000, frames.closed, `the close after ${wrong}`);
      await polling.post('421["id"]');
      let body = "";
      while (!body.includes("431")) body += (await polling.get()).body;
      assert.ok(body.includes(`431["${polling.id}"]`));
    }
  });

  test("broken frames", async () => {
    const mask = [0, 0, 0, 0];
    for (const [name, frame] of Object.entries({
      unmasked: [0x81, 2, 0x34, 0x30], "reserved bits": [0xf1, 0x80, ...mask], "unknown opcode": [0x83, 0x80, ...mask],
      "a length without end": [0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, ...mask],
      "a negative length": [0x81, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, ...mask],
      "a long control frame": [0x89, 0xfe, 0, 200, ...mask], "a continuation of nothing": [0x80, 0x80, ...mask],
    })) {
      const tcp = await Tcp.open(suite.server.url, upgradeHead(path({ EIO: 4, transport: "websocket" })));
      await until(() => tcp.text.includes('0{"sid"'), { what: "the open packet" });
      tcp.socket.write(Buffer.from(frame));
      await within(4000, tcp.closed, `the close after ${name}`);
    }
  });
});

describe("in the long run", () => {
  /** The server's resident memory in KiB. */
  const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${suite.server.child.pid}/status`, "utf8"))[1]);

  /** One client of each kind that ends badly, at once. */
  async function round() {
    const { url } = suite.server;
    const broken = ["9", "42{", "40", `453-["echo",${hole(0)}]`, '42/nowhere,["x"]', `451-["echo",${hole(7)}]`, "4".repeat(100_001)];
    await Promise.all([
      ...broken.map(async (packet) => {
        const frames = await Frames.join(url);
        frames.send('42["join",["a","b"]]');
        frames.send('42["ask","?"]');
        frames.send(packet);
        if (packet.startsWith("451")) frames.send(Buffer.alloc(1000));
        // Nothing ends the waiting for attachments but the end of the client.
        if (packet.startsWith("453")) frames.ws.terminate();
        await within(5000, frames.closed, `the close after ${packet.slice(0, 20)}`);
      }),
      ...["9", "42{", "", "x".repeat(100_001)].map(async (body) => {
        const polling = await Polling.join(url);
        await polling.post(body);
      }),
      (async () => (await Tcp.open(url, upgradeHead("/socket.io/?EIO=4&transport=websocket") + "\xff\xff")).closed)(),
      (async () => (await Tcp.open(url, "GET /socket.io/?EIO=4")).socket.destroy())(),
      // A session that nobody joins with, nor ends.
      Polling.open(url),
      (async () => {
        const { outgoing } = (await Polling.join(url)).poll();
        await pause(20);
        outgoing.destroy();
      })(),
    ]);
  }

  test("hundreds of rounds leave the server as it was", { timeout: 120_000 }, async (t) => {
    for (const _ of numbers(40)) await round();
    // What is kept for clients that come back goes after its window.
    await pause(5000);
    const before = memory();
    for (const _ of numbers(200)) await round();
    await pause(5000);
    const grown = memory() - before;
    t.diagnostic(`${before} KiB, and ${grown} KiB more after 200 rounds of 15 clients`);
    assert.ok(grown < 6 * 1024, `${grown} KiB more than ${before}`);
  });
});
