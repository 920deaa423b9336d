import type { JobRef, WorkerEvent } from "../core/events.ts";
import type { WorkerRef } from "./cluster-event.ts";
import { isEventType } from "./filter.ts";
import { isFrequent, runOf, runText, runEvents } from "./run.ts";
import type { Run } from "./run.ts";

/** One notification: events of one worker, in order. */
export interface Chunk {
  /** Names the stream that the numbers count: new each time that a worker is subscribed to. */
  readonly stream: string;
  readonly worker: WorkerRef;
  /** The number of the first event; of the next one, where there is none. */
  readonly first: number;
  readonly events: readonly WorkerEvent[];
}

/** The form of the text, for other versions of this library. */
const VERSION = 1;

/** The most bytes of a notification: Postgres takes less than 8,000. */
export const MAX_BYTES = 7_900;

/**
 * Writes events as few texts of at most `MAX_BYTES`.
 *
 * ```text
 * [1,"stream","worker id","label",first, item, item, …]
 * ```
 *
 * An item is an event as it is, or a run: neighbours that began or succeeded, of one kind and queue
 * (`run.ts`), some ten bytes each. No events make one text that tells the next number. An event that
 * no text can hold is left out: its number is skipped, so that whoever reads them sees the gap.
 */
export function encode({ stream, worker, first, events }: Chunk): readonly string[] {
  const texts: string[] = [];
  const head = `[${VERSION},${JSON.stringify(stream)},${JSON.stringify(worker.id)},${JSON.stringify(worker.label)},`;
  let text = "";
  let bytes = 0;
  let run: Run | undefined;

  const close = (): void => {
    if (text !== "") texts.push(`${text}${run === undefined ? "" : "]"}]`);
    text = "";
    bytes = 0;
    run = undefined;
  };
  const add = (event: WorkerEvent, number: number): void => {
    const { item, next } = itemOf(event, run);
    const joint = run !== undefined && run !== next ? "]," : ",";
    const piece = text === "" ? `${head}${number}${joint}${item}` : `${joint}${item}`;
    // What goes on a run without sources is digits and commas.
    const more = run !== undefined && run === next && !run.sourced ? piece.length : Buffer.byteLength(piece);
    if (bytes + more + 2 > MAX_BYTES) {
      if (text === "") return;
      close();
      return add(event, number);
    }
    text += piece;
    bytes += more;
    run = next;
  };

  let number = first;
  for (const event of events) {
    add(event, number);
    number += 1;
  }
  close();
  if (events.length === 0) texts.push(`${head}${first}]`);
  return texts;
}

/** How an event is written, and the run that it is part of. */
function itemOf(
  event: WorkerEvent,
  run: Run | undefined,
): { readonly item: string; readonly next: Run | undefined } {
  if (!isFrequent(event)) return { item: JSON.stringify(event), next: undefined };
  const next = runOf(event, run);
  return { item: runText(event, next), next };
}

/** What a notification on the channel turned out to be. */
export type Decoded =
  | Chunk
  /** Written by another version of this library. */
  | "unreadable"
  /** None of ours: anybody may notify. */
  | undefined;

/** Reads what `encode` wrote. Total: it never throws, whatever it is given. */
export function decode(text: string): Decoded {
  const values = parse(text);
  if (!Array.isArray(values) || typeof values[0] !== "number") return undefined;
  const [version, stream, id, label, first, ...items] = values as readonly unknown[];
  if (version !== VERSION) return "unreadable";
  if (typeof stream !== "string" || typeof id !== "string" || typeof label !== "string") return undefined;
  if (typeof first !== "number" || !Number.isSafeInteger(first)) return undefined;
  const events: WorkerEvent[] = [];
  for (const item of items) {
    const read = Array.isArray(item) ? runEvents(item) : readEvent(item);
    if (read === undefined) return "unreadable";
    for (const event of read) events.push(event);
  }
  return { stream, worker: { id, label }, first, events };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Brings back the members that JSON leaves out, for they are `undefined`. */
function readEvent(item: unknown): readonly WorkerEvent[] | undefined {
  if (typeof item !== "object" || item === null || !("type" in item) || !isEventType(item.type)) {
    return undefined;
  }
  const event = item as WorkerEvent;
  if (event.type === "lease-recovered") {
    return isJobs(event.jobs) ? [{ ...event, jobs: event.jobs.map(sourced) }] : undefined;
  }
  if (event.type === "drain-timed-out") {
    return isJobs(event.interrupted)
      ? [{ ...event, interrupted: event.interrupted.map(sourced) }]
      : undefined;
  }
  if (!("job" in event)) return [event];
  if (!isJob(event.job)) return undefined;
  const job = sourced(event.job);
  return [event.type === "progress" ? { ...event, job, value: event.value } : { ...event, job }];
}

function sourced<Job extends JobRef>(job: Job): Job {
  return { ...job, source: job.source };
}

function isJobs(jobs: unknown): boolean {
  return Array.isArray(jobs) && jobs.every(isJob);
}

function isJob(job: unknown): boolean {
  if (typeof job !== "object" || job === null) return false;
  const { id, kind, queue } = job as Partial<JobRef>;
  return typeof id === "string" && typeof kind === "string" && typeof queue === "string";
}
