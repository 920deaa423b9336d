import { cleanText } from "../core/error-record.ts";
import type { ErrorRecord } from "../core/error-record.ts";
import type { EventOf, JobRef, WorkerEvent } from "../core/events.ts";

/** The longest text of an error or a reason that is published, in characters. */
const MAX_TEXT = 500;

/** The largest progress value that is published, in characters of JSON. */
const MAX_VALUE = 1_000;

/** The most bytes of JSON that the jobs of one published event take, if they are not one. */
const MAX_JOBS_BYTES = 5_000;

/** The most bytes of JSON that the queues, and the kinds, of a published `started` take. */
const MAX_NAMES_BYTES = 2_500;

/**
 * What of an event leaves its process: no result, no stack, no long text; a progress value only
 * where it is small and JSON. Events that name many jobs become several, and a `started` names no more
 * queues and kinds than fit.
 */
export function outbound(event: WorkerEvent): readonly WorkerEvent[] {
  switch (event.type) {
    case "attempt-started":
      return [{ type: event.type, job: event.job, waitMs: rounded(event.waitMs) }];
    case "succeeded":
      return [succeeded(event)];
    case "progress":
      return [{ ...event, value: smallJson(event.value) }];
    case "cancelled":
      return [{ ...event, reason: cleanText(event.reason, MAX_TEXT) }];
    case "retry-scheduled":
    case "failed":
      return [{ ...event, durationMs: rounded(event.durationMs), error: short(event.error) }];
    case "started":
      return [{ ...event, queues: fitting(event.queues), kinds: fitting(event.kinds) }];
    case "lease-recovered":
      return partsOf(event.jobs).map((jobs) => ({ ...event, count: jobs.length, jobs }));
    case "drain-timed-out":
      return partsOf(event.interrupted).map((interrupted) => ({ ...event, interrupted }));
    default:
      return "error" in event ? [{ ...event, error: short(event.error) }] : [event];
  }
}

function succeeded({ type, job, durationMs, kept }: EventOf<"succeeded">): WorkerEvent {
  const event = { type, job, durationMs: rounded(durationMs), result: undefined };
  return kept ? { ...event, kept } : event;
}

/** To 0.01 ms, so that times are short texts. */
function rounded(ms: number): number {
  return Number.isInteger(ms) ? ms : Math.round(ms * 100) / 100;
}

function short({ name, message }: ErrorRecord): ErrorRecord {
  return { name, message: cleanText(message, MAX_TEXT) };
}

/** The value as another process will read it, or `undefined` where it is no JSON or too large. */
function smallJson(value: unknown): unknown {
  if (typeof value === "string" && value.length > MAX_VALUE) return undefined;
  try {
    const text: string | undefined = JSON.stringify(value);
    return text === undefined || text.length > MAX_VALUE ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Splits a list so that each part is small enough. */
function partsOf<Job extends JobRef>(jobs: readonly Job[]): readonly (readonly Job[])[] {
  const parts: Job[][] = [[]];
  let bytes = 0;
  for (const job of jobs) {
    const more = bytesOf(job);
    if (bytes > 0 && bytes + more > MAX_JOBS_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(job);
    bytes += more;
  }
  return parts;
}

function fitting(names: readonly string[]): readonly string[] {
  let bytes = 0;
  const end = names.findIndex((name) => (bytes += bytesOf(name)) > MAX_NAMES_BYTES);
  return end === -1 ? names : names.slice(0, end);
}

/** The bytes that a value and a comma take. */
function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value)) + 1;
}
