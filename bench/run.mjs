#!/usr/bin/env node
// Builds all contestants, runs every scene against each of them in turns (A B C A B C …), prints the medians as
// markdown and writes all samples to bench/results/. Server on core 0, load on core 1, a fresh server for each sample.
//
//   node bench/run.mjs [--quick] [--rounds N] [--seconds S] [--retries N] [--scenes a,b] [--contestants a,b] [--no-build]
//   node bench/run.mjs --show bench/results/FILE.json
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { availableParallelism, cpus } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const peer = (name, program = name) => `${root}bench/peers/${name}/target/release/${program}`;
const socketioxide = peer("socketioxide", "peer-socketioxide");

/** Who is measured; `kind` says what ours is compared with. */
const CONTESTANTS = {
  sockeye: { kind: "ours", command: [`${root}target/release/load`, "PORT"] },
  socketioxide: { kind: "peer", command: [socketioxide, "PORT"] },
  "socketioxide, one thread": { kind: "peer", command: [socketioxide, "PORT", "--current-thread"] },
  "the same with mimalloc": { kind: "peer", command: [`${socketioxide}-mimalloc`, "PORT", "--current-thread"] },
  "socket.io on Node": { kind: "peer", command: [process.execPath, `${root}bench/peers/node/server.mjs`, "PORT"] },
  "tokio floor": { kind: "floor", command: [peer("floor-tokio"), "PORT"] },
  "epoll floor": { kind: "floor", command: [peer("floor-epoll"), "PORT"] },
};

/** What is measured. Floors speak no polling and know no rooms; memory hardly varies, so once is enough for it. */
const SCENES = {
  "echo, 64 B": { load: ["echo"] },
  "echo, 1 KiB": { load: ["echo", "--size", "1024"] },
  "echo, 64 B binary": { load: ["echo", "--binary"] },
  "echo, one in flight": { load: ["echo", "--inflight", "1"] },
  "broadcast to 1,000": { load: ["broadcast"] },
  "broadcast to 5,000": { load: ["broadcast", "--clients", "5000"] },
  "100 rooms of 10": { load: ["rooms"], noFloor: true },
  "echo over polling": { load: ["polling"], noFloor: true },
  "connect, WebSocket": { load: ["connect"] },
  "connect, polling then upgrade": { load: ["connect", "--mode", "upgrade"], noFloor: true },
  "idle, 10,000": { load: ["idle"], once: true, seconds: 30, warmup: 3 },
};

/** What is shown of the samples; lower is better but for rates. */
const FIGURES = [
  { title: "Server CPU, µs per message, delivery or session", key: "cpu_us_per_unit" },
  { title: "Latency, p50, µs", key: "p50_us" },
  { title: "Latency, p99, µs", key: "p99_us" },
  { title: "Units per second", key: "per_second", higher: true },
  { title: "Memory, bytes per idle connection", key: "bytes_per_connection_held" },
];

/** More than this share of the time waiting for a core that others had: the sample is taken again, up to `--retries`. */
const NOISY = 0.1;

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    seconds: { type: "string" },
    retries: { type: "string" },
    scenes: { type: "string" },
    contestants: { type: "string" },
    show: { type: "string" },
    "no-build": { type: "boolean", default: false },
  },
});
const rounds = Number(options.rounds ?? (options.quick ? 1 : 5));
const seconds = Number(options.seconds ?? (options.quick ? 1 : 4));
const retries = Number(options.retries ?? (options.quick ? 0 : 2));
const scenes = pick(SCENES, options.scenes, "scene");
const contestants = pick(CONTESTANTS, options.contestants, "contestant");

/** The entries whose names begin with one of the given words; all without any. */
function pick(all, words, what) {
  if (words === undefined) return all;
  const wanted = words.split(",");
  for (const word of wanted) {
    if (!Object.keys(all).some((name) => name.startsWith(word))) {
      throw new Error(`no ${what} begins with "${word}": there are ${Object.keys(all).join("; ")}`);
    }
  }
  return Object.fromEntries(Object.entries(all).filter(([name]) => wanted.some((word) => name.startsWith(word))));
}

function build() {
  const run = (cwd, ...command) => {
    console.error(`${command.join(" ")} (in ${cwd.slice(root.length) || "."})`);
    execFileSync(command[0], command.slice(1), { cwd, stdio: ["ignore", "inherit", "inherit"] });
  };
  const packages = "sockeye" in contestants ? ["-p", "bench-load", "-p", "load"] : ["-p", "bench-load"];
  run(root, "cargo", "build", "--release", ...packages);
  for (const name of ["socketioxide", "floor-tokio", "floor-epoll"]) {
    run(`${root}bench/peers/${name}/`, "cargo", "build", "--release", "--locked");
  }
  run(`${root}bench/peers/node/`, "npm", "ci", "--no-audit", "--no-fund");
}

let lastPort = 20_000;

/** A port below those that the kernel gives to clients, for thousands of them still hold theirs after a sample. */
async function freePort() {
  while (++lastPort < 30_000) {
    const probe = createServer().listen(lastPort, "127.0.0.1");
    const free = await new Promise((resolve) => probe.once("listening", () => resolve(true)).once("error", () => resolve(false)));
    if (!free) continue;
    probe.close();
    await once(probe, "close");
    return lastPort;
  }
  throw new Error("no free port between 20,000 and 30,000");
}

/** Starts a server on core 0 with as many files as it may have, and waits for the line that says it listens. */
async function start(name, command) {
  const port = await freePort();
  const script = 'ulimit -n "$(ulimit -H -n)"; exec taskset -c 0 "$@"';
  const args = command.map((word) => (word === "PORT" ? String(port) : word));
  const server = spawn("sh", ["-c", script, "sh", ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(server, "exit").then(([code]) => {
    throw new Error(`${name} ended (${code}) before it listened: ${args.join(" ")}`);
  });
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`${name} has not said that it listens`)), 10_000).unref();
  });
  late.catch(() => {});
  await Promise.race([once(createInterface(server.stdout), "line"), ended, late]);
  ended.catch(() => {});
  return { server, port };
}

