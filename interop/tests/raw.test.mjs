// The wire itself: exact answers, and what a server must survive. After each test an innocent client must still be served.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { io } from "socket.io-client";
import { Frames, Polling, RS, Tcp, begin, path, request, upgradeHead } from "../support/wire.mjs";
import { TestServer } from "../support/server.mjs";
import { once, pause, until, within } from "../support/wait.mjs";

const JSON_BODY = "application/json";
const TEXT = { "content-type": "text/plain;charset=UTF-8" };

let server;
let url;
let bystander;

function serve(args) {
  before(async () => {
    server = await TestServer.start("interop-server", { args });
    url = server.url;
  });
  beforeEach(async () => {
    bystander = io(url, { forceNew: true, transports: ["websocket"], reconnection: false });
    await once(bystander, "connect");
  });
  afterEach(async () => {
    assert.equal(await ask("sum", 20, 22), 42, "the bystander is served");
    assert.ok(server.alive);
    bystander.disconnect();
  });
  after(async () => { await server?.stop(); });
}

function ask(event, ...args) {
  return bystander.timeout(5000).emitWithAck(event, ...args);
}

/** What the server's handlers were told when this socket went. */
function reasonOf(id, ms = 5000) {
  return until(() => ask("reason-of", id), { within: ms, what: "the disconnect's reason" });
}

async function refused(target, options, { status = 400, ...error }) {
  const response = await request(url, target, options);
  assert.equal(response.status, status);
  assert.equal(response.headers["content-type"], JSON_BODY);
  assert.equal(response.body, JSON.stringify(error));
}

const UNKNOWN_TRANSPORT = { code: 0, message: "Transport unknown" };
const UNKNOWN_SESSION = { code: 1, message: "Session ID unknown" };
const BAD_METHOD = { code: 2, message: "Bad handshake method" };
const BAD_REQUEST = { code: 3, message: "Bad request" };

