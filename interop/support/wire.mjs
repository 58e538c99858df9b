// Plain HTTP, TCP and WebSocket bytes: what no well-behaved client would send, too.

import http from "node:http";
import net from "node:net";
import WebSocket from "ws";
import { once, within } from "./wait.mjs";

export const RS = "\x1e";

/** The path of a request: `path({ EIO: 4, transport: "polling" })`. */
export function path(query) {
  return `/socket.io/?${new URLSearchParams(query)}`;
}

/** Sends one HTTP request on a connection of its own. `body` may be a list of chunks that leave one by one. */
export function request(url, target, { method = "GET", headers = {}, body, agent } = {}) {
  const { promise, outgoing } = begin(url, target, { method, headers, agent });
  send(outgoing, body);
  return within(10_000, promise, `${method} ${target}`);
}

/** Starts a request and leaves it to the caller to write its body and to end or destroy it. */
export function begin(url, target, { method = "GET", headers = {}, agent = false } = {}) {
  const { hostname, port } = new URL(url);
  const outgoing = http.request({ hostname, port, path: target, method, headers, agent });
  const promise = new Promise((resolve, reject) => {
    outgoing.on("error", reject);
    outgoing.on("response", (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const bytes = Buffer.concat(chunks);
        resolve({ status: response.statusCode, headers: response.headers, bytes, body: bytes.toString() });
      });
    });
  });
  // Who destroys a request does not want to hear of it.
  promise.catch(() => {});
  return { promise, outgoing };
}

async function send(outgoing, body) {
  if (Array.isArray(body)) {
    for (const chunk of body) {
      outgoing.write(chunk);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    outgoing.end();
  } else outgoing.end(body);
}

/** The id in the answer to a CONNECT, which other packets may follow. */
function idIn(body) {
  return JSON.parse(body.split(RS)[0].slice(2)).sid;
}

/** A session over polling, step by step. */
export class Polling {
  static async open(url, { EIO = 4, ...query } = {}) {
    const polling = new Polling();
    polling.url = url;
    polling.query = { EIO, transport: "polling", ...query };
    const response = await request(url, path(polling.query));
    polling.response = response;
    polling.handshake = JSON.parse(response.body.slice(response.body.indexOf("{"), response.body.lastIndexOf("}") + 1));
    polling.sid = polling.handshake.sid;
    polling.query.sid = polling.sid;
    return polling;
  }

  /** The same, and a member of the main namespace, whose public id is then in `id`. */
  static async join(url) {
    const polling = await Polling.open(url);
    await polling.post("40");
    polling.id = idIn((await polling.get()).body);
    return polling;
  }

  get target() {
    return path(this.query);
  }

  get() {
    return request(this.url, this.target);
  }

  post(body, headers = { "content-type": "text/plain;charset=UTF-8" }) {
    return request(this.url, this.target, { method: "POST", headers, body });
  }

  /** A poll that waits; `promise` is its answer, `outgoing` its end. */
  poll() {
    const poll = begin(this.url, this.target);
    poll.outgoing.end();
    return poll;
  }

  async closed() {
    const { status, body } = await this.get();
    return status === 400 && body === '{"code":1,"message":"Session ID unknown"}';
  }
}

/** A WebSocket that notes what it gets: `next()` gives one message after the other. */
export class Frames {
  #heard = [];
  #waiting = [];

  constructor(url, query, options) {
    this.ws = new WebSocket(url.replace("http", "ws") + path({ EIO: 4, transport: "websocket", ...query }), options);
    this.closed = new Promise((resolve) => this.ws.on("close", (code) => resolve(code)));
    this.ws.on("error", () => {});
    this.ws.on("message", (data, isBinary) => {
      const message = isBinary ? data : data.toString();
      if (this.#waiting.length > 0) this.#waiting.shift()(message);
      else this.#heard.push(message);
    });
  }

  static async open(url, query, options) {
    const frames = new Frames(url, query, options);
    await once(frames.ws, "open");
    return frames;
  }

  /** Opened, and a member of the main namespace, whose public id is then in `id`. */
  static async join(url, query, options) {
    const frames = await Frames.open(url, query, options);
    await frames.next();
    frames.send("40");
    frames.id = idIn(await frames.next());
    return frames;
  }

  send(data) {
    this.ws.send(data);
  }

  next(ms = 5000) {
    if (this.#heard.length > 0) return Promise.resolve(this.#heard.shift());
    return within(ms, new Promise((resolve) => this.#waiting.push(resolve)), "a message");
  }
}

/** A bare TCP connection to the server; `text` collects what comes. */
export class Tcp {
  static async open(url, first) {
    const tcp = new Tcp();
    const { hostname, port } = new URL(url);
    tcp.socket = net.connect(Number(port), hostname);
    tcp.socket.on("error", () => {});
    tcp.received = Buffer.alloc(0);
    tcp.socket.on("data", (chunk) => { tcp.received = Buffer.concat([tcp.received, chunk]); });
    tcp.closed = new Promise((resolve) => tcp.socket.on("close", resolve));
    await once(tcp.socket, "connect");
    if (first) tcp.socket.write(first);
    return tcp;
  }

  get text() {
    return this.received.toString("latin1");
  }
}

/** The head of a WebSocket handshake, whole. */
export function upgradeHead(target, extra = "") {
  return `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${extra}\r\n`;
}
