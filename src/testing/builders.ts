import { checkFields } from "./check-fields.ts";
import type { JobRef } from "../core/events.ts";
import type { ClaimedJob } from "../core/job.ts";
import type { Job } from "../handlers.ts";
import type { AttemptContext, Log } from "../stages/context.ts";

/** A log that keeps nothing. */
export const SILENT_LOG: Log = Object.freeze({
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
});

/**
 * Makes a job as a handler gets it: number 1 of kind `"job"`, in its first attempt of 3, with an
 * empty payload, enqueued at the start of virtual time.
 *
 * ```ts
 * const job = aJob({ kind: "mill", payload: { grain: "rye" }, attempt: 2 });
 * ```
 *
 * @param fields What is to be different. `token` follows `attempt` unless it is given.
 */
export function aJob<Kind extends string = "job", Payload = Readonly<Record<string, never>>>(
  fields: Partial<Job<Kind, Payload>> = {},
): Job<Kind, Payload> {
  const attempt = fields.attempt ?? 1;
  const defaults: ClaimedJob = {
    id: "1",
    kind: "job",
    queue: "default",
    payload: {},
    source: undefined,
    priority: 0,
    attempt,
    maxAttempts: Math.max(3, attempt),
    crashes: 0,
    token: attempt,
    enqueuedAt: new Date(0),
    waitMs: 0,
    timeoutMs: undefined,
    backoff: undefined,
    keepResultMs: undefined,
    lastProgress: undefined,
  };
  checkFields("aJob", fields, defaults);
  return { ...defaults, ...fields } as Job<Kind, Payload>;
}

/**
 * Makes what events tell of a job: number 1 of kind `"job"`, in its first attempt of 3.
 *
 * @param fields What is to be different.
 */
export function aJobRef<Kind extends string = "job">(fields: Partial<JobRef<Kind>> = {}): JobRef<Kind> {
  const { id, kind, queue, source, attempt, maxAttempts } = aJob(fields);
  return { id, kind, queue, source, attempt, maxAttempts };
}

/**
 * Makes what a handler gets besides its job: a signal that does not fire, a log that keeps nothing,
 * a `complete` that resolves.
 *
 * ```ts
 * const stop = new AbortController();
 * handlers.mill(aJob({ kind: "mill" }), aContext({ signal: stop.signal }));
 * ```
 *
 * @param fields What is to be different.
 */
export function aContext(fields: Partial<AttemptContext> = {}): AttemptContext {
  const defaults: AttemptContext = {
    signal: new AbortController().signal,
    log: SILENT_LOG,
    complete: () => Promise.resolve(),
  };
  checkFields("aContext", fields, defaults);
  return { ...defaults, ...fields };
}