describe("the answers of the wire", () => {
  serve([]);

  test("a handshake tells the session and its settings", async () => {
    const { response, handshake } = await Polling.open(url);
    assert.equal(response.status, 200);
    assert.equal(response.headers["content-type"], "text/plain; charset=UTF-8");
    assert.equal(response.headers["cache-control"], "no-store");
    assert.equal(response.headers["content-length"], String(response.bytes.length));
    assert.equal(response.headers["set-cookie"], undefined);
    assert.equal(response.headers["access-control-allow-origin"], undefined);
    assert.match(response.body, /^0\{"sid":"[\w-]{20}","upgrades":\["websocket"\],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000\}$/);
    assert.match(handshake.sid, /^[\w-]{20}$/);
    const frames = new Frames(url);
    assert.match(await frames.next(), /^0\{"sid":"[\w-]{20}","upgrades":\[\],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000\}$/);
    frames.ws.close();
  });

  test("ids do not repeat", async () => {
    const sessions = await Promise.all(Array.from({ length: 50 }, () => Polling.open(url)));
    assert.equal(new Set(sessions.map(({ sid }) => sid)).size, 50);
  });

  test("an unknown transport is refused", async () => {
    for (const transport of ["tube", "constructor", "__proto__", "", "webtransport"]) {
      await refused(path({ EIO: 4, transport }), {}, UNKNOWN_TRANSPORT);
    }
    await refused("/socket.io/?EIO=4", {}, UNKNOWN_TRANSPORT);
  });

  test("an unknown session is refused", async () => {
    await refused(path({ EIO: 4, transport: "polling", sid: "toString" }), {}, UNKNOWN_SESSION);
    await refused(path({ EIO: 4, transport: "polling", sid: "x".repeat(20) }), { method: "POST", body: "40" }, UNKNOWN_SESSION);
  });

  test("a handshake is a GET", async () => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      await refused(path({ EIO: 4, transport: "polling" }), { method }, BAD_METHOD);
    }
  });

  test("a WebSocket's handshake is an upgrade", async () => {
    await refused(path({ EIO: 4, transport: "websocket" }), {}, BAD_REQUEST);
  });

  test("a session stays with its transport", async () => {
    const polling = await Polling.join(url);
    await refused(path({ EIO: 4, transport: "websocket", sid: polling.sid }), {}, BAD_REQUEST);
    const frames = await Frames.open(url);
    const { sid } = JSON.parse((await frames.next()).slice(1));
    await refused(path({ EIO: 4, transport: "polling", sid }), {}, BAD_REQUEST);
    frames.ws.close();
  });

  test("a refused upgrade is told in plain HTTP", async () => {
    for (const [query, message] of [
      [{ EIO: 4, transport: "websocket", sid: "unknown" }, "Session ID unknown"],
      [{ EIO: 4, transport: "tube" }, "Transport unknown"],
    ]) {
      const tcp = await Tcp.open(url, upgradeHead(path(query)));
      await within(5000, tcp.closed, "the close");
      const [head, body] = tcp.text.split("\r\n\r\n");
      assert.match(head, /^HTTP\/1\.1 400 Bad Request\r\n/);
      assert.match(head, /^connection: close$/im);
      assert.match(head, /^content-type: text\/html$/im);
      assert.match(head, new RegExp(`^content-length: ${message.length}$`, "im"));
      assert.equal(body, message);
    }
  });

  test("an upgrade that names polling is accepted and closed", async () => {
    const frames = await Frames.open(url, { transport: "polling" });
    await within(5000, frames.closed, "the close");
  });

  test("a POST is answered with ok, and not as a download", async () => {
    const polling = await Polling.open(url);
    const response = await polling.post("40");
    assert.deepEqual([response.status, response.body], [200, "ok"]);
    assert.equal(response.headers["content-type"], "text/html");
    assert.equal(response.headers["content-length"], "2");
  });

  test("bytes go through polling as base64", async () => {
    const polling = await Polling.join(url);
    const placeholder = '{"_placeholder":true,"num":0}';
    await polling.post(`451-7["bin",${placeholder}]${RS}bAQIDBA==`);
    let body = "";
    while (body.split(RS).length < 4) body += (body && RS) + (await polling.get()).body;
    assert.equal(body, [`451-["bin:reply",${placeholder}]`, "bAQIDBA==", `461-7[${placeholder}]`, "bAQIDBA=="].join(RS));
  });

  test("a body may come in any pieces, even through a character's middle", async () => {
    const polling = await Polling.join(url);
    const body = Buffer.from(`4213["echo","zwölf 🐟"]${RS}42["echo","☃"]`);
    const bytes = Array.from(body, (byte) => Buffer.from([byte]));
    // Without a length: chunked.
    assert.equal((await polling.post(bytes)).body, "ok");
    assert.equal((await polling.post(bytes, { ...TEXT, "content-length": body.length, connection: "close" })).body, "ok");
    let heard = "";
    while (heard.split(RS).length < 4) heard += (heard && RS) + (await polling.get()).body;
    const once = `4313["zwölf 🐟"]${RS}42["echo:reply","☃"]`;
    assert.equal(heard, once + RS + once);
  });

  test("a second poll ends the session", async () => {
    const polling = await Polling.join(url);
    const first = polling.poll();
    await pause(100);
    const second = await polling.get();
    assert.deepEqual([second.status, second.body], [400, ""]);
    const { status, body } = await within(5000, first.promise, "the first poll");
    assert.deepEqual([status, body], [200, "1"]);
    assert.equal(await reasonOf(polling.id), "transport error");
    assert.ok(await polling.closed());
  });

  test("a second POST ends the session", async () => {
    const polling = await Polling.join(url);
    const first = begin(url, polling.target, { method: "POST", headers: { ...TEXT, "content-length": 100 } });
    first.outgoing.write("42[");
    await pause(100);
    const second = await polling.post("40");
    assert.deepEqual([second.status, second.body], [400, ""]);
    assert.equal(await reasonOf(polling.id), "transport error");
    assert.ok(await polling.closed());
    first.outgoing.destroy();
  });

  test("a POST above the limit is refused with 413", async () => {
    const polling = await Polling.join(url);
    const exact = await polling.post("4" + `2["sink","${"x".repeat(1_000_000 - 13)}"]`);
    assert.deepEqual([exact.status, exact.body], [200, "ok"]);
    const { promise } = begun("POST", polling.target, "x".repeat(1_000_001));
    const { status, body } = await within(5000, promise, "the answer");
    assert.deepEqual([status, body], [413, ""]);
  });

  test("a chunked POST above the limit is cut off", async () => {
    const polling = await Polling.join(url);
    const { outgoing, promise } = begin(url, polling.target, { method: "POST", headers: TEXT });
    for (let i = 0; i < 20; i += 1) outgoing.write("y".repeat(100_000));
    const outcome = await within(5000, promise.then(({ status }) => status, () => "cut off"), "the answer");
    assert.ok(outcome === 413 || outcome === "cut off", String(outcome));
    outgoing.destroy();
  });

  test("bytes as a body end a session of protocol 4", async () => {
    const polling = await Polling.join(url);
    const response = await polling.post("40", { "content-type": "application/octet-stream" });
    assert.deepEqual([response.status, response.body], [400, ""]);
    assert.equal(await reasonOf(polling.id), "transport error");
    assert.ok(await polling.closed());
  });

  test("other methods are answered with 500", async () => {
    const polling = await Polling.join(url);
    for (const method of ["PUT", "DELETE"]) {
      const { status, body } = await request(url, polling.target, { method });
      assert.deepEqual([status, body], [500, ""]);
    }
  });

  test("an aborted poll ends the session", async () => {
    const polling = await Polling.join(url);
    const { outgoing } = polling.poll();
    await pause(100);
    outgoing.destroy();
    assert.equal(await reasonOf(polling.id), "transport error");
    assert.ok(await polling.closed());
  });

  test("an aborted POST ends the session", async () => {
    const polling = await Polling.join(url);
    const { outgoing } = begin(url, polling.target, { method: "POST", headers: { ...TEXT, "content-length": 100 } });
    outgoing.write("42[");
    await pause(100);
    outgoing.destroy();
    assert.equal(await reasonOf(polling.id), "transport error");
    assert.ok(await polling.closed());
  });

  test("a close packet ends the session and its poll", async () => {
    const polling = await Polling.join(url);
    const { promise } = polling.poll();
    await pause(100);
    assert.equal((await polling.post("1")).body, "ok");
    assert.equal((await within(5000, promise, "the poll")).body, "6");
    assert.equal(await reasonOf(polling.id), "transport close");
    assert.ok(await polling.closed());
  });

  test("the server's close reaches a pending poll, and one that comes later, behind the data", async () => {
    for (const late of [false, true]) {
      const polling = await Polling.join(url);
      let poll = late ? undefined : polling.poll().promise;
      await pause(50);
      await polling.post('42["kick",true]');
      if (late) await pause(100);
      poll ??= polling.get();
      // Clients see the close of the connection before the packets that came in the same answer.
      assert.equal((await within(5000, poll, "the poll")).body, "41");
      assert.match((await polling.get()).body, /^(6\x1e)?1$/);
      assert.equal(await reasonOf(polling.id), "server namespace disconnect");
      assert.ok(await polling.closed());
    }
  });

  test("an empty body and an unknown packet end the session", async () => {
    for (const body of ["", "9x", `42["sink"]${RS}z`]) {
      const polling = await Polling.join(url);
      await polling.post(body);
      assert.equal(await reasonOf(polling.id), "parse error", JSON.stringify(body));
    }
  });

  test("a broken event ends the connection", async () => {
    for (const packet of [
      "42{", "42[1", "48", "4", "42[]", '42["connect"]', "42{}", '42"a"', "4512-", "45x", '4599-["bin"]', "43{}", "40{",
    ]) {
      const frames = await Frames.join(url);
      frames.send(packet);
      await within(5000, frames.closed, `the close after ${packet}`);
      assert.match(await reasonOf(frames.id), /^forced (server )?close$/, packet);
    }
  });

  test("what the protocol forbids ends the connection", async () => {
    for (const packets of [["40"], ['42/other,["sink"]'], ["41/other,"], ['43/other,1[]']]) {
      const frames = await Frames.join(url);
      for (const packet of packets) frames.send(packet);
      await within(5000, frames.closed, `the close after ${packets}`);
      // Node says one on the WebSocket and the other on polling.
      assert.match(await reasonOf(frames.id), /^forced (server )?close$/, String(packets));
    }
    // Bytes without an event that announced them; an event that came instead of its bytes; too many of them.
    for (const packets of [
      [Buffer.from([1])], ['451-["bin",{"_placeholder":true,"num":0}]', '42["sink"]'],
      [`4511-["bin"${',{"_placeholder":true,"num":0}'.repeat(11)}]`], ['451-["bin",{"_placeholder":true,"num":9}]', Buffer.from([1])],
    ]) {
      const frames = await Frames.join(url);
      for (const packet of packets) frames.send(packet);
      await within(5000, frames.closed, `the close after ${packets}`);
      assert.equal(await reasonOf(frames.id), "forced close", String(packets));
    }
  });

  test("acks that nobody waits for are ignored", async () => {
    const frames = await Frames.join(url);
    frames.send("43999[1]");
    frames.send("430[1]");
    frames.send('421["sum",1,2]');
    assert.equal(await frames.next(), "431[3]");
    frames.ws.close();
  });

  test("foreign paths are not Socket.IO's", async () => {
    assert.equal((await request(url, "/")).status, 404);
    assert.equal((await request(url, "/socket.io.js")).status, 404);
  });

  test("the client's file is served, and not twice", async () => {
    const first = await request(url, "/socket.io/socket.io.js?v=1");
    assert.equal(first.status, 200);
    assert.equal(first.headers["content-type"], "application/javascript; charset=utf-8");
    assert.equal(first.headers["cache-control"], "public, max-age=0");
    assert.match(first.headers.etag, /^"4\.\d+\.\d+"$/);
    assert.match(first.body, /Socket\.IO v4/);
    for (const etag of [first.headers.etag, `W/${first.headers.etag}`]) {
      const again = await request(url, "/socket.io/socket.io.js", { headers: { "if-none-match": etag } });
      assert.deepEqual([again.status, again.body], [304, ""]);
    }
    assert.equal((await request(url, "/socket.io/nothing.js")).status >= 400, true);
  });
});

