import { setTimeout } from "node:timers/promises";
import type { Sent, Tally, Working } from "../child/orders.ts";
import type { Child } from "../lab/child-process.ts";
import type { Place } from "../lab/lab.ts";
import { now } from "../systems/system.ts";

/** How jobs are to be worked on. */
export interface Draining extends Working {
  /** Processes that work at once. Default 1. */
  readonly workers?: number;
}

/** What a drain took. */
export interface Drained {
  readonly jobsPerS: number;
  /** Processor time of all workers, in microseconds. */
  readonly nodeUsPerJob: number;
  /** Processor time of the store's server; `undefined` where it is not known. */
  readonly serverUsPerJob: number | undefined;
}

/** How long at most until children are asked again how far they are, in milliseconds. */
const LOOK_MS = 50;

/** How long at least. */
const SHORTEST_LOOK_MS = 2;

/** How long nothing may happen before a run has failed, in milliseconds. */
const STALL_MS = 120_000;

/**
 * The share of the jobs of a lap that must be left when it begins. Some are handled before that, while the
 * worker is asked how far it is; of a rate over few of the jobs nobody would know what it is of.
 */
const LEAST_LEFT = 0.8;

/** Enqueues no-op jobs by an own process, and lets the server come to rest. */
export async function fill(place: Place, count: number): Promise<Sent> {
  const filler = await place.child();
  const sent = await filler.ask("fill", { count });
  await filler.end();
  await place.settle();
  return sent;
}

/**
 * Works off all that was sent, and checks that each job was handled once and none is left. The rate is
 * that until none is left, and the server's share is taken when the workers have stopped, so that
 * outcomes that are written late count as well.
 */
export async function drain(
  place: Place,
  sent: Sent,
  { workers = 1, ...working }: Draining,
): Promise<Drained> {
  const children = await Promise.all(Array.from({ length: workers }, () => place.child()));
  // Opens the connection that the last look will need.
  await children[0]?.ask("left", {});
  const cpuBefore = await place.serverCpuUs();
  await start(children, working);
  await untilHandled(children, sent.count);
  const emptyAt = await untilEmpty(children[0]);
  const tallies = await Promise.all(children.map((child) => child.ask("tally", {})));
  await stop(children);
  const cpuAfter = await place.serverCpuUs();
  await checkDone(children, [sent]);
  await Promise.all(children.map((child) => child.end()));
  return drained(tallies, {
    count: sent.count,
    serverUs: cpuAfter === undefined ? undefined : cpuAfter - Number(cpuBefore),
    endAt: emptyAt,
  });
}

/**
 * Lets a worker that was not started yet handle `warm` jobs, and then measures it over `count` more, from
 * the begin of the first attempt to the end of the last.
 */
export async function drainWarm(
  place: Place,
  worker: Child,
  { warm, count }: { readonly warm: number; readonly count: number },
): Promise<Drained> {
  await start([worker], { concurrency: 24, sort: "noop" });
  await untilHandled([worker], warm);
  const cpuBefore = await place.serverCpuUs();
  await worker.ask("lap", {});
  const tallies = await untilHandled([worker], warm + count);
  const cpuAfter = await place.serverCpuUs();
  return drained(tallies, {
    count,
    serverUs: cpuAfter === undefined ? undefined : cpuAfter - Number(cpuBefore),
  });
}

/** Starts workers. */
export async function start(children: readonly Child[], working: Working): Promise<void> {
  await Promise.all(children.map((child) => child.ask("work", working)));
}

/** Stops workers. */
export async function stop(children: readonly Child[]): Promise<void> {
  await Promise.all(children.map((child) => child.ask("stop", {})));
}

/** Resolves when the workers have handled `count` jobs in all. */
export async function untilHandled(children: readonly Child[], count: number): Promise<readonly Tally[]> {
  let last = 0;
  let changedAt = performance.now();
  for (;;) {
    const tallies = await Promise.all(children.map((child) => child.ask("tally", {})));
    const handled = total(tallies, "handled");
    if (handled >= count) return tallies;
    const sinceMs = performance.now() - changedAt;
    if (handled === last && sinceMs > STALL_MS)
      throw new Error(`Stalled: ${handled} of ${count} jobs were handled, and then none for a while`);
    // At the rate of late, so that the end is not overlooked for long.
    const restMs = (sinceMs * (count - handled)) / (handled - last);
    if (handled !== last) changedAt = performance.now();
    last = handled;
    await setTimeout(Math.max(SHORTEST_LOOK_MS, Math.min(LOOK_MS, restMs)));
  }
}

