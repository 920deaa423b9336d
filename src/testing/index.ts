export { memoryStore } from "./memory-store.ts";
export type { MemoryStore, MemoryStoreOptions } from "./memory-store.ts";
export type { MemoryJob } from "./memory-jobs.ts";
export type {
  CancelOrder,
  Cancelled,
  Claim,
  ClaimRequest,
  Enqueued,
  Entered,
  Place,
  Progress,
  Promoted,
  QueueDepth,
  Recovered,
  Registration,
  Settled,
  Settlement,
  SnapshotHolder,
  Tidied,
  WorkerSnapshot,
} from "../core/store-calls.ts";
export type { Store } from "../core/store.ts";
export type { BackoffPolicy, RetryDecision, RetryFunction } from "../core/backoff.ts";
export type { ErrorRecord } from "../core/error-record.ts";
export type { EventOf, JobRef, RecoveredJob, WorkerEvent } from "../core/events.ts";
export { JOB_STATES } from "../core/job.ts";
export type {
  AfterFailure,
  AttemptError,
  CancelFilter,
  ClaimedJob,
  FailedJob,
  JobSnapshot,
  JobState,
  NewJob,
} from "../core/job.ts";
export type {
  JobSchemas,
  KindOf,
  PayloadInput,
  PayloadOutput,
  PayloadSchema,
  ValidationIssue,
  ValidationResult,
} from "../core/schema.ts";
export type { JobOptions } from "../job-options.ts";
export type { ClaimedJobOf, HandlerResult, Handlers, Job, JobHandler, JobOf } from "../handlers.ts";
export type { OwnStages, WorkerSettings } from "../options.ts";
export type { PublishMode } from "../events/cluster-event.ts";
export type { WakeUp } from "../core/arrival.ts";
export type { Dispatch, Dispatched, Lane, RunAttempt } from "../stages/dispatch.ts";
export type { Step } from "../stages/attempt.ts";
export type { Interrupt } from "../core/interrupt.ts";
export type { InterruptReason } from "../core/errors.ts";
export type { AttemptContext, Log } from "../stages/context.ts";
export type { AroundAttempt, Handler } from "../stages/handler.ts";
export type { Ended, Outcome, Progressed } from "../core/outcome.ts";
export { aNewJob } from "./new-job.ts";
export { marbles } from "./marbles.ts";
export type { MarbleHelpers, MarbleObservable, MarbleValues, StreamExpectation } from "./marbles.ts";
export type { SubscriptionFrames } from "./stream-diff.ts";
export type { EventExpectation } from "./expect-events.ts";
export { EVENT_LETTERS } from "./event-letters.ts";
export type { EventLetters } from "./event-letters.ts";
export type { Moment } from "./event-marbles.ts";
export { aContext, aJob, aJobRef } from "./builders.ts";
export { anEvent } from "./an-event.ts";
export type { EventFields, OwnFields } from "./an-event.ts";
export { virtualWorker } from "./virtual-worker.ts";
export type { VirtualHandlers, VirtualWorker, VirtualWorkerOptions } from "./virtual-worker.ts";
export { FIXTURE_VERSION, FixtureError } from "./fixture.ts";
export type { Fixture } from "./fixture.ts";
export { record } from "./record.ts";
export type { RecordOptions } from "./record.ts";
export { replay } from "./replay.ts";
