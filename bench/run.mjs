#!/usr/bin/env node
// Builds all contestants, runs every scene against each of them in turns (A B C A B C …), prints goals, medians and best
// runs as markdown and writes all samples to bench/results/. Server on core 0, load on core 1, a fresh server for each
// sample.
//
//   node bench/run.mjs [--quick] [--rounds N] [--seconds S] [--retries N] [--scenes a,b] [--contestants a,b] [--no-build]
//   node bench/run.mjs --show bench/results/FILE.json
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { availableParallelism, cpus } from "node:os";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { CONTESTANTS, SCENES, root } from "./plan.mjs";
import { NOISY, report, summarize, waited } from "./report.mjs";

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
const rounds = Number(options.rounds ?? (options.quick ? 1 : 3));
const seconds = Number(options.seconds ?? (options.quick ? 0.5 : 1));
const retries = Number(options.retries ?? (options.quick ? 0 : 1));
const scenes = pick(SCENES, options.scenes, "scene");
const contestants = pick(CONTESTANTS, options.contestants, "contestant");

/** The entries whose names begin with one of the given words; all without any. Names hold commas too, but with a space behind, or between digits. */
function pick(all, words, what) {
  if (words === undefined) return { ...all };
  const wanted = words.split(/,(?! |(?<=\d,)\d)/);
  for (const word of wanted) {
    if (!Object.keys(all).some((name) => name.startsWith(word))) {
      throw new Error(`no ${what} begins with "${word}": there are ${Object.keys(all).join("; ")}`);
    }
  }
  return Object.fromEntries(Object.entries(all).filter(([name]) => wanted.some((word) => name.startsWith(word))));
}

function run(cwd, ...command) {
  console.error(`${command.join(" ")} (in ${cwd.slice(root.length) || "."})`);
  execFileSync(command[0], command.slice(1), { cwd, stdio: ["ignore", "inherit", "inherit"] });
}

/** Builds what will be measured; who can't be built is left out, which the failures tell. */
function build(failures) {
  const ours = Object.values(contestants).some(({ folder }) => folder === undefined);
  run(root, "cargo", "build", "--release", "-p", "bench-load", ...(ours ? ["-p", "load"] : []));
  const folders = new Set(Object.values(contestants).flatMap(({ folder }) => folder ?? []));
  for (const folder of folders) {
    try {
      buildPeer(`${root}bench/peers/${folder}/`);
    } catch (error) {
      failures.push(`bench/peers/${folder} can't be built: ${error.message}`);
      for (const name of Object.keys(contestants)) {
        if (contestants[name].folder === folder) delete contestants[name];
      }
    }
  }
}

function buildPeer(folder) {
  if (existsSync(`${folder}Cargo.toml`)) return run(folder, "cargo", "build", "--release", "--locked");
  // What was installed is known by a copy of its lock file; `npm ci` begins by removing the folder with it.
  const [lock, installed] = [readFileSync(`${folder}package-lock.json`, "utf8"), `${folder}node_modules/.installed.json`];
  if (existsSync(installed) && readFileSync(installed, "utf8") === lock) return;
  run(folder, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts");
  run(folder, "npm", "run", "--if-present", "--silent", "build");
  writeFileSync(installed, lock);
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

/** Which cores: one for each side, unless the scene wants two for the server. */
function cores({ sharesCores }) {
  if (!sharesCores) return { server: "0", load: "1" };
  return { server: "0,1", load: availableParallelism() > 2 ? "2" : "0,1" };
}

/** Starts a server with as many files as it may have, and waits for the line that says it listens. */
async function start(name, command, core) {
  const port = await freePort();
  const script = 'ulimit -n "$(ulimit -H -n)"; exec taskset -c "$@"';
  const args = command.map((word) => (word === "PORT" ? String(port) : word));
  const server = spawn("sh", ["-c", script, "sh", core, ...args], { stdio: ["ignore", "pipe", "inherit"] });
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
  const { command, warmup = 0.4 } = contestants[name];
  const core = cores(scene);
  const { server, port } = await start(name, command, core.server);
  try {
    const time = options.quick ? { seconds, warmup: 0.2 } : { seconds: scene.seconds ?? seconds, warmup: scene.warmup ?? warmup };
    const args = [...scene.load, "--url", `http://127.0.0.1:${port}`, "--pid", String(server.pid)];
    args.push("--seconds", String(time.seconds), "--warmup", String(time.warmup));
    const load = spawn("taskset", ["-c", core.load, `${root}target/release/bench-load`, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    load.stdout.on("data", (data) => (output += data));
    const [code] = await once(load, "close");
    if (code !== 0) throw new Error(`the load program ended with ${code}`);
    return { ...JSON.parse(output), ...(scene.sharesCores ? { shares_cores: true } : {}) };
  } finally {
    const gone = server.exitCode === null && server.signalCode === null && once(server, "exit");
    server.kill("SIGKILL");
    await gone;
  }
}

/** The quietest of a few tries: others on the machine are the largest error there is. */
async function quietSample(name, scene) {
  let best = await sample(name, scene);
  for (let tries = 0; tries < retries && waited(best) > NOISY; tries++) {
    const next = await sample(name, scene);
    if (waited(next) < waited(best)) best = next;
  }
  return best;
}

/** Who takes part in a scene: all but the doubled one, unless it names them. */
function partakers({ only }) {
  return Object.keys(contestants).filter((name) => (only ? only.includes(name) : contestants[name].kind !== "scaled"));
}

/** Calls `keep` with each sample. */
async function measure(failures, keep) {
  for (const [scene, what] of Object.entries(scenes)) {
    for (let round = 0; round < (what.once ? 1 : rounds); round++) {
      for (const name of partakers(what)) {
        try {
          const figures = await quietSample(name, what);
          keep({ name: scene, contestant: name, round, ...figures });
          const figure = figures.cpu_us_per_unit ?? figures.bytes_per_connection_held;
          console.error(`${scene} | ${round} | ${name}: ${figure}, waited ${waited(figures)}`);
        } catch (error) {
          failures.push(`${scene}, round ${round}, ${name}: ${error.message}`);
          console.error(`FAILED: ${failures.at(-1)}`);
        }
      }
    }
  }
}

if (options.show !== undefined) {
  console.log(report(JSON.parse(readFileSync(options.show, "utf8"))));
} else {
  if (availableParallelism() < 2) throw new Error("two cores are needed: one for the server, one for the load");
  const [failures, samples] = [[], []];
  if (!options["no-build"]) build(failures);
  const cpu = `${cpus()[0].model.trim()}, ${cpus().length} cores`;
  const result = { date: new Date().toISOString(), cpu, rounds, seconds, summary: {}, failures, samples };
  mkdirSync(`${root}bench/results`, { recursive: true });
  const file = `${root}bench/results/${result.date.replaceAll(":", "-")}.json`;
  // After each sample, so that a run that is stopped has what it had.
  await measure(failures, (figures) => {
    samples.push(figures);
    result.summary = summarize(samples);
    writeFileSync(file, `${JSON.stringify(result, null, 1)}\n`);
  });
  console.log(report(result));
  console.error(`all samples: ${file.slice(root.length)}`);
  for (const failure of failures) console.error(`FAILED: ${failure}`);
  process.exitCode = failures.length ? 1 : 0;
}
