import type { NewJob } from "../core/job.ts";
import { checkFields } from "./check-fields.ts";

/**
 * Makes a job as it is written straight into a `Store`, past the checks of a client. What is not
 * given: kind `work`, queue `default`, payload `null`, priority 0, at once, 3 attempts, no source, no
 * timeout, no policy of its own, waiting for nothing, its result not kept, without a key.
 */
export function aNewJob(job: Partial<NewJob> = {}): NewJob {
  const defaults: NewJob = {
    kind: "work",
    queue: "default",
    payload: "null",
    priority: 0,
    delayMs: 0,
    runAt: undefined,
    maxAttempts: 3,
    source: undefined,
    timeoutMs: undefined,
    backoff: undefined,
    after: [],
    afterFailure: "wait",
    keepResultMs: undefined,
    key: undefined,
  };
  checkFields("aNewJob", job, defaults);
  return { ...defaults, ...job };
}
