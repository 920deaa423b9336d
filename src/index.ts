export { createClient } from "./client.ts";
export type { Client } from "./client.ts";
export type { ClientOptions } from "./client-options.ts";
export type { ConnectionOptions } from "./connection.ts";
export { payload } from "./core/schema.ts";
export type {
  JobSchemas,
  KindOf,
  PayloadInput,
  PayloadOutput,
  PayloadSchema,
  ValidationIssue,
  ValidationResult,
} from "./core/schema.ts";
export type {
  ClusterEvent,
  ClusterEventOf,
  EventFilter,
  EventsOptions,
  PublishMode,
  WorkerRef,
} from "./events/cluster-event.ts";
export type { EnqueueCalls } from "./enqueuing.ts";
export type { Observations } from "./observing.ts";
export type { CancelResult, JobFilter, OperatorCalls } from "./operating.ts";
export type { JobEvent, JobUpdate } from "./watch/job-update.ts";
export type { ResultOptions } from "./watch/result-of.ts";
export type { EnqueueEach, EnqueueEachMapped, EnqueueEachOptions } from "./enqueue-each-of.ts";
export type { Enqueuing } from "./enqueue-each.ts";
export type { EnqueueTarget, JobOptions, JobSpec, KeyedOptions } from "./job-options.ts";
export type { ClaimedJobOf, Handlers, HandlerResult, Job, JobHandler, JobOf } from "./handlers.ts";
export type { Dispatch, Lane, RunAttempt } from "./stages/dispatch.ts";
export type { Ended, Outcome } from "./core/outcome.ts";
export type { WakeUp } from "./core/arrival.ts";
export type { AttemptContext, Log } from "./stages/context.ts";
export type { AroundAttempt } from "./stages/handler.ts";
export { batchHandler } from "./batch-handler.ts";
export type { BatchContext, BatchHandler, BatchOptions } from "./batch-handler.ts";
export type { WorkerOptions } from "./worker.ts";
export { DEFAULTS } from "./options.ts";
export type { Defaults, OwnStages, WorkerSettings } from "./options.ts";
export type { ShutdownResult, WorkerHandle } from "./handle.ts";
export { stopOnSignals } from "./stop-on-signals.ts";
export type { Stoppable, StopOnSignalsOptions } from "./stop-on-signals.ts";
export type { EventOf, JobRef, RecoveredJob, WorkerEvent } from "./core/events.ts";
export { JOB_STATES } from "./core/job.ts";
export type { AfterFailure, AttemptError, ClaimedJob, FailedJob, JobSnapshot, JobState } from "./core/job.ts";
export type { Enqueued, QueueDepth, WorkerSnapshot } from "./core/store-calls.ts";
export type { ErrorRecord } from "./core/error-record.ts";
export { DEFAULT_BACKOFF } from "./core/backoff.ts";
export type { BackoffPolicy, RetryDecision, RetryFunction } from "./core/backoff.ts";
export {
  AttemptTimeoutError,
  CancelledError,
  ClosedError,
  EnqueueError,
  InterruptedError,
  LeaseLostError,
  OptionError,
  PayloadError,
  PermanentError,
  ResultError,
  SchemaError,
  Snooze,
} from "./core/errors.ts";
export type { EnqueueErrorDetails, InterruptReason } from "./core/errors.ts";
export type { Migrated } from "./postgres/migrate.ts";
export type { Transaction } from "./postgres/transaction.ts";
export type { Logger } from "./log.ts";
export { fromSignal, iterate, toSignal } from "./interop.ts";
export type { IterateOptions } from "./rx/iterate.ts";
export { circuitBreaker } from "./circuit-breaker.ts";
export type { CircuitBreakerOptions } from "./circuit-breaker.ts";
export { eventLoopLag } from "./event-loop-lag.ts";
export type { EventLoopLagOptions } from "./event-loop-lag.ts";
