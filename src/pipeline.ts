import {
  ReplaySubject,
  Subject,
  connect,
  defer,
  delayWhen,
  filter,
  ignoreElements,
  merge,
  takeUntil,
  tap,
  timer,
} from "rxjs";
import type { MonoTypeOperatorFunction, Observable, OperatorFunction } from "rxjs";
import { isReport, wakes } from "./core/arrival.ts";
import type { Arrival, WakeUp } from "./core/arrival.ts";
import type { InterruptReason } from "./core/errors.ts";
import type { Interrupt } from "./core/interrupt.ts";
import type { WorkerEvent } from "./core/events.ts";
import type { ClaimedJob } from "./core/job.ts";
import type { Ended, Progressed } from "./core/outcome.ts";
import { interrupts } from "./stages/interrupts.ts";
import { branch } from "./rx/branch.ts";
import { withCompanion } from "./rx/with-companion.ts";
import type { Step } from "./stages/attempt.ts";
import { drain } from "./stages/drain.ts";
import { lane } from "./stages/lane.ts";
import type { LaneSetup } from "./stages/lane.ts";
import type { ProgressSetup } from "./stages/progress.ts";

/** What the pipeline is made of. It is given all of it, and knows neither Postgres nor pino. */
export interface Stages {
  /** Poll ticks and due jobs: `stages/poll.ts`. */
  readonly poll$: Observable<Arrival>;
  /** LISTEN/NOTIFY, and what this process enqueues itself. */
  readonly notify$: Observable<Arrival>;
  /** Leases that ran out: `stages/recover.ts`. */
  readonly recovered$: Observable<Arrival>;
  /** Wake-ups of the app. */
  readonly user$: Observable<Arrival>;
  /** An operator on the wake-ups of each queue. */
  readonly wakeup: MonoTypeOperatorFunction<WakeUp>;
  /** One a queue. */
  readonly lanes: readonly { readonly queue: string; readonly concurrency: number }[];
  /** How many jobs a lane may claim ahead at most. From 0. */
  readonly prefetchLimit: number;
  /** Claims for a lane: `stages/claim.ts`. Must not error. */
  readonly claim: LaneSetup["claim"];
  /** Gets jobs from their claim to their attempts. */
  readonly dispatch: LaneSetup["dispatch"];
  /** Whether the lease stands, as far as the clock tells: see `LaneSetup`. Default: always. */
  readonly leaseStands?: () => boolean;
  /** Runs one attempt; must not error. */
  readonly attempt: (
    job: ClaimedJob,
    interrupt$: Observable<Interrupt>,
    isOrdered?: boolean,
  ) => Observable<Step>;
  /** Orders to end single attempts: somebody cancelled the job. */
  readonly cancel$: Observable<Interrupt>;
  /** How many attempts of a queue may run at once, at most its concurrency. Must not error. */
  readonly capacity$: Observable<number>;
  /** Reports and keeps progress. */
  readonly progress: (
    setup: Pick<ProgressSetup, "running" | "interrupt">,
  ) => OperatorFunction<Progressed, WorkerEvent>;
  /** Writes outcomes, until `giveUp$` emits. */
  readonly settle: (giveUp$: Observable<unknown>) => OperatorFunction<Ended, Arrival>;
  /** Gives back what was claimed and did not begin, until `giveUp$` emits. */
  readonly release: (giveUp$: Observable<unknown>) => LaneSetup["release"];
  /** Emits once, and again to late subscribers: claim no more, let run what runs. */
  readonly shutdown$: Observable<unknown>;
  /**
   * Takes and gives the reason to end what runs: `lease-lost` and `aborted` come from outside,
   * `shutdown` from the drain timeout. For an attempt the first reason stays.
   */
  readonly interrupt$: ReplaySubject<InterruptReason>;
  /** Milliseconds that running attempts get to finish after `shutdown$`. */
  readonly drainTimeoutMs: number;
  /**
   * How long interrupted attempts are waited for, in milliseconds; their outcomes get as long again.
   * After `aborted` only outcomes are waited for, whatever came before.
   */
  readonly graceMs: number;
}

