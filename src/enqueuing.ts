import { defer, firstValueFrom, from, map, tap } from "rxjs";
import type { Observable, Subject } from "rxjs";
import type { Arrival, DueHint } from "./core/arrival.ts";
import type { NewJob } from "./core/job.ts";
import { isLinked, jobParts } from "./core/parts.ts";
import type { JobSchemas, KindOf, PayloadInput } from "./core/schema.ts";
import type { Enqueued, Entered } from "./core/store-calls.ts";
import type { Store } from "./core/store.ts";
import { OptionError, UnknownParentError, expected } from "./core/errors.ts";
import { enqueueEachOf } from "./enqueue-each-of.ts";
import type { EnqueueEach } from "./enqueue-each-of.ts";
import { newJob, newJobs } from "./enqueue.ts";
import type { EnqueueDefaults } from "./enqueue.ts";
import { checkedKeyed, checkedOptions, checkSpecs, checkTransaction } from "./job-options.ts";
import type { EnqueueTarget, JobOptions, JobSpec, KeyedOptions } from "./job-options.ts";
import { arrivalsOf, hintsOf } from "./hints.ts";
import { arrayLiteral } from "./postgres/array-literal.ts";
import { channelOf, hintText } from "./postgres/channel.ts";
import type { Hint } from "./postgres/channel.ts";
import type { Run } from "./postgres/database.ts";
import { statements } from "./postgres/statements.ts";
import { enqueueIn, notifyIn } from "./postgres/transaction.ts";
import { gathered } from "./rx/gathered.ts";
import { macrotask$ } from "./rx/macrotask.ts";

/** The calls of a client that write jobs. */
export interface EnqueueCalls<Jobs extends JobSchemas> {
  /**
   * Writes a job and resolves to its id when it is durable. Calls of the same moment share one
   * insert, but for those with a `key` or `after`, which share another. With `tx`, it is written in that transaction.
   *
   * @throws OptionError, PayloadError before anything is written; ClosedError after `close()`.
   */
  readonly enqueue: <Kind extends KindOf<Jobs>>(
    kind: Kind,
    payload: PayloadInput<Jobs[Kind]>,
    options?: JobOptions & EnqueueTarget,
  ) => Promise<string>;

  /**
   * Does the same for a job with a `key`, and tells whether it was written or a job of that key was
   * there, of which it resolves to the id.
   *
   * @throws OptionError, PayloadError before anything is written; ClosedError after `close()`.
   */
  readonly enqueueOnce: <Kind extends KindOf<Jobs>>(
    kind: Kind,
    payload: PayloadInput<Jobs[Kind]>,
    options: KeyedOptions & EnqueueTarget,
  ) => Promise<Enqueued>;

  /**
   * Writes many jobs, all or none, and resolves to their ids in the same order: of a job whose `key`
   * another one has, to the id of that one.
   */
  readonly enqueueMany: (
    jobs: readonly JobSpec<Jobs>[],
    target?: EnqueueTarget,
  ) => Promise<readonly string[]>;

  /**
   * Writes a job for each value of a source and emits their ids, in its order: as an operator,
   * `source$.pipe(client.enqueueEach(kind, …))`, or of an iterable, async or not, which is then read
   * no faster than Postgres writes: `client.enqueueEach(kind, …)(rows)`. One insert is in flight,
   * and what comes meanwhile is the next. Errors with an `EnqueueError`.
   *
   * @throws OptionError at the call; ClosedError after `close()`.
   */
  readonly enqueueEach: EnqueueEach<Jobs>;
}

/** What enqueueing runs on. */
export interface EnqueueSetup {
  readonly store: Store;
  /** Runs the statements that the store does not know: notifications. */
  readonly run: Run;
  readonly schema: string;
  /** What notifications name as their sender, for workers that `local$` reaches. */
  readonly sender: string;
  readonly defaults: EnqueueDefaults;
  /** Where workers of this process hear of new jobs. */
  readonly local$: Subject<Arrival | DueHint>;
  /** Throws when the client is closed. */
  readonly open: () => void;
}

/** The calls, and how to wait until what they began is written. */
export interface EnqueueParts<Jobs extends JobSchemas> {
  readonly calls: EnqueueCalls<Jobs>;
  readonly idle: () => Promise<void>;
}

/** The ways into the store, for jobs that are checked. */
interface Writing {
  /** Writes one job, with all that come at the same moment, or in a transaction of the app's. */
  readonly one: (tx: unknown, job: NewJob) => Promise<Entered>;
  /** Writes many jobs, all or none, once for each subscription. */
  readonly all: (jobs: readonly NewJob[]) => Observable<readonly Entered[]>;
  /** Writes many jobs, all or none, in a transaction of the app's where there is one. */
  readonly many: (tx: unknown, jobs: readonly NewJob[]) => Promise<readonly Entered[]>;
  readonly idle: () => Promise<void>;
}

