import { from } from "rxjs";
import type { ObservableInput } from "rxjs";
import { aNewJob, memoryStore } from "../../src/testing/index.ts";
import type { MemoryJob, MemoryStore, Settlement } from "../../src/testing/index.ts";

/**
 * One step of the lease protocol. `worker` is a place at which incarnations follow each other, `job`
 * a job that somebody holds.
 *
 * The clock is an adversary: `expire` lets a lease run out at any moment, and the worker goes on
 * until a heartbeat tells it, its attempts also after that. What the network may do to an answer
 * needs no steps of its own: whose claim was answered into the void does nothing until its lease
 * runs out, which every holder may, and whose outcome was, writes it again, which `retold` tries.
 */
export type Step =
  | { readonly type: "recover" }
  | { readonly type: "register" | "heartbeat" | "expire"; readonly worker: number }
  | { readonly type: "claim" | "prefetch"; readonly worker: number; readonly job: string }
  | { readonly type: "begin" | Writing; readonly job: string };

/** The ways in which a worker gives up a claim. */
type Writing = (typeof WRITINGS)[number];

const WRITINGS = ["succeed", "retry", "fail", "complete", "release"] as const;

/** What must never be, each counted. */
export interface Faults {
  /** Outcomes that were accepted for a claim that had one, or for a job that had ended. */
  readonly secondOutcomes: number;
  /** Writes that were accepted although the claim was another's, or nobody's. */
  readonly staleAccepted: number;
  /** Writes of the holder that were refused. */
  readonly rightfulRefused: number;
  /** Jobs that were handed out while somebody held them, or with a token that did not grow. */
  readonly doubleClaims: number;
  /** Leases that had run out and were renewed, or claimed under. */
  readonly revivedLeases: number;
}

/** How far the protocol is followed. */
export interface Bounds {
  readonly jobs: number;
  readonly workers: number;
  /** How often a job is claimed at most. */
  readonly claims: number;
  /** How many attempts a job has. */
  readonly attempts: number;
}

interface Claim {
  readonly id: string;
  readonly token: number;
  readonly workerId: string;
}

/** The store, and an account of what was handed out and accepted that does not look at it. */
export interface World {
  readonly bounds: Bounds;
  readonly store: MemoryStore;
  /** What the store holds. */
  readonly jobs: readonly MemoryJob[];
  readonly fenced: boolean;
  /** The incarnation at each place, as it knows itself. */
  readonly places: (string | undefined)[];
  /** The claims that stand, by job. */
  readonly holders: Map<string, Claim & { readonly begun: boolean }>;
  /** The claims that do not stand any more, and whether an outcome of theirs was accepted. */
  readonly past: readonly (Claim & { readonly settled: boolean })[];
  readonly over: Set<string>;
  readonly expired: Set<string>;
}

const LEASE_MS = 1_000_000_000;

const ERROR = { name: "Error", message: "no" };

export const NO_FAULTS: Faults = {
  secondOutcomes: 0,
  staleAccepted: 0,
  rightfulRefused: 0,
  doubleClaims: 0,
  revivedLeases: 0,
};

/** The first state: all jobs pending, no worker. `fenced: false` settles by the job's id alone. */
export function newWorld(bounds: Bounds, fenced: boolean): World {
  const store = memoryStore();
  // Each in a queue of its own, so that the adversary says which is claimed.
  const jobs = Array.from({ length: bounds.jobs }, (_, n) =>
    aNewJob({ queue: queueOf(String(n + 1)), maxAttempts: bounds.attempts }),
  );
  answerOf(store.enqueue(jobs));
  return {
    bounds,
    store,
    jobs: store.jobs(),
    fenced,
    places: Array.from({ length: bounds.workers }, () => undefined),
    holders: new Map(),
    past: [],
    over: new Set(),
    expired: new Set(),
  };
}