/**
 * The stream from wake-ups to settled jobs.
 *
 * ```text
 * poll$      p-------p-------p------   the floor: every pollIntervalMs, and when a job is due
 * notify$    ---n-n------------------  a hint: losing one costs latency, never a job
 * recovered$ ------------r----------   leases that ran out were given back
 * user$      -----u------------------  whatever else the app knows
 * freed$     ------f--f----f--------   a slot came free and more work may wait
 *   merge → takeUntil(stop$) → claim   (one in flight, only for free slots)
 * job$       -a-bc---d--------------
 *   mergeMap(attempt, concurrency)     `stages/lane.ts`: one lane a queue, from claim to here
 * ended$     ----A-B--C---D---------
 *   settle                             (batched while the last write is in flight, fenced)
 * event$     -·-·-·-·-·-·-·-·-·-·-|    everything above, as one typed stream
 *   drain                              a timeout on the completion of what runs after stop$
 * ```
 *
 * Completes when, after a shutdown or an interruption, all that ran has ended. Never errors by
 * itself.
 */
export function pipeline(stages: Stages): Observable<WorkerEvent> {
  return defer(() => {
    const { interrupt$, shutdown$, graceMs } = stages;
    const running = new Set<ClaimedJob>();
    const giveUp$ = new ReplaySubject<InterruptReason>(1);
    const ready$ = new Subject<Arrival>();
    const stop$ = merge(shutdown$, interrupt$);
    const release = stages.release(giveUp$);
    // Jobs that a claim brings after that are left to the lease.
    const claim: LaneSetup["claim"] = (...wanted) => stages.claim(...wanted).pipe(takeUntil(giveUp$));
    const orders = interrupts();

    const attempt = (job: ClaimedJob): Observable<Step> =>
      stages.attempt(job, orders.of(job), orders.has(job));
    const progress = stages.progress({ running, interrupt: orders.give });

    return merge(stages.poll$, stages.notify$, stages.recovered$, stages.user$, ready$).pipe(
      takeUntil(stop$),
      connect((arrival$) => {
        const lanes = stages.lanes.map(({ queue, concurrency }) =>
          arrival$.pipe(
            filter(wakes(queue)),
            stages.wakeup,
            lane({ ...stages, queue, concurrency, claim, attempt, running, release, stop$ }),
          ),
        );
        const settled$ = merge(...lanes).pipe(
          branch(isProgressed, progress),
          branch(isEnded, stages.settle(giveUp$)),
        );
        const work$ = settled$.pipe(
          // Children of settled jobs became ready: back to the lanes.
          tap((arrival) => arrival.type === "wake-up" && ready$.next(arrival)),
          filter(isReport),
          drain({
            shutdown$,
            running,
            drainTimeoutMs: stages.drainTimeoutMs,
            interrupt: (reason) => interrupt$.next(reason),
          }),
          withCompanion(
            merge(
              stages.cancel$.pipe(tap(orders.give)),
              waitedFor(interrupt$, graceMs).pipe(tap(giveUp$)),
            ).pipe(ignoreElements()),
          ),
        );
        // Last: lanes hear first that they are to claim no more, then attempts that they are to end.
        const given$ = interrupt$.pipe(tap((reason) => orders.give({ reason })));
        return merge(arrival$.pipe(filter(isReport)), work$).pipe(
          withCompanion(given$.pipe(ignoreElements()), "last"),
        );
      }),
    );
  });
}

/** Emits when what an interruption left to be written has been waited for. */
function waitedFor(interrupt$: Observable<InterruptReason>, graceMs: number): Observable<InterruptReason> {
  return interrupt$.pipe(delayWhen((reason) => timer(reason === "aborted" ? graceMs : 2 * graceMs)));
}

function isEnded(step: WorkerEvent | Ended): step is Ended {
  return step.type === "ended";
}

function isProgressed(step: Step): step is Progressed {
  return step.type === "progressed";
}
