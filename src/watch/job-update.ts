import type { JobRef, WorkerEvent } from "../core/events.ts";
import type { JobSnapshot, JobState } from "../core/job.ts";

/** One change of a watched job, and where the job stands after it. */
export interface JobUpdate<Kind extends string = string> {
  /** The job's id. */
  readonly id: string;
  /**
   * Where it stands. `completed` also where it succeeded and keeps no result. `gone`: it has no row,
   * and nothing told why: it succeeded unheard without keeping its result, was deleted, or never was.
   */
  readonly state: JobState | "gone";
  /** The job as its row told; as it was last seen where that is gone; `undefined` if never seen. */
  readonly job: JobSnapshot | undefined;
  /** What was heard of it since the last update, oldest first: also what went by between two looks. */
  readonly events: readonly JobEvent<Kind>[];
}

/** An event about one job. */
export type JobEvent<Kind extends string = string> = Extract<
  WorkerEvent<Kind>,
  { readonly job: JobRef<Kind> }
>;

/** The events after which a job stands elsewhere, or further. */
export const JOB_EVENTS: readonly JobEvent["type"][] = [
  "attempt-started",
  "progress",
  "succeeded",
  "retry-scheduled",
  "snoozed",
  "failed",
  "cancelled",
  "released",
  "lease-lost",
  "leaked",
];

/** Whether nothing follows this update: the job has ended, or is not there. */
export function isLast({ state }: JobUpdate): boolean {
  return state === "completed" || state === "failed" || state === "gone";
}