describe("the upgrade", () => {
  serve(["--upgrade-timeout", "500"]);

  test("moves a session from polling to the WebSocket", async () => {
    const polling = await Polling.join(url);
    const frames = await Frames.open(url, { sid: polling.sid });
    const { promise } = polling.poll();
    frames.send("2probe");
    assert.equal(await frames.next(), "3probe");
    assert.equal((await within(2000, promise, "the poll")).body, "6");
    frames.send("5");
    frames.send('421["sum",1,2]');
    assert.equal(await frames.next(), "431[3]");
    await refused(polling.target, {}, BAD_REQUEST);
    const late = await Frames.open(url, { sid: polling.sid });
    await within(5000, late.closed, "the late one's close");
    frames.send('422["sum",3,4]');
    assert.equal(await frames.next(), "432[7]");
    frames.ws.close();
    assert.equal(await reasonOf(polling.id), "transport close");
  });

  test("carries over what was written between the last poll and its end", async () => {
    const polling = await Polling.join(url);
    const frames = await Frames.open(url, { sid: polling.sid });
    frames.send("2probe");
    await frames.next();
    await polling.post('42["seq",3]');
    frames.send("5");
    assert.deepEqual([await frames.next(), await frames.next(), await frames.next()],
      ['42["seq",0]', '42["seq",1]', '42["seq",2]']);
    frames.ws.close();
  });

  test("lets in what others send, though the client itself says nothing more", async () => {
    const polling = await Polling.join(url);
    const frames = await Frames.open(url, { sid: polling.sid });
    frames.send("2probe");
    await frames.next();
    frames.send("5");
    await pause(50);
    await ask("private", polling.id, "hello");
    assert.equal(await frames.next(), `42["private",${JSON.stringify(bystander.id)},"hello"]`);
    frames.ws.close();
  });

  test("that fails leaves polling unharmed", async () => {
    for (const wrong of [["2wrong"], ["4hello"], [Buffer.from([1, 2])], ["2probe", "4hello"], [""]]) {
      const polling = await Polling.join(url);
      const frames = await Frames.open(url, { sid: polling.sid });
      for (const packet of wrong) frames.send(packet);
      await within(5000, frames.closed, `the close after ${wrong}`);
      await polling.post('421["sum",1,2]');
      assert.equal(await answerOf(polling), "431[3]", String(wrong));
    }
  });

  test("that stops half-way leaves polling unharmed", async () => {
    for (const steps of [[], ["2probe"]]) {
      const polling = await Polling.join(url);
      const frames = await Frames.open(url, { sid: polling.sid });
      for (const packet of steps) frames.send(packet);
      await within(5000, frames.closed, "the end of the upgrade's time");
      await polling.post('421["sum",1,2]');
      assert.equal(await answerOf(polling), "431[3]");
    }
    const polling = await Polling.join(url);
    const frames = await Frames.open(url, { sid: polling.sid });
    frames.send("2probe");
    await frames.next();
    frames.ws.terminate();
    await polling.post('421["sum",1,2]');
    assert.equal(await answerOf(polling), "431[3]");
  });

  test("can be tried once at a time", async () => {
    const polling = await Polling.join(url);
    const first = await Frames.open(url, { sid: polling.sid });
    first.send("2probe");
    assert.equal(await first.next(), "3probe");
    const second = await Frames.open(url, { sid: polling.sid });
    await within(5000, second.closed, "the second one's close");
    first.send("5");
    first.send('421["sum",1,2]');
    assert.equal(await first.next(), "431[3]");
    first.ws.close();
  });
});