/**
 * Makes the calls that write jobs. What they wrote is told to the workers of this process at once,
 * and to all others by one notification after the commit.
 */
export function enqueuing<Jobs extends JobSchemas>(setup: EnqueueSetup): EnqueueParts<Jobs> {
  const { defaults, open } = setup;
  const write = writing(setup);
  const begun = new Set<Promise<unknown>>();
  /** Begins a call that closing waits for, from here on: its payload may take a while to be checked. */
  const begin = async <T>(call: () => Promise<T>): Promise<T> => {
    open();
    const answer = call();
    begun.add(answer);
    try {
      return await answer;
    } finally {
      begun.delete(answer);
    }
  };
  const calls: EnqueueCalls<Jobs> = {
    enqueue: (kind, payload, given = {}) =>
      begin(async () => {
        const { tx, ...options } = checkedOptions(given);
        return (await write.one(tx, await newJob(defaults, kind, payload, options))).id;
      }),
    enqueueOnce: (kind, payload, given) =>
      begin(async () => {
        const { tx, ...options } = checkedKeyed(given);
        const { id, inserted } = await write.one(tx, await newJob(defaults, kind, payload, options));
        return { id, inserted };
      }),
    enqueueMany: (jobs, target = {}) =>
      begin(async () => {
        checkSpecs(jobs, target);
        const checked = await newJobs(defaults, jobs);
        if (checked.length === 0) return [];
        return idsOf(await write.many(target.tx, checked));
      }),
    enqueueEach: enqueueEachOf({ defaults, write: (jobs) => write.all(jobs).pipe(map(idsOf)), open }),
  };
  const idle = async (): Promise<void> => {
    await Promise.allSettled(begun);
    await write.idle();
  };
  return { calls, idle };
}

function writing({ store, run, schema, sender, local$ }: EnqueueSetup): Writing {
  const sql = statements(schema);
  const notified = gathered<readonly Hint[], void>((gathering) =>
    defer(() => {
      const texts = new Set(gathering.flat().map(hintText));
      return run(sql.notify, [channelOf(schema), arrayLiteral([...texts])]);
    }).pipe(map(() => [])),
  );
  const tell = (hints: readonly Hint[]): void => {
    for (const arrival of arrivalsOf(hints)) local$.next(arrival);
    // A hint: when it cannot be sent, polling finds the jobs.
    if (hints.length > 0) notified.call(hints.map((hint) => ({ ...hint, sender }))).catch(() => undefined);
  };
  const write = (jobs: readonly NewJob[]): Observable<readonly Entered[]> =>
    defer(() => from(store.enqueue(jobs))).pipe(tap((answers) => tell(hintsOf(jobs, answers))));
  const written = gathered<NewJob, Entered>(write, jobParts, macrotask$);
  /** Apart from the others, for their write may wait for somebody else's transaction. */
  const linked = gathered<NewJob, Entered>(write, jobParts, macrotask$);
  /** One that names an unknown parent is refused with all that it is written with: those are written again. */
  const writeLinked = async (job: NewJob): Promise<Entered> => {
    try {
      return await linked.call(job);
    } catch (error) {
      if (error instanceof UnknownParentError && !job.after.includes(error.parentId)) return writeLinked(job);
      throw error;
    }
  };
  const writeIn = async (tx: unknown, jobs: readonly NewJob[]): Promise<readonly Entered[]> => {
    checkTransaction(tx);
    const answers = await enqueueIn(tx, sql, jobs);
    await notifyIn(tx, sql, { schema, hints: hintsOf(jobs, answers) });
    return answers;
  };
  return {
    one: async (tx, job) => {
      if (tx === undefined) return isLinked(job) ? writeLinked(job) : written.call(job);
      const [answer] = await writeIn(tx, [job]);
      if (answer === undefined) {
        throw new OptionError(expected("tx", "a transaction whose query answers with rows", tx));
      }
      return answer;
    },
    all: write,
    many: (tx, jobs) => (tx === undefined ? firstValueFrom(write(jobs)) : writeIn(tx, jobs)),
    idle: async () => {
      await written.idle();
      await linked.idle();
      await notified.idle();
    },
  };
}

/** The ids of the jobs that stand, in the order of what was given. */
function idsOf(answers: readonly Enqueued[]): readonly string[] {
  return answers.map(({ id }) => id);
}
