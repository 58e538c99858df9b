// The samples as tables: medians and best runs, with ratios and what was aimed at.
import { AFTERMATH, CONTESTANTS, MEMORY, SCALING, SCENES } from "./plan.mjs";

/** More than this share of the time waiting for a core that others had: the sample counts only where no quiet one came. */
export const NOISY = 0.1;

/** How far a sample was disturbed; memory nobody disturbs, and on shared cores waiting is no sign. */
export const waited = (sample) => (sample.shares_cores ? 0 : Math.max(sample.server_waited ?? 0, sample.load_waited ?? 0));

const CPU = "cpu_us_per_unit";

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const least = (values) => Math.min(...values);
const of = (kind) => Object.keys(CONTESTANTS).filter((name) => CONTESTANTS[name].kind === kind);

/** Answers questions about one run's samples. */
class Figures {
  constructor(samples) {
    this.samples = samples;
  }

  /** What `pick` makes of the quiet samples, or of all where none was quiet; undefined without any. */
  value(scene, name, key, pick) {
    const taken = this.samples.filter((s) => s.name === scene && s.contestant === name && typeof s[key] === "number");
    const quiet = taken.filter((s) => waited(s) <= NOISY);
    const values = (quiet.length ? quiet : taken).map((s) => s[key]);
    return values.length ? { value: pick(values), noisy: quiet.length === 0 } : undefined;
  }

  /** The contestant with the least of it, among `names`. */
  best(scene, names, key, pick) {
    const found = names.flatMap((name) => {
      const figure = this.value(scene, name, key, pick);
      return figure ? [{ name, ...figure }] : [];
    });
    return found.length ? found.reduce((a, b) => (b.value < a.value ? b : a)) : undefined;
  }

  /** Ours over the best of `names`, in medians and in best runs. */
  ratio(scene, names, key, goal) {
    const share = (pick) => {
      const [ours, other] = [this.value(scene, "sockeye", key, pick), this.best(scene, names, key, pick)];
      return ours && other ? { ratio: ours.value / other.value, to: other.name } : undefined;
    };
    const [medians, bests] = [share(median), share(least)];
    if (!medians) return undefined;
    return { to: medians.to, goal, medians: medians.ratio, best: bests.ratio, reached: reached(goal, medians.ratio, bests.ratio) };
  }
}

/** A gap under 10 % is believed only when medians and best runs agree. */
function reached(goal, medians, best) {
  if (goal === undefined) return undefined;
  return medians <= goal && (medians <= goal * 0.9 || best <= goal);
}

/** Every row's ratios, and whether they are what was aimed at. */
export function summarize(samples) {
  const figures = new Figures(samples);
  const rows = Object.entries(SCENES)
    .filter(([scene, { once, sharesCores }]) => !once && !sharesCores)
    .map(([scene, { goal = {} }]) => ({
      work: scene,
      peer: figures.ratio(scene, of("peer"), CPU, goal.peer),
      floor: figures.ratio(scene, of("floor"), CPU, goal.floor),
    }));
  const { scene, key, goal, floor } = MEMORY;
  rows.push({
    work: "memory per idle connection",
    peer: figures.ratio(scene, of("peer"), key, goal.peer),
    floor: figures.ratio(scene, [floor], key, goal.floor),
  });
  const [before, after] = [key, AFTERMATH.key].map((of) => figures.value(scene, "sockeye", of, median)?.value);
  const aftermath = after && { goal: AFTERMATH.goal, ratio: after / before, reached: after / before <= AFTERMATH.goal };
  return { rows: rows.filter(({ peer, floor }) => peer || floor), aftermath, scaling: scaling(figures) };
}

/** Twice the threads at the CPU that a unit then costs, over one thread at what it costs alone. */
function scaling(figures) {
  const growth = (pick) => {
    const [one, two] = SCENES[SCALING.scene].only.map((name) => figures.value(SCALING.scene, name, CPU, pick)?.value);
    return one && two ? (2 * one) / two : undefined;
  };
  const [ratio, best] = [growth(median), growth(least)];
  // As elsewhere, less than 10 % is believed only when the best runs say it too.
  const reached = ratio >= SCALING.goal && (ratio >= SCALING.goal * 1.1 || best >= SCALING.goal);
  return ratio && { goal: SCALING.goal, ratio, best, reached };
}

const show = (value) => (value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3));
const table = (head, rows) =>
  [`| ${head.join(" | ")} |`, `|---|${"--:|".repeat(head.length - 1)}`, ...rows.map((row) => `| ${row.join(" | ")} |`), ""].join("\n");

