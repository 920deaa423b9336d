/**
 * The parts that the worker's pipeline is made of, for pipelines of one's own: `millrace/stages`.
 */
export { pipeline } from "./pipeline.ts";
export type { Stages } from "./pipeline.ts";
export { stagesOf } from "./worker-stages.ts";
export type { WorkerSetup } from "./worker-stages.ts";
export { resolveSettings } from "./settings.ts";
export type { OwnStages, WorkerSettings } from "./options.ts";
export type { ResolvedSettings } from "./settings.ts";
export { attemptStage } from "./stages/attempt.ts";
export type { AttemptSetup, Step } from "./stages/attempt.ts";
export { capacityStage } from "./stages/capacity.ts";
export { claimStage } from "./stages/claim.ts";
export type { ClaimSetup, ClaimedBatch, Demand } from "./stages/claim.ts";
export { dispatchThrough, inSlots } from "./stages/dispatch.ts";
export type {
  Dispatch,
  DispatchSetup,
  DispatchStage,
  Dispatched,
  Lane,
  RunAttempt,
} from "./stages/dispatch.ts";
export { drain } from "./stages/drain.ts";
export type { DrainSetup } from "./stages/drain.ts";
export type { AttemptContext, ContextSetup, Log } from "./stages/context.ts";
export type { AroundAttempt, Handler, HandlerSetup } from "./stages/handler.ts";
export { lane } from "./stages/lane.ts";
export type { LaneSetup } from "./stages/lane.ts";
export { leaksOf } from "./stages/leaks.ts";
export type { Leak, Leaks } from "./stages/leaks.ts";
export { leaseStage } from "./stages/lease.ts";
export type { LeaseChange, LeaseSetup } from "./stages/lease.ts";
export type { RetryRule } from "./stages/outcome-of-error.ts";
export { pollStage } from "./stages/poll.ts";
export type { PollSetup } from "./stages/poll.ts";
export { progressStage } from "./stages/progress.ts";
export type { ProgressSetup } from "./stages/progress.ts";
export { recoverStage } from "./stages/recover.ts";
export type { RecoverSetup } from "./stages/recover.ts";
export { releaseStage } from "./stages/release.ts";
export type { ReleaseSetup } from "./stages/release.ts";
export { settleStage } from "./stages/settle.ts";
export type { SettleSetup } from "./stages/settle.ts";
export { tidyStage } from "./stages/tidy.ts";
export type { TidySetup } from "./stages/tidy.ts";
export { gatherMap } from "./rx/gather-map.ts";
export { retryBackoff } from "./rx/retry-backoff.ts";
export type { RetryBackoffOptions } from "./rx/retry-backoff.ts";
export type { Arrival, CancelOrders, DueHint, WakeUp } from "./core/arrival.ts";
export type { BackoffPolicy, RetryDecision, RetryFunction } from "./core/backoff.ts";
export type { ErrorRecord } from "./core/error-record.ts";
export type { InterruptReason } from "./core/errors.ts";
export type { Interrupt } from "./core/interrupt.ts";
export type { JobRef, RecoveredJob, WorkerEvent } from "./core/events.ts";
export { JOB_STATES } from "./core/job.ts";
export type {
  AfterFailure,
  AttemptError,
  CancelFilter,
  ClaimedJob,
  FailedJob,
  JobSnapshot,
  JobState,
  NewJob,
} from "./core/job.ts";
export type { Ended, Outcome, Progressed } from "./core/outcome.ts";
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
} from "./core/store-calls.ts";
export type { Store } from "./core/store.ts";
export type { PublishMode } from "./events/cluster-event.ts";
