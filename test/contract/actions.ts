import fc from "fast-check";
import type { AfterFailure } from "../../src/core/job.ts";
import { CANCELLED, FAILED, kept, RELEASED, retried, snoozed, SUCCEEDED } from "./bench.ts";
import type { Written } from "./bench.ts";

/**
 * One call of a store. Workers, claims and jobs are told by number, counted back from the latest,
 * so that the same list of actions means the same to every store.
 */
export type Action =
  | { readonly type: "enqueue"; readonly jobs: readonly PlannedJob[] }
  | { readonly type: "register" }
  | { readonly type: "heartbeat"; readonly worker: number }
  | { readonly type: "unregister"; readonly worker: number }
  | { readonly type: "expire"; readonly worker: number }
  | { readonly type: "recover" }
  | { readonly type: "promote"; readonly kinds: readonly string[] }
  | { readonly type: "elapse"; readonly minutes: number }
  | {
      readonly type: "claim";
      readonly worker: number;
      readonly queue: string;
      readonly kinds: readonly string[];
      readonly limit: number;
      readonly startLimit: number;
      readonly started: readonly number[];
      readonly after: { readonly priority: number; readonly job: number } | undefined;
    }
  | {
      readonly type: "settle";
      readonly worker: number;
      readonly ended: readonly {
        readonly claim: number;
        readonly outcome: Written;
        readonly progress?: string | undefined;
      }[];
    }
  | { readonly type: "release"; readonly worker: number; readonly claims: readonly number[] }
  | { readonly type: "complete"; readonly worker: number; readonly claim: number; readonly keeps: boolean }
  | { readonly type: "retryJob"; readonly job: number }
  | { readonly type: "bulkRetry"; readonly kind: string | undefined; readonly dryRun: boolean }
  | { readonly type: "deleteFailed"; readonly job: number }
  | { readonly type: "progress"; readonly worker: number; readonly claims: readonly number[] }
  | { readonly type: "cancel"; readonly jobs: readonly number[] }
  | { readonly type: "cancelAll"; readonly kind: string | undefined; readonly queue: string | undefined }
  | { readonly type: "expireResults"; readonly limit: number }
  | { readonly type: "expireFailed"; readonly minutes: number };

/** What an `enqueue` action tells of a job. */
export interface PlannedJob {
  readonly queue: string;
  readonly kind: string;
  readonly priority: number;
  readonly minutes: number;
  readonly maxAttempts: number;
  readonly after: readonly number[];
  readonly afterFailure: AfterFailure;
  readonly keepResultMs: number | undefined;
  readonly key: string | undefined;
}

/** The queues and the kinds of all planned jobs. */
export const QUEUES: readonly string[] = ["left", "right"];
export const KINDS: readonly string[] = ["mill", "sift"];
export const MINUTE_MS = 60_000;

const near = fc.nat({ max: 5 });
/** Mostly the latest worker, so that it often meets its own claims. */
const worker = fc.constantFrom(0, 0, 0, 1, 2);
const kinds = fc.oneof(fc.constant(KINDS), fc.subarray([...KINDS]));
const priority = fc.integer({ min: -1, max: 1 });
const minutes = fc.constantFrom(0, 0, 0, 0, 1, 2);

const outcome: fc.Arbitrary<Written> = fc.oneof(
  { weight: 2, arbitrary: fc.constant(SUCCEEDED) },
  { weight: 2, arbitrary: fc.constant(kept("flour")) },
  { weight: 1, arbitrary: fc.constant(CANCELLED) },
  { weight: 2, arbitrary: fc.constant(FAILED) },
  { weight: 1, arbitrary: fc.constant(RELEASED) },
  { weight: 1, arbitrary: minutes.map((n) => retried(n * MINUTE_MS)) },
  { weight: 1, arbitrary: minutes.map((n) => snoozed(n * MINUTE_MS)) },
);

const job: fc.Arbitrary<PlannedJob> = fc.record({
  queue: fc.constantFrom(...QUEUES),
  kind: fc.constantFrom(...KINDS),
  priority,
  minutes,
  maxAttempts: fc.integer({ min: 1, max: 3 }),
  after: fc.oneof(fc.constant([]), fc.array(near, { minLength: 1, maxLength: 3 })),
  afterFailure: fc.constantFrom("wait", "run", "fail"),
  keepResultMs: fc.constantFrom(undefined, MINUTE_MS, 3 * MINUTE_MS),
  key: fc.constantFrom(undefined, undefined, "left stone", "right stone"),
});

