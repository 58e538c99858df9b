// A Redis of our own, on a free port, with nothing kept on disk.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import Redis from "ioredis";
import { until } from "./wait.mjs";

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

export class RedisServer {
  static async start() {
    const server = new RedisServer();
    server.port = await freePort();
    server.clients = [];
    await server.start();
    return server;
  }

  get url() {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it, again if it was killed, and waits until it answers. */
  async start() {
    const args = ["--port", String(this.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    this.child = spawn("redis-server", args, { stdio: "ignore" });
    this.ended = once(this.child, "exit");
    this.child.once("error", (error) => assert.fail(`redis-server can't be started: ${error.message}`));
    const probe = this.client();
    await until(async () => (await probe.ping().catch(() => "")) === "PONG", { what: "Redis to answer" });
  }

  /** A client that goes with the server. */
  client() {
    const client = new Redis(this.port, { retryStrategy: () => 100, maxRetriesPerRequest: null });
    client.on("error", () => {});
    this.clients.push(client);
    return client;
  }

  async kill() {
    this.child.kill("SIGKILL");
    await this.ended;
  }

  async stop() {
    for (const client of this.clients) client.disconnect();
    await this.kill();
  }
}