/** Every step that can be taken. */
export function stepsOf({ bounds, jobs, places, holders, expired }: World): readonly Step[] {
  const claimable = jobs.filter(({ state, token }) => state === "pending" && token < bounds.claims);
  const steps: Step[] = [{ type: "recover" }];
  places.forEach((workerId, worker) => {
    if (workerId === undefined) steps.push({ type: "register", worker });
    else {
      steps.push({ type: "heartbeat", worker });
      if (!expired.has(workerId)) steps.push({ type: "expire", worker });
      for (const { id: job } of claimable) {
        steps.push({ type: "claim", worker, job }, { type: "prefetch", worker, job });
      }
    }
  });
  for (const [job, { begun }] of holders) {
    if (!begun) steps.push({ type: "begin", job }, { type: "release", job });
    else for (const type of WRITINGS) steps.push({ type, job });
  }
  return steps;
}

/** Takes a step in a copy of the world, and tells what that broke. */
export function take(from: World, step: Step): { readonly world: World; readonly faults: Faults } {
  const { world, faults } = taken(fork(from), step);
  return { world: { ...world, jobs: world.store.jobs() }, faults };
}

function taken(world: World, step: Step): { readonly world: World; readonly faults: Faults } {
  const { store, places, holders, expired } = world;
  switch (step.type) {
    case "recover": {
      const recovered = answerOf(store.recover(100)).jobs;
      const past = recovered.flatMap(({ id }) => holders.get(id) ?? []);
      for (const { id, state } of recovered) {
        holders.delete(id);
        if (state === "failed") world.over.add(id);
      }
      return { world: withPast(world, past, false), faults: NO_FAULTS };
    }
    case "register": {
      const registration = { label: String(step.worker), queues: ["default"], leaseDurationMs: LEASE_MS };
      places[step.worker] = answerOf(store.register(registration));
      return { world, faults: NO_FAULTS };
    }
    case "expire": {
      const workerId = places[step.worker] ?? "";
      store.expireLease(workerId);
      expired.add(workerId);
      return { world, faults: NO_FAULTS };
    }
    case "heartbeat": {
      const workerId = places[step.worker] ?? "";
      const held = answerOf(store.heartbeat(workerId, LEASE_MS));
      // It will start anew, and what it runs goes on as it may.
      if (!held) places[step.worker] = undefined;
      return { world, faults: { ...NO_FAULTS, revivedLeases: Number(held && expired.has(workerId)) } };
    }
    case "claim":
    case "prefetch":
      return { world, faults: claim(world, places[step.worker] ?? "", step) };
    case "begin": {
      const holder = holders.get(step.job);
      if (holder !== undefined) holders.set(step.job, { ...holder, begun: true });
      return { world, faults: NO_FAULTS };
    }
    default: {
      const holder = holders.get(step.job);
      if (holder === undefined) return { world, faults: NO_FAULTS };
      const accepted = writes(world, holder, step.type);
      if (!accepted) return { world, faults: { ...NO_FAULTS, rightfulRefused: 1 } };
      holders.delete(step.job);
      if (step.type !== "release" && step.type !== "retry") world.over.add(step.job);
      return { world: withPast(world, [holder], step.type !== "release"), faults: NO_FAULTS };
    }
  }
}

/**
 * Lets everybody write who has no right to: those whose claims do not stand any more, in every way,
 * also once more what was accepted, and the other workers in the name of those that hold a claim.
 */
export function retold(world: World): Faults {
  const { places, holders, past, over } = world;
  let [secondOutcomes, staleAccepted] = [0, 0];
  // What is refused changes nothing, so that the next can be tried in the same world.
  let there = fork(world);
  const accepted = (claimed: Claim, type: Writing): boolean => {
    if (!writes(there, claimed, type)) return false;
    there = fork(world);
    return true;
  };
  for (const claimed of past) {
    for (const type of WRITINGS) {
      if (!accepted(claimed, type)) continue;
      if (type !== "release" && (claimed.settled || over.has(claimed.id))) secondOutcomes += 1;
      else staleAccepted += 1;
    }
  }
  for (const holder of holders.values()) {
    for (const workerId of places) {
      if (workerId === undefined || workerId === holder.workerId) continue;
      for (const type of WRITINGS) if (accepted({ ...holder, workerId }, type)) staleAccepted += 1;
    }
  }
  return { ...NO_FAULTS, secondOutcomes, staleAccepted };
}