/** One arbitrary for each type of action. */
const single: { readonly [Type in Action["type"]]: fc.Arbitrary<Extract<Action, { type: Type }>> } = {
  enqueue: fc.record({
    type: fc.constant("enqueue"),
    jobs: fc.array(job, { minLength: 1, maxLength: 4 }),
  }),
  register: fc.record({ type: fc.constant("register") }),
  heartbeat: fc.record({ type: fc.constant("heartbeat"), worker }),
  unregister: fc.record({ type: fc.constant("unregister"), worker }),
  expire: fc.record({ type: fc.constant("expire"), worker }),
  recover: fc.record({ type: fc.constant("recover") }),
  promote: fc.record({ type: fc.constant("promote"), kinds }),
  elapse: fc.record({ type: fc.constant("elapse"), minutes: fc.integer({ min: 1, max: 2 }) }),
  claim: fc.record({
    type: fc.constant("claim"),
    worker,
    queue: fc.constantFrom(...QUEUES),
    kinds,
    limit: fc.integer({ min: 1, max: 4 }),
    startLimit: fc.nat({ max: 3 }),
    started: fc.array(near, { maxLength: 2 }),
    after: fc.constant(undefined),
  }),
  settle: fc.record({
    type: fc.constant("settle"),
    worker,
    ended: fc.uniqueArray(
      fc.record({ claim: near, outcome, progress: fc.constantFrom(undefined, '"end"') }),
      {
        selector: ({ claim }) => claim,
        minLength: 1,
        maxLength: 4,
      },
    ),
  }),
  release: fc.record({
    type: fc.constant("release"),
    worker,
    claims: fc.uniqueArray(near, { maxLength: 3 }),
  }),
  complete: fc.record({ type: fc.constant("complete"), worker, claim: near, keeps: fc.boolean() }),
  retryJob: fc.record({ type: fc.constant("retryJob"), job: near }),
  bulkRetry: fc.record({
    type: fc.constant("bulkRetry"),
    kind: fc.constantFrom(...KINDS, undefined),
    dryRun: fc.boolean(),
  }),
  deleteFailed: fc.record({ type: fc.constant("deleteFailed"), job: near }),
  progress: fc.record({
    type: fc.constant("progress"),
    worker,
    claims: fc.uniqueArray(near, { maxLength: 3 }),
  }),
  cancel: fc.record({ type: fc.constant("cancel"), jobs: fc.array(near, { maxLength: 3 }) }),
  cancelAll: fc.record({
    type: fc.constant("cancelAll"),
    kind: fc.constantFrom(...KINDS, undefined),
    queue: fc.constantFrom(...QUEUES, undefined),
  }),
  // All that expired: which of two that expire at one moment goes first is nobody's to say.
  expireResults: fc.constant({ type: "expireResults", limit: 1_000 } as const),
  expireFailed: fc.record({ type: fc.constant("expireFailed"), minutes: fc.constantFrom(0, 1) }),
};

/** A worker that dies with what it claimed, and the next one. */
const death: fc.Arbitrary<readonly Action[]> = fc.tuple(
  single.claim,
  single.expire,
  single.recover,
  single.register,
);

/** A claim that begins behind one of the jobs that wait, of which a worker died with some. */
const behind: fc.Arbitrary<readonly Action[]> = fc
  .tuple(fc.array(job, { minLength: 4, maxLength: 4 }), single.claim, single.claim, priority, near)
  .map(([jobs, died, claim, markPriority, back]) => {
    const ready = jobs.map((one) => ({ ...one, queue: claim.queue, minutes: 0, after: [], key: undefined }));
    return [
      { type: "register" },
      { type: "enqueue", jobs: ready.slice(0, 2) },
      { ...died, worker: 0, queue: claim.queue, kinds: KINDS },
      { type: "expire", worker: 0 },
      { type: "recover" },
      { type: "register" },
      { type: "enqueue", jobs: ready.slice(2) },
      { ...claim, worker: 0, after: { priority: markPriority, job: back } },
    ];
  });