async function sample(name, scene) {
  const { server, port } = await start(name, contestants[name].command);
  try {
    const time = options.quick ? { seconds, warmup: 0.3 } : { seconds: scene.seconds ?? seconds, warmup: scene.warmup ?? 1 };
    const args = [...scene.load, "--url", `http://127.0.0.1:${port}`, "--pid", String(server.pid)];
    args.push("--seconds", String(time.seconds), "--warmup", String(time.warmup));
    const load = spawn("taskset", ["-c", "1", `${root}target/release/bench-load`, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    load.stdout.on("data", (data) => (output += data));
    const [code] = await once(load, "close");
    if (code !== 0) throw new Error(`the load program ended with ${code}`);
    return JSON.parse(output);
  } finally {
    const gone = server.exitCode === null && once(server, "exit");
    server.kill("SIGKILL");
    await gone;
  }
}

/** How far a sample was disturbed; `idle` weighs memory, which nobody disturbs. */
const waited = (figures) => Math.max(figures.server_waited ?? 0, figures.load_waited ?? 0);

/** The quietest of a few tries: others on the machine are the largest error there is. */
async function quietSample(name, scene) {
  let best = await sample(name, scene);
  for (let tries = 0; tries < retries && waited(best) > NOISY; tries++) {
    const next = await sample(name, scene);
    if (waited(next) < waited(best)) best = next;
  }
  return best;
}

async function measure() {
  const samples = [];
  const failures = [];
  for (const [scene, what] of Object.entries(scenes)) {
    for (let round = 0; round < (what.once ? 1 : rounds); round++) {
      for (const [name, { kind }] of Object.entries(contestants)) {
        if (kind === "floor" && what.noFloor) continue;
        try {
          const figures = await quietSample(name, what);
          samples.push({ name: scene, contestant: name, round, ...figures });
          const figure = figures.cpu_us_per_unit ?? figures.bytes_per_connection_held;
          console.error(`${scene} | ${round} | ${name}: ${figure}, waited ${waited(figures)}`);
        } catch (error) {
          failures.push(`${scene}, round ${round}, ${name}: ${error.message}`);
          console.error(`FAILED: ${failures.at(-1)}`);
        }
      }
    }
  }
  return { samples, failures };
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const show = (value) => (value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3));

function table({ title, key, higher }, samples) {
  const names = Object.keys(contestants);
  const rows = [];
  for (const scene of Object.keys(scenes)) {
    const taken = (name) => samples.filter((s) => s.name === scene && s.contestant === name && typeof s[key] === "number");
    const quiet = (name) => taken(name).filter((s) => waited(s) <= NOISY);
    const of = (name) => {
      const values = (quiet(name).length ? quiet(name) : taken(name)).map((s) => s[key]);
      return values.length ? median(values) : undefined;
    };
    const medians = Object.fromEntries(names.map((name) => [name, of(name)]));
    if (names.every((name) => medians[name] === undefined)) continue;
    const best = (kind) => {
      const values = names.filter((n) => contestants[n].kind === kind).map((n) => medians[n]).filter((v) => v !== undefined);
      return values.length ? (higher ? Math.max : Math.min)(...values) : undefined;
    };
    const ours = best("ours");
    const ratio = (other) => (ours && other ? (ours / other).toFixed(2) : "–");
    const star = (name) => (quiet(name).length ? "" : "*");
    const cells = names.map((name) => (medians[name] === undefined ? "–" : show(medians[name]) + star(name)));
    rows.push(`| ${[scene, ...cells, ratio(best("peer")), ratio(best("floor"))].join(" | ")} |`);
  }
  if (rows.length === 0) return "";
  const head = ["", ...names, "ours : best peer", "ours : floor"];
  return [`**${title}**`, "", `| ${head.join(" | ")} |`, `|---|${"--:|".repeat(head.length - 1)}`, ...rows, ""].join("\n");
}

function print({ date, cpu, rounds, seconds, samples }) {
  const noisy = samples.filter((s) => waited(s) > NOISY).length;
  console.log(FIGURES.map((figure) => table(figure, samples)).filter(Boolean).join("\n"));
  console.log(
    `${date.slice(0, 10)}, ${cpu}; medians of ${rounds} rounds of ${seconds} s (idle: one of ${SCENES["idle, 10,000"].seconds} s). ` +
      `In ${noisy} of ${samples.length} samples a side waited more than ${NOISY * 100} % of the time for a core that others had: ` +
      "they count only where there is no quiet one (marked *).",
  );
}

if (options.show !== undefined) {
  print(JSON.parse(readFileSync(options.show, "utf8")));
} else {
  if (availableParallelism() < 2) throw new Error("two cores are needed: one for the server, one for the load");
  if (!options["no-build"]) build();
  const cpu = `${cpus()[0].model.trim()}, ${cpus().length} cores`;
  const result = { date: new Date().toISOString(), cpu, rounds, seconds, ...(await measure()) };
  mkdirSync(`${root}bench/results`, { recursive: true });
  const file = `${root}bench/results/${result.date.replaceAll(":", "-")}.json`;
  writeFileSync(file, `${JSON.stringify(result, null, 1)}\n`);
  print(result);
  console.error(`all samples: ${file.slice(root.length)}`);
  for (const failure of result.failures) console.error(`FAILED: ${failure}`);
  process.exitCode = result.failures.length ? 1 : 0;
}
