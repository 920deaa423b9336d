import type { CancelFilter } from "../../src/core/job.ts";
import type { Claim, Place } from "../../src/core/store-calls.ts";
import { KINDS, MINUTE_MS, QUEUES } from "./actions.ts";
import type { Action, PlannedJob } from "./actions.ts";
import { SUCCEEDED } from "./bench.ts";
import type { Bench } from "./bench.ts";

/** Longer than any list of actions lets pass: leases end by `expire` alone. */
const LEASE_MS = 1_000_000_000;

/** A claim as it was handed out, and to whom. */
export interface HandedOut extends Claim {
  readonly workerId: string;
}

/** A store on the way through a list of actions. */
export interface World {
  readonly bench: Bench;
  readonly ids: string[];
  readonly workerIds: string[];
  readonly claims: HandedOut[];
  /** The workers whose lease ran out. */
  readonly dead: Set<string>;
}

/** What an action did, in words that are the same for every store. */
export type Answer = readonly (string | number | boolean)[];

/** Makes the world in which a list of actions begins. */
export function newWorld(bench: Bench): World {
  return { bench, ids: [], workerIds: [], claims: [], dead: new Set() };
}

/** Does one action, and tells what it did. What it names and is not there yet is left out. */
export async function perform(world: World, action: Action): Promise<Answer> {
  const { bench, ids, workerIds, claims } = world;
  const workerId = "worker" in action ? (latest(workerIds, action.worker) ?? "") : "";
  switch (action.type) {
    case "enqueue":
      return enqueue(world, action.jobs);
    case "register":
      workerIds.push(await bench.worker({ leaseDurationMs: LEASE_MS }));
      return [];
    case "heartbeat":
      return [await bench.heartbeat(workerId, LEASE_MS)];
    case "unregister":
      await bench.unregister(workerId);
      return [];
    case "expire":
      world.dead.add(workerId);
      await bench.expireLease(workerId);
      return [];
    case "recover":
      return recover(bench);
    case "promote":
      return promote(world, action.kinds);
    case "elapse":
      await bench.elapse(action.minutes * MINUTE_MS);
      return [];
    case "claim":
      return claim(world, workerId, action);
    case "settle":
      return settle(world, workerId, action.ended);
    case "release": {
      const given = pick(claims, action.claims);
      return [...(await bench.release(workerId, given))].sort();
    }
    case "complete": {
      const claimed = latest(claims, action.claim);
      if (claimed === undefined || bench.completeInTransaction === undefined) return [];
      const result = action.keeps ? '"bran"' : undefined;
      return [await bench.completeInTransaction(workerId, claimed, result).catch(() => false)];
    }
    case "retryJob":
      return [await bench.retryJob(latest(ids, action.job) ?? "0")];
    case "bulkRetry":
      return [await bench.bulkRetry(action.kind, { dryRun: action.dryRun })];
    case "deleteFailed":
      return [await bench.deleteFailed(latest(ids, action.job) ?? "0")];
    case "progress":
      return progress(world, workerId, action.claims);
    case "cancel":
      return cancel(world, { ids: pick(ids, action.jobs) });
    case "cancelAll":
      return cancel(world, { kind: action.kind, queue: action.queue });
    case "expireFailed":
      return [await bench.expireFailed(action.minutes * MINUTE_MS)];
    case "expireResults":
      return [await bench.expireResults(action.limit)];
  }
}

async function enqueue({ bench, ids }: World, jobs: readonly PlannedJob[]): Promise<Answer> {
  const added = await bench.enqueue(
    jobs.map(({ minutes: wait, after, ...rest }) => ({
      ...rest,
      delayMs: wait * MINUTE_MS,
      after: pick(ids, after),
    })),
  );
  ids.push(...added.filter(({ inserted }) => inserted).map(({ id }) => id));
  return added.map(({ id, inserted }) => `${id} ${inserted}`);
}

async function claim(
  world: World,
  workerId: string,
  action: Extract<Action, { type: "claim" }>,
): Promise<Answer> {
  const { bench, claims } = world;
  const { queue, kinds, limit, startLimit, started } = action;
  const begun = pick(claims, started).filter((handedOut) => handedOut.workerId === workerId);
  const request = { queue, kinds, limit, startLimit, started: begun, after: placeOf(world, action) };
  const jobs = await bench.claim(workerId, request);
  claims.push(...jobs.map(({ id, token }) => ({ id, token, workerId })));
  return jobs.flatMap(({ id, token, attempt, crashes }) => [id, token, attempt, crashes]);
}