describe("the heartbeat", () => {
  serve(["--ping-interval", "300", "--ping-timeout", "300", "--connect-timeout", "700"]);

  test("of protocol 4 comes from the server, and an answer keeps the session", async () => {
    const frames = await Frames.join(url);
    let last = Date.now();
    for (let i = 0; i < 4; i += 1) {
      assert.equal(await frames.next(), "2");
      const pause = Date.now() - last;
      assert.ok(pause > 200 && pause < 800, `${pause} ms`);
      last = Date.now();
      frames.send("3");
    }
    frames.ws.close();
  });

  test("without an answer ends the session", async () => {
    const start = Date.now();
    const frames = await Frames.join(url);
    await within(3000, frames.closed, "the close");
    const life = Date.now() - start;
    assert.ok(life > 500 && life < 1500, `${life} ms`);
    assert.equal(await reasonOf(frames.id), "ping timeout");
  });

  test("reaches polling clients, also those who poll late", async () => {
    const polling = await Polling.join(url);
    for (let i = 0; i < 3; i += 1) {
      assert.equal((await polling.get()).body, "2");
      await polling.post("3");
      await pause(100);
    }
    const start = Date.now();
    assert.equal(await reasonOf(polling.id), "ping timeout");
    assert.ok(Date.now() - start < 1500);
    assert.ok(await polling.closed());
  });

  test("in the wrong direction ends the session", async () => {
    const frames = await Frames.join(url);
    frames.send("2");
    await within(3000, frames.closed, "the close");
    assert.equal(await reasonOf(frames.id), "transport error");
  });

  test("of protocol 3 comes from the client", async () => {
    const frames = await Frames.open(url, { EIO: 3 });
    const { sid } = JSON.parse((await frames.next()).slice(1));
    assert.equal(await frames.next(), "40");
    for (let i = 0; i < 4; i += 1) {
      await pause(300);
      frames.send("2");
      assert.equal(await frames.next(), "3");
    }
    const start = Date.now();
    await within(3000, frames.closed, "the close");
    const life = Date.now() - start;
    assert.ok(life > 400 && life < 1500, `${life} ms`);
    assert.equal(await reasonOf(sid), "ping timeout");
  });

  test("a close packet on the WebSocket ends the session, by the next heartbeat at the latest", async () => {
    const frames = await Frames.join(url);
    frames.send("1");
    await within(3000, frames.closed, "the close");
    await reasonOf(frames.id);
  });

  test("who joins no namespace is sent away", async () => {
    const frames = await Frames.open(url);
    const answer = setInterval(() => frames.ws.readyState === 1 && frames.send("3"), 250);
    const start = Date.now();
    await within(4000, frames.closed, "the close");
    clearInterval(answer);
    const life = Date.now() - start;
    assert.ok(life > 500 && life < 2500, `${life} ms`);
  });
});

