// Runs the Autobahn cases against examples/ws-echo and fails unless each ends as it should.
//
//   node interop/autobahn/run.mjs           all cases but 9.* (large and many messages; minutes)
//   node interop/autobahn/run.mjs --full    all cases
//
// The server is taken from SOCKEYE_BIN_DIR, and built if that is not set.
// The runner is kosoku, from PyPI, in a Python environment of its own under target/autobahn.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const RUNNER = 'kosoku==0.1.0';
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const CACHE = join(ROOT, 'target', 'autobahn');
const REPORTS = join(CACHE, 'reports');

// Cases without a right answer: they record what a server does. They end so with Node's `ws` 8.23.0 too (its echo
// server against the same runner), which besides is NON-STRICT in 6.4.1 to 6.4.4, where ws-echo is OK.
const EXPECTED = new Map([
  ['7.1.6', 'INFORMATIONAL'],
  ['7.13.1', 'INFORMATIONAL'],
  ['7.13.2', 'INFORMATIONAL'],
]);

// How many there are: a run of fewer would pass for success.
const CASES = 463;
const CASES_WITH_9 = 517;

function installRunner() {
  const runner = join(CACHE, 'venv', 'bin', 'kosoku');
  if (!existsSync(runner)) {
    execFileSync('python3', ['-m', 'venv', join(CACHE, 'venv')], { stdio: 'inherit' });
    execFileSync(join(CACHE, 'venv', 'bin', 'pip'), ['install', '--quiet', RUNNER], { stdio: 'inherit' });
  }
  return runner;
}

function serverFile() {
  if (process.env.SOCKEYE_BIN_DIR) return join(process.env.SOCKEYE_BIN_DIR, 'ws-echo');
  const built = execFileSync(
    'cargo',
    ['build', '--release', '--package', 'ws-echo', '--message-format', 'json-render-diagnostics'],
    { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 },
  );
  const messages = built.toString().trim().split('\n').map((line) => JSON.parse(line));
  return messages.find((message) => message.target?.name === 'ws-echo' && message.executable).executable;
}

async function startServer(executable) {
  // It compresses everything: where both have agreed on compression, this runner gives up a case at the first plain text
  // ("Strings must be encoded before hashing"; with `ws`, which has a threshold, in 12 cases).
  const server = spawn(executable, ['--port', '0'], { stdio: ['ignore', 'pipe', 'ignore'] });
  for await (const line of createInterface({ input: server.stdout })) return { server, url: line };
  throw new Error('ws-echo ended before it listened');
}

async function runCases(runner, url, selection) {
  rmSync(REPORTS, { recursive: true, force: true });
  // Its exit code tells only that some case was not OK; the report is what is judged.
  const run = spawn(runner, [...selection, '-p', '4', '-o', REPORTS, url], { stdio: ['ignore', 'ignore', 'inherit'] });
  await new Promise((resolve, reject) => run.on('error', reject).on('exit', resolve));
  const [cases] = Object.values(JSON.parse(readFileSync(join(REPORTS, 'index.json'), 'utf8')));
  return Object.entries(cases).map(([id, { behavior, behaviorClose, reportfile }]) => {
    const { result } = JSON.parse(readFileSync(join(REPORTS, reportfile), 'utf8'));
    return { id, behavior, behaviorClose, result };
  });
}

function hasPassed({ id, behavior, behaviorClose }) {
  const expected = EXPECTED.get(id) ?? 'OK';
  return [behavior, behaviorClose].every((ending) => ending === 'OK' || ending === expected);
}

const full = process.argv.includes('--full');
const runner = installRunner();
const { server, url } = await startServer(serverFile());
try {
  const cases = await runCases(runner, url, full ? [] : ['-x', '9.*']);
  const failed = cases.filter((found) => !hasPassed(found));
  for (const { id, behavior, behaviorClose, result } of failed) {
    console.log(`${id}: ${behavior}, close ${behaviorClose}: ${result}`);
  }
  const missing = (full ? CASES_WITH_9 : CASES) - cases.length;
  if (missing !== 0) console.log(`${missing} cases are missing from the report`);
  console.log(`${cases.length - failed.length} passed, ${failed.length} failed`);
  process.exitCode = failed.length === 0 && missing === 0 ? 0 : 1;
} finally {
  server.kill();
}
