// Starts one of our programs on a free port, and makes sure that it also ends as it should.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import path from "node:path";

const BIN_DIR = process.env.SOCKEYE_BIN_DIR ?? fileURLToPath(new URL("../../target/release", import.meta.url));
/** How the interop server serves: as a layer of axum's, or with `SOCKEYE_WAY=listen` on event loops of its own. */
const WAY = process.env.SOCKEYE_WAY === "listen" ? ["--listen"] : [];
const START_WITHIN = 10_000;
const STOP_WITHIN = 10_000;

/** The file of one of our programs. */
export function programFile(name) {
  const file = path.join(BIN_DIR, name);
  assert.ok(existsSync(file), `${file} is missing: build it, or set SOCKEYE_BIN_DIR`);
  return file;
}

export class TestServer {
  /** Starts `name` from `SOCKEYE_BIN_DIR`. Port 0 means: any free one. It is asked to stop by `ending`. */
  static async start(name, { port = 0, args = [], ending = "SIGTERM" } = {}) {
    const server = new TestServer();
    server.name = name;
    server.args = args;
    server.ending = ending;
    await server.#spawn(port);
    return server;
  }

  /** Ends the process at once and starts it again on the same port, after `pause` milliseconds. */
  async restart({ pause = 0 } = {}) {
    await this.kill();
    await new Promise((resolve) => setTimeout(resolve, pause));
    await this.start();
  }

  async start() {
    await this.#spawn(this.port);
  }

  async kill() {
    this.child.kill("SIGKILL");
    await this.ended;
  }

  /** Asks the process to stop, and expects it to do so by itself and with 0. */
  async stop() {
    this.child.kill(this.ending);
    const late = setTimeout(() => this.child.kill("SIGKILL"), STOP_WITHIN);
    const { code, signal } = await this.ended;
    clearTimeout(late);
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, `${this.name} did not end cleanly:\n${this.output}`);
  }

  get alive() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  async #spawn(port) {
    this.output = "";
    const way = this.name === "interop-server" ? WAY : [];
    this.child = spawn(programFile(this.name), ["--port", String(port), ...way, ...this.args], { stdio: ["ignore", "pipe", "pipe"] });
    this.ended = new Promise((resolve) => this.child.once("exit", (code, signal) => resolve({ code, signal })));
    this.url = await new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error(`${this.name} ${why}:\n${this.output}`));
      const late = setTimeout(() => fail("did not say where it listens"), START_WITHIN);
      const read = (chunk) => {
        this.output += chunk;
        const found = /https?:\/\/[^\s]+:\d+/.exec(this.output);
        if (found) {
          clearTimeout(late);
          resolve(found[0]);
        }
      };
      this.child.stdout.on("data", read);
      this.child.stderr.on("data", (chunk) => { this.output += chunk; });
      this.child.once("error", reject);
      this.child.once("exit", () => fail("ended too early"));
    });
    this.port = Number(new URL(this.url).port);
  }
}