describe("protocol 3", () => {
  serve([]);

  test("writes lengths in UTF-16 units and joins the main namespace by itself", async () => {
    const { response, sid, ...polling } = await Polling.open(url, { EIO: 3, b64: 1 });
    assert.match(response.body, /^\d+:0\{"sid":"/);
    const length = Number(response.body.split(":")[0]);
    const open = response.body.slice(String(length).length + 1);
    const target = path({ ...polling.query, sid });
    const rest = open.slice(length) || (await request(url, target)).body;
    assert.equal(rest, "2:40");
    const packet = '42["echo","🐟ü"]';
    assert.equal((await request(url, target, { method: "POST", headers: TEXT, body: `${packet.length}:${packet}` })).body, "ok");
    const reply = '42["echo:reply","🐟ü"]';
    assert.equal((await request(url, target)).body, `${reply.length}:${reply}`);
  });

  test("broken payloads end the session", async () => {
    for (const body of ["", "x", "5", "99:40", ":", "-1:4", `${"9".repeat(400)}:4`]) {
      const polling = await Polling.open(url, { EIO: 3, b64: 1 });
      await polling.post(body);
      // Node ends it at the next poll, which may still bring what was waiting.
      await until(() => polling.closed(), { what: `the end after ${body.slice(0, 20)}` });
    }
  });
});

describe("abuse", () => {
  serve([]);

  test("garbage instead of HTTP", async () => {
    for (const garbage of [Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) & 255)), "\0\0\0\0", "GET\r\n\r\n", "\x16\x03\x01\x02\x00\x01"]) {
      const tcp = await Tcp.open(url, garbage);
      await pause(50);
      tcp.socket.destroy();
    }
  });

  test("half a handshake, kept open or dropped", async () => {
    const head = upgradeHead(path({ EIO: 4, transport: "websocket" }));
    const halves = await Promise.all(Array.from({ length: 100 }, (_, i) => Tcp.open(url, head.slice(0, i * 2))));
    assert.equal(await ask("sum", 1, 2), 3);
    for (const tcp of halves) tcp.socket.destroy();
  });

  test("a handshake that is not one", async () => {
    const target = path({ EIO: 4, transport: "websocket" });
    for (const [find, put] of [
      [/Sec-WebSocket-Key.*\r\n/, ""], ["dGhlIHNhbXBsZSBub25jZQ==", "short"], ["Version: 13", "Version: 12"], ["Upgrade: websocket", "Upgrade: tube"],
    ]) {
      const tcp = await Tcp.open(url, upgradeHead(target).replace(find, put));
      await until(() => tcp.text.includes("\r\n\r\n"), { what: "an answer" });
      assert.match(tcp.text, /^HTTP\/1\.1 4\d\d /, String(find));
      tcp.socket.destroy();
    }
  });

  test("garbage right behind the handshake", async () => {
    for (const query of [{}, { sid: (await Polling.open(url)).sid }]) {
      const tcp = await Tcp.open(url, upgradeHead(path({ EIO: 4, transport: "websocket", ...query })) + "\xff\xff\xff\xffgarbage");
      await within(5000, tcp.closed, "the close");
    }
  });

  test("broken frames", async () => {
    const mask = [0, 0, 0, 0];
    for (const [name, bytes] of Object.entries({
      unmasked: [0x81, 2, 0x34, 0x30],
      "reserved bits": [0xf1, 0x80, ...mask],
      "unknown opcode": [0x83, 0x80, ...mask],
      "a length without end": [0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, ...mask],
      "a negative length": [0x81, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, ...mask],
      "a long control frame": [0x89, 0xfe, 0, 200, ...mask],
      "a fragmented control frame": [0x09, 0x80, ...mask],
      "a continuation of nothing": [0x80, 0x80, ...mask],
      "not UTF-8": [0x81, 0x82, ...mask, 0xc3, 0x28],
      "a close code of one byte": [0x88, 0x81, ...mask, 1],
    })) {
      const tcp = await Tcp.open(url, upgradeHead(path({ EIO: 4, transport: "websocket" })));
      await until(() => tcp.text.includes('0{"sid"'), { what: "the open packet" });
      tcp.socket.write(Buffer.from(bytes));
      await within(5000, tcp.closed, `the close after ${name}`);
    }
  });

  test("a message above the limit, whole or in fragments", async () => {
    const whole = await Frames.join(url);
    whole.send("x".repeat(1_000_001));
    assert.equal(await within(5000, whole.closed, "the close"), 1009);
    assert.equal(await reasonOf(whole.id), "transport error");
    const pieces = await Frames.join(url);
    for (let i = 0; i < 12; i += 1) pieces.ws.send("x".repeat(100_000), { fin: false });
    assert.equal(await within(5000, pieces.closed, "the close"), 1009);
    const fits = await Frames.join(url);
    fits.send(`421["sink","${"x".repeat(1_000_000 - 14)}"]`);
    assert.equal(await fits.next(), "431[true]");
    fits.ws.close();
  });

  test("fragments one byte each, with pings between them", async () => {
    const frames = await Frames.join(url);
    const packet = '421["echo","🐟"]';
    const bytes = Buffer.from(packet);
    for (let i = 0; i < bytes.length; i += 1) {
      frames.ws.send(bytes.subarray(i, i + 1), { binary: false, fin: i === bytes.length - 1 });
      if (i % 5 === 0) frames.ws.ping("still here");
    }
    assert.equal(await frames.next(), '431["🐟"]');
    frames.ws.close();
  });

  test("very long URLs and headers", async () => {
    const long = "x".repeat(200_000);
    for (const [target, headers] of [[path({ EIO: 4, transport: "polling", t: long }), {}], [path({ EIO: 4, transport: "polling" }), { "x-long": long }]]) {
      const { promise, outgoing } = begin(url, target, { headers });
      outgoing.end();
      const outcome = await within(5000, promise.then(({ status }) => status, () => "cut off"), "an end");
      assert.ok(outcome === "cut off" || outcome >= 400 || outcome === 200, String(outcome));
    }
  });

  test("deep JSON", async () => {
    const frames = await Frames.join(url);
    frames.send(`421["sink",${"[".repeat(100_000)}${"]".repeat(100_000)}]`);
    // Answered or cut off, as the parser likes; only no crash.
    await Promise.race([frames.next(), frames.closed, pause(1000)]);
    frames.ws.terminate();
  });

  test("hundreds of namespaces and rooms", async () => {
    const frames = await Frames.join(url);
    for (let i = 0; i < 500; i += 1) frames.send(`40/nowhere-${i},`);
    let refusals = 0;
    while (refusals < 500) {
      const packet = await Promise.race([frames.next(), frames.closed]);
      if (typeof packet !== "string") break;
      assert.match(packet, /^44\/nowhere-\d+,\{"message":"/);
      refusals += 1;
    }
    frames.ws.terminate();
    const roomy = await Frames.join(url);
    for (let i = 0; i < 2000; i += 1) roomy.send(`42["join","${i}"]`);
    roomy.send('427["sum",1,2]');
    assert.equal(await roomy.next(), "437[3]");
    roomy.ws.terminate();
  });

  test("connections that come and go at once", async () => {
    for (let round = 0; round < 5; round += 1) {
      const crowd = await Promise.all(Array.from({ length: 40 }, () => Frames.open(url)));
      for (const [i, frames] of crowd.entries()) i % 2 ? frames.ws.terminate() : frames.ws.close();
    }
  });

  test("a client that never reads is dropped, and holds up nobody", async () => {
    const deaf = await Frames.join(url);
    deaf.send('42["join","flood"]');
    await ask("join", "flood-watch");
    deaf.ws._socket.pause();
    for (let i = 0; i < 45; i += 1) {
      // More than the outbox may hold together with what the kernel takes.
      assert.equal(await ask("to-room", "flood", "x".repeat(900_000)), true);
    }
    assert.equal(await reasonOf(deaf.id, 20_000), "forced server close");
    deaf.ws.terminate();
  });
});

/** Sends a body that will not be waited for: the server may answer before it has all. */
function begun(method, target, body) {
  const request = begin(url, target, { method, headers: { ...TEXT, "content-length": body.length } });
  request.outgoing.end(body);
  return request;
}

/** The first answer of polls that is not a noop. */
async function answerOf(polling) {
  for (;;) {
    const packets = (await polling.get()).body.split(RS).filter((packet) => packet !== "6");
    if (packets.length > 0) return packets.join(RS);
  }
}