/** Claims that were given back, claimed anew by the same worker, and settled with either token. */
const stale: fc.Arbitrary<readonly Action[]> = fc
  .tuple(single.enqueue, single.claim, single.settle, single.settle)
  .map(([enqueue, claim, first, second]) => [
    { type: "register" },
    enqueue,
    { ...claim, worker: 0 },
    { type: "release", worker: 0, claims: [0, 1, 2, 3] },
    { ...claim, worker: 0, started: [] },
    { ...first, worker: 0 },
    { ...second, worker: 0 },
  ]);

/** A parent that may run, its child, and what becomes of the parent: it fails or completes itself. */
const family: fc.Arbitrary<readonly Action[]> = fc
  .tuple(job, job, single.claim, fc.constantFrom(FAILED, SUCCEEDED), single.complete, fc.nat({ max: 2 }))
  .map(([parent, child, claim, written, complete, back]) => [
    { type: "register" },
    { type: "enqueue", jobs: [{ ...parent, minutes: 0, after: [], priority: -1 }] },
    { type: "enqueue", jobs: [{ ...child, after: [back] }] },
    { ...claim, worker: 0, queue: parent.queue, kinds: KINDS },
    written === FAILED
      ? {
          type: "settle",
          worker: 0,
          ended: [0, 1, 2, 3].map((n) => ({ claim: n, outcome: written })),
        }
      : { ...complete, worker: 0 },
    { type: "deleteFailed", job: back + 1 },
  ]);

/** A job that is cancelled in the state that a call before brought it to, and what its worker makes of it. */
const cancelled: fc.Arbitrary<readonly Action[]> = fc
  .tuple(job, job, single.claim, single.progress, single.settle, single.cancel, single.enqueue)
  .map(([parent, child, claim, progress, settle, cancel, enqueue]) => [
    { type: "register" },
    { type: "enqueue", jobs: [{ ...parent, priority: -1 }] },
    { type: "enqueue", jobs: [{ ...child, after: [0] }] },
    { ...claim, worker: 0, queue: parent.queue, kinds: KINDS },
    { ...progress, worker: 0 },
    cancel,
    { type: "promote", kinds: KINDS },
    { ...settle, worker: 0 },
    enqueue,
  ]);

/** A result that is kept until its time is over. */
const keeping: fc.Arbitrary<readonly Action[]> = fc
  .tuple(job, single.claim, single.enqueue, single.elapse, single.expireResults)
  .map(([first, claim, enqueue, elapse, expire]) => [
    { type: "register" },
    { type: "enqueue", jobs: [{ ...first, minutes: 0, after: [], priority: -1, keepResultMs: MINUTE_MS }] },
    { ...claim, worker: 0, queue: first.queue, kinds: KINDS },
    { type: "settle", worker: 0, ended: [0, 1, 2, 3].map((n) => ({ claim: n, outcome: kept(n) })) },
    enqueue,
    elapse,
    expire,
  ]);

/** Calls in an order that chance would seldom find: a worker dies, a parent fails, time passes. */
const story: fc.Arbitrary<readonly Action[]> = fc.oneof(
  behind,
  death,
  family,
  stale,
  cancelled,
  keeping,
  fc.tuple(death, death).map((twice) => twice.flat()),
  fc.tuple(single.enqueue, single.claim, single.settle, single.enqueue, single.deleteFailed),
  fc.tuple(single.enqueue, single.enqueue, single.claim, single.settle, single.retryJob),
  fc.tuple(single.enqueue, single.claim, single.settle, single.enqueue, single.expireFailed),
  fc.tuple(single.elapse, single.promote, single.claim),
);

/** What a list is made of. */
const step: fc.Arbitrary<readonly Action[]> = fc.oneof(
  { weight: 4, arbitrary: single.claim.map((action) => [action]) },
  { weight: 4, arbitrary: single.settle.map((action) => [action]) },
  { weight: 10, arbitrary: story },
  ...Object.values(single).map((one) => ({
    weight: 1,
    arbitrary: one.map((action: Action): readonly Action[] => [action]),
  })),
);

/** Lists of calls, as an adversary would order them. Every list begins with a worker and a job. */
export const actions: fc.Arbitrary<readonly Action[]> = fc
  .tuple(
    job,
    fc.array(step, {
      minLength: 10,
      maxLength: 40,
      size: "max",
    }),
  )
  .map(([first, rest]) => [{ type: "register" }, { type: "enqueue", jobs: [first] }, ...rest.flat()]);
