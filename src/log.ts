import { tap } from "rxjs";
import type { MonoTypeOperatorFunction } from "rxjs";
import { pino } from "pino";
import type { Logger } from "pino";
import { toErrorRecord } from "./core/error-record.ts";
import type { ErrorRecord } from "./core/error-record.ts";
import type { WorkerEvent } from "./core/events.ts";
import type { ClaimedJob } from "./core/job.ts";
import { tellsOfConnection } from "./postgres/transient.ts";
import { monotonicClock } from "./rx/monotonic-clock.ts";

export type { Logger } from "pino";

type Level = "debug" | "info" | "warn" | "error";

/** At which level each event is logged. */
export const LEVELS: Readonly<Record<WorkerEvent["type"], Level>> = Object.freeze({
  started: "info",
  claimed: "debug",
  "claim-failed": "warn",
  "poll-failed": "warn",
  "attempt-started": "debug",
  progress: "debug",
  succeeded: "debug",
  "retry-scheduled": "warn",
  snoozed: "info",
  failed: "error",
  released: "info",
  "lease-lost": "warn",
  leaked: "warn",
  "leak-ended": "info",
  "claims-paused": "error",
  "claims-resumed": "warn",
  "settle-failed": "warn",
  "progress-failed": "warn",
  "publish-failed": "warn",
  "capacity-failed": "error",
  cancelled: "info",
  "heartbeat-failed": "warn",
  "lease-expired": "warn",
  "lease-recovered": "warn",
  "recovery-failed": "warn",
  "tidy-failed": "warn",
  "listen-lost": "warn",
  "listen-restored": "info",
  degraded: "warn",
  restored: "info",
  "dispatch-failed": "error",
  "wakeup-failed": "error",
  "start-failed": "warn",
  draining: "info",
  drained: "info",
  "drain-timed-out": "warn",
  aborted: "warn",
  "events-dropped": "warn",
  "worker-failed": "error",
  exited: "info",
});

/** Failures to reach the store within this time after one that was logged go to `debug`, in milliseconds. */
const REPEAT_MS = 60_000;

/** The logger of a client: the given one, none for `false`, else pino on stdout at level `info`. */
export function loggerOf(given: Logger | false | undefined): Logger {
  if (given === false) return pino({ enabled: false });
  return given ?? pino({ name: "millrace" });
}

/**
 * Logs the events that pass, one line each. A line has the job's id, kind, queue, source and
 * attempt and the worker's label, never a payload, a result or a progress value. Of failures to reach
 * the store, whichever call it was, one a minute has its level and the others go to `debug`, so that
 * an outage is a handful of lines: the first says whether Postgres can be reached at all, and one says
 * that it answers again.
 */
export function logEvents(logger: Logger, label: string): MonoTypeOperatorFunction<WorkerEvent> {
  const log = withRecords(logger, { worker: label });
  const toldAt = new Map<string, number>();
  const now = monotonicClock();
  let isAway = false;
  const told = (event: WorkerEvent): readonly [Level, string] => {
    const { type } = event;
    const message = MESSAGES[type];
    const level = LEVELS[type];
    // Only a Postgres that answers makes these happen.
    if (isAway && (type === "started" || type === "claimed" || type === "listen-restored")) {
      isAway = false;
      return ["info", `Postgres answers again: ${message}`];
    }
    if (!("retryInMs" in event)) return [level, message];
    // Failures of events alone, and of the app's own code, hide no other, and no other hides them.
    const call = type === "publish-failed" || type === "dispatch-failed" ? type : "";
    const unreached = type !== "dispatch-failed" && tellsOfConnection(event.error.message);
    if ((unreached && call !== "") || now() - (toldAt.get(call) ?? -Infinity) < REPEAT_MS) {
      return ["debug", message];
    }
    toldAt.set(call, now());
    isAway ||= unreached;
    const what = unreached ? `Postgres cannot be reached: ${message}` : message;
    return [level, `${what}; more are at debug for a minute`];
  };
  return tap((event) => {
    const [level, message] = told(event);
    if (log.isLevelEnabled(level)) log[level](fieldsOf(event), message);
  });
}

