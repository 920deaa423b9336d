import { setTimeout } from "node:timers/promises";
import type { Sent, Sort, Tally } from "../child/orders.ts";
import type { Child } from "../lab/child-process.ts";
import type { Place } from "../lab/lab.ts";

/** How jobs are to be worked on. */
export interface Draining {
  readonly concurrency: number;
  readonly sort: Sort;
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

/** How often children are asked how far they are, in milliseconds. */
const LOOK_MS = 50;

/** How long nothing may happen before a run has failed, in milliseconds. */
const STALL_MS = 120_000;

/** Enqueues no-op jobs by an own process, and lets the server come to rest. */
export async function fill(place: Place, count: number): Promise<Sent> {
  const filler = await place.child();
  const sent = await filler.ask("fill", { count });
  await filler.end();
  await place.settle();
  return sent;
}

/** Works off all that was sent, and checks that each job was handled once and none is left. */
export async function drain(place: Place, sent: Sent, draining: Draining): Promise<Drained> {
  const children = await Promise.all(Array.from({ length: draining.workers ?? 1 }, () => place.child()));
  const cpuBefore = await place.serverCpuUs();
  await start(children, draining);
  const tallies = await untilHandled(children, sent.count);
  const cpuAfter = await place.serverCpuUs();
  await stop(children);
  await checkDone(children, [sent]);
  await Promise.all(children.map((child) => child.end()));
  return drained(tallies, cpuAfter === undefined ? undefined : cpuAfter - Number(cpuBefore));
}

/** Starts workers. */
export async function start(children: readonly Child[], { concurrency, sort }: Draining): Promise<void> {
  await Promise.all(children.map((child) => child.ask("work", { concurrency, sort })));
}

/** Stops workers. */
export async function stop(children: readonly Child[]): Promise<void> {
  await Promise.all(children.map((child) => child.ask("stop", {})));
}

/** Resolves when the workers have handled `count` jobs in all. */
export async function untilHandled(children: readonly Child[], count: number): Promise<readonly Tally[]> {
  let last = -1;
  let changedAt = performance.now();
  for (;;) {
    const tallies = await Promise.all(children.map((child) => child.ask("tally", {})));
    const handled = total(tallies, "handled");
    if (handled >= count) return tallies;
    if (handled !== last) changedAt = performance.now();
    else if (performance.now() - changedAt > STALL_MS)
      throw new Error(`Stalled: ${handled} of ${count} jobs were handled, and then none for a while`);
    last = handled;
    await setTimeout(LOOK_MS);
  }
}

/** The figures of a lap: from the begin of the first attempt to the end of the last. */
export function drained(tallies: readonly Tally[], serverUs: number | undefined): Drained {
  const worked = tallies.filter(({ inLap }) => inLap > 0);
  const jobs = total(worked, "inLap");
  const firstAt = Math.min(...worked.map((tally) => tally.firstAt));
  const lastAt = Math.max(...worked.map((tally) => tally.lastAt));
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
  const left = (await children[0]?.ask("left", {})) ?? 0;
  const handled = total(tallies, "handled");
  const count = total(sent, "count");
  if (handled !== count || left !== 0)
    throw new Error(`${count} jobs were sent, ${handled} handled, and ${left} are left`);
  if (total(tallies, "sum") !== total(sent, "sum"))
    throw new Error(`${count} jobs were handled, as many as were sent, but not the same ones`);
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
