import {
  Subject,
  defer,
  distinctUntilChanged,
  filter,
  from,
  interval,
  ignoreElements,
  map,
  merge,
  of,
  share,
  switchMap,
  takeWhile,
  tap,
  timer,
} from "rxjs";
import type { Observable, ObservableInput } from "rxjs";
import type { JobSnapshot } from "../core/job.ts";
import { gatherMap } from "../rx/gather-map.ts";
import { retryBackoff } from "../rx/retry-backoff.ts";
import { isLast } from "./job-update.ts";
import type { JobEvent, JobUpdate } from "./job-update.ts";

/** What watching needs. */
export interface WatchSetup {
  /** Looks jobs up; those without a row are missing from the answer. */
  readonly find: (ids: readonly string[]) => ObservableInput<readonly JobSnapshot[]>;
  /** What is heard of jobs; anything else (such as a gap that ended) means: look again. Must not error. */
  readonly event$: Observable<JobEvent | "look">;
  /** Milliseconds between looks, for events can be lost. */
  readonly pollIntervalMs: number;
  /** Milliseconds before retry `n` of a look that failed, from 1. */
  readonly delayMs: (n: number) => number;
  /** Told of the first error of each time that the database cannot be reached. */
  readonly failed: (error: unknown) => void;
  /** Errors after which looking makes no sense. */
  readonly isFatal: (error: unknown) => boolean;
}

/** How long a job that lost its row is waited for to be told of, in milliseconds. */
const LAST_WORD_MS = 250;

/** The rows that one query found. */
interface Look {
  /** Counts the queries, so that it is known which events came before it. */
  readonly number: number;
  readonly ids: ReadonlySet<string>;
  readonly found: ReadonlyMap<string, JobSnapshot>;
}

/**
 * Watches single jobs: where each stands now, and again at each change. All that are watched at a
 * time share the events, the polls and the looks: while a query is under way, the next one gathers.
 *
 * ```text
 * event$    -----a------s---      a: attempt-started, s: succeeded
 * poll      x-------x-------x
 * look      p----c--c---d         p: pending, c: claimed, d: completed
 * result    p----c------(d|)
 * ```
 *
 * Each event leads to a look, so a state is never guessed: it is right however the watch races with
 * the job, and what was missed is made up for by the next poll. Completes after the end of the job;
 * errors only with what is fatal.
 */
export function watchJobs(setup: WatchSetup): (id: string) => Observable<JobUpdate> {
  const looks = sharedLooks(setup);
  return (id) =>
    defer(() => {
      const heard: { readonly event: JobEvent; readonly after: number }[] = [];
      let last: JobUpdate | undefined;
      let succeeded = false;
      /** It lost its row, and nothing has told why yet. */
      let lost: JobUpdate | undefined;

      const updateOf = (look: Look): JobUpdate => {
        const job = look.found.get(id);
        const events = heard.filter(({ after }) => after < look.number).map(({ event }) => event);
        if (job !== undefined) return { id, state: job.state, job, events };
        if (!succeeded) return { id, state: "gone", job: last?.job, events };
        const seen = last?.job === undefined ? undefined : ({ ...last.job, state: "completed" } as const);
        return { id, state: "completed", job: seen, events };
      };
      const trigger$ = merge(of("look" as const), looks.reason$.pipe(filter(isAbout(id)))).pipe(
        tap((reason) => {
          if (reason !== "look") heard.push({ event: reason, after: looks.begun() });
          if (reason !== "look" && reason.type === "succeeded") succeeded = true;
          looks.ask(id);
        }),
        ignoreElements(),
      );
      const update$ = looks.look$.pipe(
        filter(({ ids }) => ids.has(id)),
        map(updateOf),
        // Its success may be told a moment after its row is gone. Looks that find the same start no new wait.
        filter((update) => {
          const waits = lost !== undefined;
          lost = update.state === "gone" && last !== undefined ? update : undefined;
          return lost === undefined || !waits;
        }),
        switchMap((update) => (lost === undefined ? of(update) : later(() => lost ?? update))),
        distinctUntilChanged((a, b) => b.events.length === 0 && sameState(a, b)),
        tap((update) => {
          last = update;
          heard.splice(0, update.events.length);
        }),
      );
      return merge(update$, trigger$).pipe(takeWhile((update) => !isLast(update), true));
    });
}

/** What all that are watched at a time share. */
interface Looks {
  readonly look$: Observable<Look>;
  /** Reasons to look again: events of any job, and polls. */
  readonly reason$: Observable<JobEvent | "look">;
  /** Wants a look at a job. */
  readonly ask: (id: string) => void;
  /** The number of the last look that began. */
  readonly begun: () => number;
}

function sharedLooks(setup: WatchSetup): Looks {
  const wanted$ = new Subject<string>();
  let number = 0;
  const look$ = wanted$.pipe(
    gatherMap((wanted) =>
      defer(() => {
        const ids = new Set(wanted);
        number += 1;
        const own = number;
        return from(setup.find([...ids])).pipe(
          map((jobs): Look => ({ number: own, ids, found: new Map(jobs.map((job) => [job.id, job])) })),
        );
      }).pipe(
        retryBackoff({
          delayMs: setup.delayMs,
          fatal: setup.isFatal,
          report: (error, _, n) => void (n === 1 && setup.failed(error)),
        }),
        filter((look) => look !== undefined),
      ),
    ),
    share(),
  );
  const poll$ = interval(setup.pollIntervalMs).pipe(map(() => "look" as const));
  return {
    look$,
    reason$: merge(setup.event$, poll$).pipe(share()),
    ask: (id) => wanted$.next(id),
    begun: () => number,
  };
}

function later(update: () => JobUpdate): Observable<JobUpdate> {
  return timer(LAST_WORD_MS).pipe(map(update));
}

function isAbout(id: string): (event: JobEvent | "look") => boolean {
  return (event) => event === "look" || event.job.id === id;
}

function sameState(a: JobUpdate, b: JobUpdate): boolean {
  return a.state === b.state && JSON.stringify(a.job) === JSON.stringify(b.job);
}