/**
 * Logs what a subscriber threw, or a call failed with, as a record: members of errors may hold anything,
 * such as the event that a subscriber was told.
 */
export function errorLog(logger: Logger, level: Level, message: string): (thrown: unknown) => void {
  const log = withRecords(logger, {});
  return (thrown) => log[level](errorFields(toErrorRecord(thrown)), message);
}

/** A logger for the handler of one attempt. */
export function attemptLogger(logger: Logger, label: string, job: ClaimedJob): Logger {
  const { id, kind, queue, source, attempt } = job;
  return logger.child({ worker: label, jobId: id, kind, queue, source, attempt });
}

/** Errors are plain records here: pino's own serializer would call each an `Object`. */
function withRecords(logger: Logger, bindings: Readonly<Record<string, string>>): Logger {
  return logger.child(bindings, { serializers: { err: (record: unknown) => record } });
}

/** What of an event goes into its line. */
function fieldsOf(event: WorkerEvent): object {
  switch (event.type) {
    case "lease-recovered":
      return { event: event.type, count: event.count, jobIds: event.jobs.slice(0, 20).map(({ id }) => id) };
    case "drain-timed-out":
      return { event: event.type, jobIds: event.interrupted.map(({ id }) => id) };
    case "degraded": {
      // In a line, `pid` is the process that writes it.
      const { type, pid: backendPid, ...rest } = event;
      return { event: type, backendPid, ...rest };
    }
    default: {
      const { type, ...rest } = event;
      const {
        job,
        error,
        value: _value,
        result: _result,
        ...fields
      } = rest as typeof rest & {
        job?: { id: string; maxAttempts: number };
        error?: ErrorRecord;
        value?: unknown;
        result?: unknown;
      };
      if (job === undefined) return { event: type, ...fields, ...errorFields(error) };
      const { id, maxAttempts: _max, ...ref } = job;
      return { event: type, jobId: id, ...ref, ...fields, ...errorFields(error) };
    }
  }
}

function errorFields(error: ErrorRecord | undefined): object {
  return error === undefined ? {} : { err: { type: error.name, message: error.message, stack: error.stack } };
}

const MESSAGES: Readonly<Record<WorkerEvent["type"], string>> = {
  started: "worker started",
  claimed: "claimed jobs",
  "claim-failed": "claiming failed, trying again",
  "poll-failed": "polling failed, trying again",
  "attempt-started": "attempt started",
  progress: "progress",
  succeeded: "job succeeded",
  "retry-scheduled": "attempt failed, will be retried",
  snoozed: "job postponed by its handler",
  failed: "job failed for good",
  released: "job released, uncounted",
  "lease-lost": "claim lost, outcome not written",
  leaked: "attempt did not end when told to, or its outcome was not written",
  "leak-ended": "attempt that did not end when told to has ended after all",
  "claims-paused": "too many attempts that were given up still run, claiming no more until some end",
  "claims-resumed": "claiming again",
  "settle-failed": "writing outcomes failed, trying again",
  "progress-failed": "keeping progress failed, trying again",
  "publish-failed": "publishing events failed, trying again",
  "capacity-failed": "the app's capacity$ errored or said what is no capacity",
  cancelled: "job cancelled",
  "heartbeat-failed": "renewing the lease failed, trying again",
  "lease-expired": "lease ran out, starting anew",
  "lease-recovered": "recovered the jobs of dead workers",
  "recovery-failed": "recovering leases failed, trying again",
  "tidy-failed": "deleting expired results failed, trying again",
  "listen-lost": "LISTEN lost, polling goes on",
  "listen-restored": "LISTEN established",
  degraded: "an old snapshot keeps vacuum from removing dead rows, claiming becomes slower",
  restored: "the old snapshot is gone",
  "dispatch-failed": "the app's dispatch failed",
  "wakeup-failed": "the app's wakeup$, or its operator on wake-ups, errored and is out",
  "start-failed": "registering failed, trying again",
  draining: "shutting down, waiting for running attempts",
  drained: "drained",
  "drain-timed-out": "drain timeout passed, interrupting attempts",
  aborted: "worker aborted",
  "events-dropped": "a subscriber is too slow, events dropped",
  "worker-failed": "worker cannot go on, it has ended",
  exited: "worker exited",
};
