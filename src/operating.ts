import { Subject, firstValueFrom, from } from "rxjs";
import type { Observable } from "rxjs";
import { checkOptions, checkReason, integer, rule } from "./core/check.ts";
import type { Rule } from "./core/check.ts";
import { OptionError, expected } from "./core/errors.ts";
import type { CancelFilter, FailedJob } from "./core/job.ts";
import { checkName } from "./core/schema.ts";
import type { JobSchemas, KindOf } from "./core/schema.ts";
import type { Store } from "./core/store.ts";
import { checkId } from "./job-options.ts";
import { checkKinds } from "./handlers.ts";

/** Which jobs: those that match every member that is given, of which there is at least one. */
export interface JobFilter<Kind extends string = string> {
  /** Jobs of this kind. */
  readonly kind?: Kind | undefined;
  /** Jobs in this queue. */
  readonly queue?: string | undefined;
  /** Jobs about this record. */
  readonly source?: string | undefined;
}

/** What a cancellation came to. */
export interface CancelResult {
  /** The ids of the jobs that had not begun: they are among the failed now, marked as cancelled. */
  readonly ended: readonly string[];
  /** The ids of those that run: their workers were told, and tell how they end. */
  readonly requested: readonly string[];
}

/** The calls of a client for operators. */
export interface OperatorCalls<Jobs extends JobSchemas> {
  /** The newest failed jobs, newest first, without payloads. `limit` from 1 to 10,000, default 100. */
  readonly listFailed: (limit?: number) => Promise<readonly FailedJob[]>;

  /** Makes a failed job pending, with all its attempts again; `false` when it is not failed. */
  readonly retryJob: (id: string) => Promise<boolean>;

  /**
   * Does that for all failed jobs, or those of a kind; `dryRun` only counts them. Cancelled jobs are
   * left alone.
   *
   * @throws OptionError, also for a kind that the client does not know.
   */
  readonly bulkRetry: (
    kind?: KindOf<Jobs>,
    options?: { readonly dryRun?: boolean | undefined },
  ) => Promise<number>;

  /** Deletes a failed job; `false` when it is not failed. Jobs that waited for it may then run. */
  readonly deleteFailed: (id: string) => Promise<boolean>;

  /** How many jobs may run now. Counts them: not for a loop. */
  readonly pendingCount: () => Promise<number>;

  /**
   * Cancels one job by its id, or all that match a filter. Those that nobody runs are among the
   * failed at once, marked as cancelled. Those that run, in any process, have their signal aborted
   * with a `CancelledError` and end there, uncounted. A job that has ended is left alone.
   *
   * @param reason What is told of it, 1 to 1,000 characters. Default `"cancelled"`.
   * @throws OptionError, also for a filter without any member.
   */
  readonly cancel: (which: string | JobFilter<KindOf<Jobs>>, reason?: string) => Promise<CancelResult>;
}

/** What operating runs on. */
export interface OperatorSetup {
  readonly store: Store;
  readonly jobs: JobSchemas;
  /** Tells the workers of this process that jobs of these queues may run. */
  readonly wake: (queues: readonly string[]) => void;
  /** Throws when the client is closed. */
  readonly open: () => void;
}

/** The calls, and what they changed. */
export interface Operating<Jobs extends JobSchemas> {
  readonly calls: OperatorCalls<Jobs>;
  /** Emits after each call that changed jobs. */
  readonly changed$: Observable<unknown>;
}

const BULK_RULES: Readonly<Record<string, Rule>> = {
  dryRun: rule("true or false", (value) => typeof value === "boolean"),
};

const TEXT = rule("a text", (value) => typeof value === "string");

const FILTER_RULES: Readonly<Record<keyof JobFilter, Rule>> = { kind: TEXT, queue: TEXT, source: TEXT };

const LIST_LIMIT = integer(1, 10_000);

/**
 * Checks how many jobs a list is to have.
 *
 * @throws OptionError
 */
export function checkLimit(limit: unknown): void {
  if (!LIST_LIMIT.holds(limit)) throw new OptionError(expected("limit", LIST_LIMIT.is, limit));
}

/** Makes the calls for operators. */
export function operating<Jobs extends JobSchemas>(setup: OperatorSetup): Operating<Jobs> {
  const { store, jobs, wake, open } = setup;
  const changed$ = new Subject<void>();
  const changed = <T>(answer: T): T => {
    changed$.next();
    return answer;
  };
  const calls: OperatorCalls<Jobs> = {
    listFailed: async (limit = 100) => {
      open();
      checkLimit(limit);
      return firstValueFrom(from(store.listFailed(limit)));
    },
    retryJob: async (id) => {
      open();
      checkId(id);
      return changed(await firstValueFrom(from(store.retryJob(id))));
    },
    bulkRetry: async (kind, given = {}) => {
      open();
      if (kind !== undefined) checkKinds(jobs, [kind]);
      checkOptions("bulkRetry options", given, BULK_RULES);
      return changed(await firstValueFrom(from(store.bulkRetry(kind, { dryRun: given.dryRun ?? false }))));
    },
    deleteFailed: async (id) => {
      open();
      checkId(id);
      return changed(await firstValueFrom(from(store.deleteFailed(id))));
    },
    pendingCount: async () => {
      open();
      return firstValueFrom(from(store.pendingCount()));
    },
    cancel: async (which, reason = "cancelled") => {
      open();
      const filter = cancelFilter(jobs, which);
      checkReason(reason);
      const { ended, requested, readyQueues } = await firstValueFrom(from(store.cancel(filter, reason)));
      if (readyQueues.length > 0) wake(readyQueues);
      return changed({ ended: ended.map(({ id }) => id), requested: requested.map(({ id }) => id) });
    },
  };
  return { calls, changed$ };
}

/** A filter that names nothing would cancel everything: that is refused. */
function cancelFilter(jobs: JobSchemas, which: unknown): CancelFilter {
  if (typeof which === "string") {
    checkId(which);
    return { ids: [which] };
  }
  checkOptions("cancel filter", which, FILTER_RULES);
  const filter = which as JobFilter;
  if (Object.values(filter).every((value) => value === undefined)) {
    throw new OptionError("Expected the cancel filter to have `kind`, `queue` or `source`, got none of them");
  }
  if (filter.kind !== undefined) checkKinds(jobs, [filter.kind]);
  // Texts that Postgres refuses, and those that match nothing.
  if (filter.queue !== undefined) checkName("queue", filter.queue);
  if (filter.source !== undefined) checkName("source", filter.source);
  return filter;
}