/** The place behind which a claim begins, if it does not begin at the first. */
export function placeOf({ ids }: World, { after }: Extract<Action, { type: "claim" }>): Place | undefined {
  const id = after && latest(ids, after.job);
  return id === undefined ? undefined : { priority: after?.priority ?? 0, id };
}

async function settle(
  { bench, claims }: World,
  workerId: string,
  ended: Extract<Action, { type: "settle" }>["ended"],
): Promise<Answer> {
  const byClaim = new Map(ended.map((end) => [latest(claims, end.claim), end]));
  const settlements = [...byClaim].flatMap(([claimed, { outcome, progress: last }]) =>
    claimed === undefined ? [] : [{ id: claimed.id, token: claimed.token, outcome, progress: last }],
  );
  const settled = await bench.settleAll(workerId, settlements);
  return [...settled.accepted].sort().concat("ready", [...settled.readyQueues].sort());
}

async function recover(bench: Bench): Promise<Answer> {
  const { jobs, expiresInMs } = await bench.recover(1_000);
  const told = jobs.map(({ id, state, attempt }) => `${id} ${state} ${attempt}`);
  return [...told.sort(), expiresInMs === undefined];
}

async function promote({ bench, workerIds }: World, kinds: readonly string[]): Promise<Answer> {
  const { readyQueues, dueInMs, cancelled } = await bench.promote(QUEUES, kinds, latest(workerIds, 0));
  const dueInMinutes = dueInMs === undefined ? "never" : Math.ceil(dueInMs / MINUTE_MS);
  const orders = cancelled.map(({ id, token, reason }) => `${id} ${token} ${reason}`);
  return [...readyQueues.toSorted(), dueInMinutes, ...orders.sort()];
}

/** Each write is different, so that the latest can be told. */
async function progress(
  { bench, claims }: World,
  workerId: string,
  backs: readonly number[],
): Promise<Answer> {
  const values = pick(claims, backs).map(({ id, token }) => ({ id, token, value: `"${id} in ${token}"` }));
  return [...(await bench.progress(workerId, values))].sort();
}

async function cancel({ bench, workerIds }: World, filter: CancelFilter): Promise<Answer> {
  const { ended, requested, readyQueues } = await bench.cancel(filter);
  const asked = requested.map(({ id, token, workerId }) => `${id} ${token} ${workerIds.indexOf(workerId)}`);
  return [...ended.map(({ id }) => id), "asked", ...asked.sort(), "ready", ...readyQueues.toSorted()];
}

/** Ends all jobs: nothing may be left that cannot end. */
export async function finish(world: World): Promise<void> {
  const { bench } = world;
  for (const workerId of world.workerIds) await bench.expireLease(workerId);
  await bench.recover(1_000);
  await bench.elapse(5 * MINUTE_MS);
  for (let round = 0; round <= world.ids.length; round += 1) {
    const workerId = await bench.worker();
    await bench.bulkRetry(undefined, { dryRun: false });
    for (const { id, cancelled } of await bench.listFailed(1_000)) if (cancelled) await bench.retryJob(id);
    await bench.expireResults(1_000);
    await bench.promote(QUEUES, KINDS);
    for (const queue of QUEUES) {
      const jobs = await bench.claim(workerId, { queue, kinds: KINDS, limit: 1_000 });
      await bench.settle(workerId, jobs, SUCCEEDED);
    }
    if ((await bench.states()).size === 0) return;
  }
  throw new Error(`Jobs that cannot end: ${[...(await bench.states()).keys()].join(", ")}`);
}

/** The elements that are told by number, each once. */
export function pick<T>(list: readonly T[], backs: readonly number[]): readonly T[] {
  return [...new Set(backs.flatMap((back) => latest(list, back) ?? []))];
}

/** The element `back` places before the last one, going round. */
export function latest<T>(list: readonly T[], back: number): T | undefined {
  return list.at(-1 - (back % Math.max(1, list.length)));
}
