/**
 * A pipeline of your own from the stages: over the store in memory, polling only, an operator round each attempt.
 *
 * ```text
 * attempt of job 1: HELLO
 * attempt of job 2: WORLD
 * drained
 * ```
 */
import { NEVER, ReplaySubject, firstValueFrom, from, lastValueFrom, of, tap } from "rxjs";
import type { InterruptReason } from "../src/index.ts";
import { pipeline, resolveSettings, stagesOf } from "../src/stages.ts";
import type { WorkerSetup } from "../src/stages.ts";
import { aNewJob, memoryStore } from "../src/testing/index.ts";

const store = memoryStore();
store.enqueue(["hello", "world"].map((word) => aNewJob({ kind: "shout", payload: JSON.stringify(word) })));
const settings = resolveSettings({ label: "own", concurrency: 1, pollIntervalMs: 50 });
const { label, leaseDurationMs } = settings;
const workerId = await firstValueFrom(from(store.register({ label, leaseDurationMs, queues: ["default"] })));
const shutdown$ = new ReplaySubject<void>(1);
const interrupt$ = new ReplaySubject<InterruptReason>(1);
const setup: WorkerSetup = {
  store,
  settings,
  kinds: ["shout"],
  maxAttempts: 3,
  notify$: NEVER,
  handlers: {
    handlerOf: () => (job) => of(String(job.payload).toUpperCase()),
    prepare: (job) => job,
    logOf: () => console,
  },
  completeIn: () => Promise.reject(new Error("There are no transactions in memory")),
  shutdown$,
  abort$: NEVER,
  isFatal: () => false,
  random: Math.random,
};
const stages = stagesOf(setup, workerId, interrupt$);
const event$ = pipeline({
  ...stages,
  attempt: (job, interrupt$) =>
    stages
      .attempt(job, interrupt$)
      .pipe(tap({ subscribe: () => process.stdout.write(`attempt of job ${job.id}: `) })),
});
const last$ = event$.pipe(
  tap((event) => event.type === "succeeded" && console.log(event.result)),
  tap(() => store.jobs().length === 0 && shutdown$.next()),
);
console.log((await lastValueFrom(last$)).type);