/** Whether every job ends when all leases run out and one worker does the rest. */
export function canEnd(world: World): boolean {
  const { store, places, bounds } = fork(world);
  for (const workerId of places) if (workerId !== undefined) store.expireLease(workerId);
  answerOf(store.recover(100));
  const last = { label: "last", queues: ["default"], leaseDurationMs: LEASE_MS };
  const workerId = answerOf(store.register(last));
  const wanted = { kinds: ["work"], limit: 100, startLimit: 100, started: [] };
  const outcome = { type: "succeeded", result: undefined } as const;
  const queues = Array.from({ length: bounds.jobs }, (_, n) => queueOf(String(n + 1)));
  // A worker holds one suspect at a time, so each may have to wait for all others.
  for (const _round of queues) {
    const jobs = queues.flatMap((queue) => answerOf(store.claim({ workerId, queue, ...wanted })));
    const settlements = jobs.map(({ id, token }) => ({ id, token, outcome }));
    answerOf(store.settle(workerId, settlements));
  }
  return store.jobs().every(({ state }) => state === "failed");
}

function fork(world: World): World {
  return {
    bounds: world.bounds,
    store: world.store.fork(),
    jobs: world.jobs,
    fenced: world.fenced,
    places: [...world.places],
    holders: new Map(world.holders),
    past: world.past,
    over: new Set(world.over),
    expired: new Set(world.expired),
  };
}

function withPast(world: World, claims: readonly Claim[], settled: boolean): World {
  return { ...world, past: [...world.past, ...claims.map((claimed) => ({ ...claimed, settled }))] };
}

function queueOf(job: string): string {
  return `queue ${job}`;
}

function claim(
  { store, jobs, holders, over, expired }: World,
  workerId: string,
  { type, job }: Extract<Step, { type: "claim" | "prefetch" }>,
): Faults {
  const begun = type === "claim";
  const started = [...holders.values()].filter((held) => held.begun && held.workerId === workerId);
  const wanted = { queue: queueOf(job), kinds: ["work"], limit: 1, startLimit: begun ? 1 : 0, started };
  let [doubleClaims, revivedLeases] = [0, 0];
  const tokens = new Map(jobs.map(({ id, token }) => [id, token]));
  for (const { id, token } of answerOf(store.claim({ workerId, ...wanted }))) {
    if (expired.has(workerId)) revivedLeases += 1;
    if (holders.has(id) || over.has(id) || token <= (tokens.get(id) ?? 0)) doubleClaims += 1;
    holders.set(id, { id, token, workerId, begun });
  }
  return { ...NO_FAULTS, doubleClaims, revivedLeases };
}

/** Writes, and tells whether that was accepted. */
function writes({ store, fenced }: World, claimed: Claim, type: Writing): boolean {
  const { id, token, workerId } = fenced ? claimed : whoeverHolds(store, claimed);
  if (type === "complete") return store.completeInTransaction(workerId, { id, token });
  const outcome = OUTCOMES[type];
  return answerOf(store.settle(workerId, [{ id, token, outcome }])).accepted.length > 0;
}

const OUTCOMES: Readonly<Record<Exclude<Writing, "complete">, Settlement["outcome"]>> = {
  succeed: { type: "succeeded", result: undefined },
  retry: { type: "retried", delayMs: 0, error: ERROR },
  fail: { type: "failed", error: ERROR },
  release: { type: "released", reason: "unstarted" },
};

/** The claim that stands, whoever asks: what writing by the job's id alone comes to. */
function whoeverHolds(store: MemoryStore, { id }: Claim): Claim {
  const job = store.jobs().find((one) => one.id === id);
  return { id, token: job?.token ?? 0, workerId: job?.workerId ?? "" };
}

/** The memory store answers in the call. */
function answerOf<T>(answer: ObservableInput<T>): T {
  const answers: T[] = [];
  from(answer).subscribe((value) => answers.push(value));
  const [first] = answers;
  if (answers.length !== 1) throw new Error("The store did not answer at once");
  return first as T;
}