/** Resolves when the store has no job left, to the moment that it was asked last, on the clock of `now()`. */
async function untilEmpty(child: Child | undefined): Promise<number> {
  const from = now();
  for (;;) {
    const askedAt = now();
    const left = await child?.ask("left", {});
    if (left === undefined || left.count === 0) return askedAt;
    if (askedAt - from > STALL_MS) throw new Error(`All jobs were handled, and ${left.count} are left`);
    await setTimeout(SHORTEST_LOOK_MS);
  }
}

/** What was to be measured in a lap, when it ended, and what it took of the server. */
interface Lap {
  /** Jobs. */
  readonly count: number;
  /** Processor time, in microseconds. */
  readonly serverUs?: number | undefined;
  /** On the clock of `now()`. Default: the end of the last attempt. */
  readonly endAt?: number;
}

/** The figures of a lap from the begin of its first attempt. Fails where too few of its jobs were left for it. */
export function drained(tallies: readonly Tally[], { count, serverUs, endAt }: Lap): Drained {
  const worked = tallies.filter(({ inLap }) => inLap > 0);
  const jobs = total(worked, "inLap");
  const firstAt = Math.min(...worked.map((tally) => tally.firstAt));
  const lastAt = endAt ?? Math.max(...worked.map((tally) => tally.lastAt));
  // Without a job there is neither a first attempt nor a last one, and the time between is no number.
  if (jobs < LEAST_LEFT * count || !(lastAt > firstAt))
    throw new Error(`Too few jobs to measure a rate: ${jobs} of ${count} were left for it`);
  return {
    jobsPerS: (jobs / (lastAt - firstAt)) * 1000,
    nodeUsPerJob: total(worked, "cpuUs") / jobs,
    serverUsPerJob: serverUs === undefined ? undefined : serverUs / jobs,
  };
}

/**
 * Checks what workers did, after they were stopped: as many jobs as were sent, the same ones by the
 * sum of their numbers, and none left in the store.
 */
export async function checkDone(children: readonly Child[], sent: readonly Sent[]): Promise<void> {
  const tallies = await Promise.all(children.map((child) => child.ask("tally", {})));
  const left = (await children[0]?.ask("left", {}))?.count ?? 0;
  const handled = total(tallies, "handled");
  const count = total(sent, "count");
  if (handled !== count || left !== 0)
    throw new Error(`${count} jobs were sent, ${handled} handled, and ${left} are left`);
  if (total(tallies, "sum") !== total(sent, "sum"))
    throw new Error(`${count} jobs were handled, as many as were sent, but not the same ones`);
}

/** Checks that all jobs that were sent are in the store, the same ones by the sum of their numbers. */
export async function checkThere(child: Child, sent: readonly Counted[]): Promise<void> {
  const left = await child.ask("left", {});
  const [count, sum] = [total(sent, "count"), total(sent, "sum")];
  if (left.count !== count || (left.sum ?? sum) !== sum)
    throw new Error(
      `${count} jobs with the sum ${sum} are expected, and ${left.count} with ${left.sum} are there`,
    );
}

/** Jobs, and the sum of the numbers that they carry. */
export interface Counted {
  readonly count: number;
  readonly sum: number;
}

function total<Name extends string>(of: readonly { readonly [name in Name]: number }[], name: Name): number {
  return of.reduce((sum, one) => sum + one[name], 0);
}

/** The figures that every drain reports. */
export function drainFigures({ jobsPerS, nodeUsPerJob, serverUsPerJob }: Drained): Record<string, number> {
  return {
    "jobs/s": jobsPerS,
    "Node µs/job": nodeUsPerJob,
    ...(serverUsPerJob === undefined ? {} : { "server µs/job": serverUsPerJob }),
  };
}
