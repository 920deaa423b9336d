import type { EventOf, JobRef, WorkerEvent } from "../core/events.ts";

/** What the events of a run have in common. */
export interface Run {
  readonly type: "attempt-started" | "succeeded";
  readonly kind: string;
  readonly queue: string;
  readonly maxAttempts: number;
  /** Whether their results are kept. */
  readonly kept: boolean;
  /** Whether their jobs have a source. */
  readonly sourced: boolean;
  /** The id before, where it was a small number: the next is told as the distance to it. */
  previous: number;
  /** Whether it has no event yet. */
  isNew: boolean;
}

/** What happens to most jobs and has nothing to tell but a time. */
export type Frequent = EventOf<"attempt-started" | "succeeded">;

/** The sorts of runs by their number in the text; so many more for jobs with a source. */
const SORTS = [
  { type: "attempt-started", kept: false },
  { type: "succeeded", kept: false },
  { type: "succeeded", kept: true },
] as const;

/** Tells whether an event can stand in a run. */
export function isFrequent(event: WorkerEvent): event is Frequent {
  return event.type === "attempt-started" || event.type === "succeeded";
}

/** The run that an event goes on with, or a new one that it begins. */
export function runOf(event: Frequent, run: Run | undefined): Run {
  const { kind, queue, maxAttempts, source } = event.job;
  const sourced = source !== undefined;
  const kept = event.type === "succeeded" && event.kept === true;
  if (
    run !== undefined &&
    run.type === event.type &&
    run.kind === kind &&
    run.queue === queue &&
    run.maxAttempts === maxAttempts &&
    run.kept === kept &&
    run.sourced === sourced
  ) {
    return run;
  }
  return { type: event.type, kind, queue, maxAttempts, kept, sourced, previous: 0, isNew: true };
}

/**
 * Writes an event into a run, which stays open: `[type,"kind","queue",maxAttempts` once, then
 * `id,attempt,time` or `id,attempt,time,"source"` for each. An id is the distance to the one before
 * where both are small numbers, else a text.
 */
export function runText(event: Frequent, run: Run): string {
  const { job } = event;
  const time = event.type === "succeeded" ? event.durationMs : event.waitMs;
  const source = job.source === undefined ? "" : `,${JSON.stringify(job.source)}`;
  const fields = `${idText(job.id, run)},${job.attempt},${Number.isFinite(time) ? time : 0}${source}`;
  if (!run.isNew) return fields;
  run.isNew = false;
  const sort = SORTS.findIndex(({ type, kept }) => type === run.type && kept === run.kept);
  const code = sort + (run.sourced ? SORTS.length : 0);
  return `[${code},${JSON.stringify(run.kind)},${JSON.stringify(run.queue)},${run.maxAttempts},${fields}`;
}

/** Ids that are the same when they are read as numbers. */
const SMALL = /^[1-9]\d{0,14}$/;

function idText(id: string, run: Run): string {
  if (!SMALL.test(id)) return JSON.stringify(id);
  const number = Number(id);
  const distance = number - run.previous;
  run.previous = number;
  return String(distance);
}

/** Reads a run; `undefined` where it is none. */
export function runEvents(values: readonly unknown[]): readonly WorkerEvent[] | undefined {
  const [code, kind, queue, maxAttempts] = values;
  const sort = typeof code === "number" ? SORTS[code % SORTS.length] : undefined;
  if (sort === undefined || typeof kind !== "string" || typeof queue !== "string") return undefined;
  if (typeof maxAttempts !== "number") return undefined;
  const sourced = Number(code) >= SORTS.length;
  const stride = sourced ? 4 : 3;
  if ((values.length - 4) % stride !== 0) return undefined;
  const events: WorkerEvent[] = [];
  let previous = 0;
  for (let at = 4; at < values.length; at += stride) {
    const [id, attempt, time, source] = [values[at], values[at + 1], values[at + 2], values[at + 3]];
    if (typeof attempt !== "number" || typeof time !== "number") return undefined;
    if (typeof id === "number") previous += id;
    else if (typeof id !== "string") return undefined;
    const job: JobRef = {
      id: typeof id === "string" ? id : String(previous),
      kind,
      queue,
      source: sourced ? String(source) : undefined,
      attempt,
      maxAttempts,
    };
    events.push(eventOf(sort, job, time));
  }
  return events;
}

function eventOf({ type, kept }: (typeof SORTS)[number], job: JobRef, time: number): WorkerEvent {
  if (type === "attempt-started") return { type, job, waitMs: time };
  const event = { type, job, durationMs: time, result: undefined };
  return kept ? { ...event, kept } : event;
}
