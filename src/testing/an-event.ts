import { OptionError, describe } from "../core/errors.ts";
import type { EventOf, JobRef, WorkerEvent } from "../core/events.ts";
import { aJobRef } from "./builders.ts";

/** The members of an event that a test may name, those of its job too. */
export type EventFields<Type extends WorkerEvent["type"], Kind extends string = string> =
  EventOf<Type, Kind> extends { readonly job: unknown }
    ? OwnFields<Type, Kind> & { readonly job?: Partial<JobRef<Kind>> }
    : OwnFields<Type, Kind>;

/** All members but the type and the job; of events that have nothing else, nothing may be named. */
export type OwnFields<Type extends WorkerEvent["type"], Kind extends string> = [
  Exclude<keyof EventOf<Type, Kind>, "type">,
] extends [never]
  ? Readonly<Record<string, never>>
  : Partial<Omit<EventOf<Type, Kind>, "type" | "job">>;

type Defaults = { readonly [Type in WorkerEvent["type"]]: Omit<EventOf<Type>, "type"> };

const ERROR = Object.freeze({ name: "Error", message: "failed" });
const OUTAGE = Object.freeze({ error: ERROR, retryInMs: 50 });
const JOB: JobRef = Object.freeze(aJobRef<string>());

/** What each event tells unless the test says otherwise. */
const DEFAULTS: Defaults = Object.freeze({
  started: {
    workerId: "1",
    label: "worker",
    queues: ["default"],
    kinds: ["job"],
    concurrency: 10,
    pollIntervalMs: 1_000,
    leaseDurationMs: 60_000,
    maxAttempts: 3,
  },
  claimed: { queue: "default", count: 1 },
  "claim-failed": { queue: "default", ...OUTAGE },
  "poll-failed": OUTAGE,
  "attempt-started": { job: JOB, waitMs: 0 },
  progress: { job: JOB, value: undefined },
  succeeded: { job: JOB, durationMs: 0, result: undefined },
  "retry-scheduled": { job: JOB, durationMs: 0, delayMs: 1_000, error: ERROR },
  snoozed: { job: JOB, delayMs: 1_000 },
  failed: { job: JOB, durationMs: 0, error: ERROR },
  cancelled: { job: JOB, reason: "The job was cancelled" },
  released: { job: JOB, reason: "unstarted" },
  "lease-lost": { job: JOB },
  leaked: { job: JOB, reason: "shutdown" },
  "leak-ended": { job: JOB, durationMs: 0, running: 0 },
  "claims-paused": { running: 100, maxLeaked: 100 },
  "claims-resumed": { running: 99 },
  "settle-failed": { count: 1, ...OUTAGE },
  "progress-failed": { count: 1, ...OUTAGE },
  "publish-failed": OUTAGE,
  "heartbeat-failed": OUTAGE,
  "lease-expired": { workerId: "1" },
  "lease-recovered": { count: 0, jobs: [] },
  "recovery-failed": OUTAGE,
  "tidy-failed": OUTAGE,
  "listen-lost": { error: ERROR },
  "listen-restored": {},
  degraded: { cause: "old-snapshot", pid: 1, ageMs: 60_000 },
  restored: { cause: "old-snapshot" },
  "capacity-failed": { error: ERROR },
  "dispatch-failed": { queue: "default", ...OUTAGE },
  "wakeup-failed": { error: ERROR },
  "start-failed": OUTAGE,
  draining: { running: 0 },
  drained: {},
  "drain-timed-out": { interrupted: [] },
  aborted: {},
  "events-dropped": { count: 1 },
  "worker-failed": { error: ERROR },
  exited: { outcome: "drained" },
});

/** Every type of event there is. */
export const EVENT_TYPES: ReadonlySet<string> = new Set(Object.keys(DEFAULTS));

/**
 * Makes an event of a worker.
 *
 * ```ts
 * const event = anEvent("failed", { job: { kind: "mill", attempt: 3 } });
 * ```
 *
 * @param type Its `type`, by which TypeScript knows the other members.
 * @param fields What is to be different from the default: job 1 of kind `"job"` in its first attempt
 * of 3, durations of 0, delays of one second. Of `job`, only what differs has to be named.
 * @throws OptionError for a type that does not exist.
 */
export function anEvent<Type extends WorkerEvent["type"], Kind extends string = string>(
  type: Type,
  fields?: EventFields<Type, Kind>,
): EventOf<Type, Kind> {
  if (!Object.hasOwn(DEFAULTS, type)) {
    throw new OptionError(
      `Unknown type of event ${describe(type)}; known are ${[...EVENT_TYPES].join(", ")}`,
    );
  }
  const defaults: object = DEFAULTS[type];
  const given: { readonly job?: Partial<JobRef> } = fields ?? {};
  const job = "job" in defaults ? { job: aJobRef<string>(given.job) } : {};
  return { type, ...defaults, ...given, ...job } as unknown as EventOf<Type, Kind>;
}
