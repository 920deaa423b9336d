import { DEFAULT_BACKOFF, backoffDelay } from "../core/backoff.ts";
import type { BackoffPolicy, RetryDecision, RetryFunction } from "../core/backoff.ts";
import { MAX_DELAY_MS, PayloadError, PermanentError, Snooze } from "../core/errors.ts";
import { cleanText, toErrorRecord } from "../core/error-record.ts";
import type { ClaimedJob } from "../core/job.ts";
import type { Outcome } from "../core/outcome.ts";

const NO_DELAY = "The backoff of this job gives no delay, so the default was used";

/** Retry as data or as a function. */
export type RetryRule = BackoffPolicy | RetryFunction;

/**
 * What follows from what a handler threw.
 *
 * - `Snooze` postpones, uncounted.
 * - `PermanentError` and `PayloadError` fail at once.
 * - The last attempt fails.
 * - Everything else is tried again, when the rule says so. A retry function that throws, or answers
 *   with neither a delay nor `"stop"`, fails the job and says why.
 */
export function outcomeOfError(error: unknown, job: ClaimedJob, rule: RetryRule, random: number): Outcome {
  if (isA(error, Snooze)) return { type: "snoozed", delayMs: error.delayMs };
  const record = toErrorRecord(error);
  if (isA(error, PermanentError) || isA(error, PayloadError) || job.attempt >= job.maxAttempts) {
    return { type: "failed", error: record };
  }
  if (typeof rule !== "function") {
    const delayMs = backoffDelay(rule, job.attempt, random);
    if (delayMs >= 0 && delayMs <= MAX_DELAY_MS) return { type: "retried", delayMs, error: record };
    // One that was stored broken: it must not fail the write of the outcomes beside it.
    return {
      type: "retried",
      delayMs: backoffDelay(DEFAULT_BACKOFF, job.attempt, random),
      error: { ...record, message: cleanText(`${NO_DELAY}: ${record.message}`, 2_000) },
    };
  }
  let decision: RetryDecision;
  try {
    decision = rule(error, job.attempt, record);
  } catch (thrown) {
    return {
      type: "failed",
      error: toErrorRecord(new Error(`The retry function threw: ${toErrorRecord(thrown).message}`)),
    };
  }
  if (decision === "stop") return { type: "failed", error: record };
  if (typeof decision !== "number" || !Number.isFinite(decision) || decision < 0) {
    // Not `String(decision)`: what has the wrong type may throw when it is shown.
    const answer = typeof decision === "number" ? String(decision) : `a value of type ${typeof decision}`;
    return {
      type: "failed",
      error: toErrorRecord(
        new Error(
          `The retry function must answer "stop" or a delay in milliseconds from 0 up, it answered ${answer}`,
        ),
      ),
    };
  }
  return { type: "retried", delayMs: Math.min(decision, MAX_DELAY_MS), error: record };
}

/** `instanceof` for anything that may be thrown: a hostile Proxy throws when it is asked. */
function isA<T>(thrown: unknown, type: abstract new (...args: never[]) => T): thrown is T {
  try {
    return thrown instanceof type;
  } catch {
    return false;
  }
}