function goals({ rows, aftermath, scaling }) {
  const cells = (ratio) => {
    if (!ratio) return ["–", "–"];
    const { goal, medians, best, reached } = ratio;
    const have = `${medians.toFixed(2)} (${best.toFixed(2)})`;
    return [goal === undefined ? "–" : `≤ ${goal}`, reached === false ? `**${have}**` : have];
  };
  const head = ["", "best peer", "goal", "to it", "floor", "goal", "to it"];
  const body = rows.map(({ work, peer, floor }) => [work, peer?.to ?? "–", ...cells(peer), floor?.to ?? "–", ...cells(floor)]);
  const more = [];
  if (aftermath) {
    more.push(
      `Memory after a broadcast of 60 KB to all, over that before: ${aftermath.ratio.toFixed(2)} ` +
        `(goal: ≤ ${aftermath.goal}${aftermath.reached ? "" : ", not reached"}).`,
    );
  }
  if (scaling) {
    more.push(
      `Capacity for echo with two worker threads, over one: ${scaling.ratio.toFixed(2)}, best runs ${scaling.best.toFixed(2)} ` +
        `(goal: ≥ ${scaling.goal}${scaling.reached ? "" : ", not reached"}).`,
    );
  }
  const title = "**Goals**: ours to the best peer and to the cheaper floor, medians (best runs); bold where the goal is not reached";
  return [title, "", table(head, body), ...more.flatMap((line) => [line, ""])].join("\n");
}

/** All contestants' figures, one row by scene. */
function figuresOf(title, key, pick, samples, scenes) {
  const figures = new Figures(samples);
  const names = Object.keys(CONTESTANTS).filter((name) => scenes.some((scene) => figures.value(scene, name, key, pick)));
  const rows = scenes.map((scene) => [scene, ...names.map((name) => cell(figures.value(scene, name, key, pick)))]);
  const filled = rows.filter((row) => row.slice(1).some((cell) => cell !== "–"));
  return filled.length ? [`**${title}**`, "", table(["", ...names], filled)].join("\n") : "";
}

const cell = (figure) => (figure ? show(figure.value) + (figure.noisy ? "*" : "") : "–");

function memory(samples) {
  const taken = samples.filter((sample) => typeof sample.bytes_per_connection_held === "number");
  if (taken.length === 0) return "";
  const or = (value) => (typeof value === "number" ? show(value) : "–");
  const rows = taken.map((s) => [
    `${s.contestant}, ${s.clients.toLocaleString("en")}`,
    show(s.rss / 1e6),
    show(s.bytes_per_connection_held),
    or(s.bytes_per_connection_at_broadcast),
    or(s.bytes_per_connection_after),
    or(s.kernel_bytes_per_connection),
  ]);
  const head = ["idle connections", "resident, MB", "each, bytes", "with 60 KB just sent to all", "5 s later", "the kernel's, both ends"];
  return `**Memory**\n\n${table(head, rows)}\n${million(taken)}`;
}

/** What the largest run of ours says about a million connections; half of what the kernel held was the load's. */
function million(taken) {
  const largest = taken.filter((s) => s.contestant === "sockeye").toSorted((a, b) => b.clients - a.clients)[0];
  if (!largest?.kernel_bytes_per_connection) return "";
  const [ours, kernel] = [largest.bytes_per_connection_held, largest.kernel_bytes_per_connection / 2].map((bytes) => bytes / 1e3);
  return (
    `A million idle connections, from those ${largest.clients.toLocaleString("en")}: ${ours.toFixed(1)} GB resident, ` +
    `${kernel.toFixed(1)} GB in the kernel.\n`
  );
}

/** Everything that the README shows of a run. */
export function report({ date, cpu, rounds, seconds, samples }) {
  const scenes = Object.keys(SCENES).filter((scene) => !SCENES[scene].once && !SCENES[scene].sharesCores);
  const noisy = samples.filter((sample) => waited(sample) > NOISY).length;
  return [
    goals(summarize(samples)),
    figuresOf("Server CPU, µs per unit, medians", CPU, median, samples, scenes),
    figuresOf("Server CPU, µs per unit, best runs", CPU, least, samples, scenes),
    figuresOf("Latency, p99, µs, medians", "p99_us", median, samples, scenes),
    memory(samples),
    `${date.slice(0, 10)}, ${cpu}; ${rounds} rounds of ${seconds} s, idle once. In ${noisy} of ${samples.length} samples a side waited ` +
      `more than ${NOISY * 100} % of the time for a core that others had: they count only where there is no quiet one (marked *).`,
  ]
    .filter(Boolean)
    .join("\n");
}
