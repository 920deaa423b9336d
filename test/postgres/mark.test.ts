import { NEVER, ReplaySubject, delay, from, lastValueFrom, toArray } from "rxjs";
import type { ObservableInput } from "rxjs";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { NewJob } from "../../src/core/job.ts";
import type { Claim, Place } from "../../src/core/store-calls.ts";
import type { Store } from "../../src/core/store.ts";
import { statements } from "../../src/postgres/statements.ts";
import { enqueueIn } from "../../src/postgres/transaction.ts";
import { resolveSettings } from "../../src/settings.ts";
import type { Handler } from "../../src/stages/handler.ts";
import { workerStream } from "../../src/worker-stream.ts";
import { newJob } from "../contract/bench.ts";
import { gate } from "../support/client.ts";
import { usePostgres } from "../support/postgres.ts";

const database = usePostgres();

const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };

function ignore(): void {}

afterEach(() => {
  vi.restoreAllMocks();
});

/** How the early job, which has the lowest id, comes to stand before the mark. */
interface Way {
  /** Its options. */
  readonly early?: Partial<NewJob>;
  /** Whether its first attempt fails, once claims have passed its id. */
  readonly fails?: boolean;
  /** Puts the early job where no claim finds it, and answers with what brings it back. */
  readonly away: (store: Store, early: NewJob) => Promise<() => ObservableInput<unknown>>;
}

const WAYS: Readonly<Record<string, Way>> = {
  "a higher priority": {
    early: { priority: -1 },
    away: async (store, early) => () => store.enqueue([early]),
  },
  "an enqueue that commits late": { away: (_, early) => uncommitted(early) },
  "a commit from a server whose clock was ten minutes ahead": {
    away: (_, early) => uncommitted(early, 600),
  },
  "a commit from a server whose clock was ten minutes behind": {
    away: (_, early) => uncommitted(early, -600),
  },
  "a retry after its backoff": {
    early: { backoff: { initialMs: 1, maxMs: 1, factor: 1, jitter: 0 } },
    fails: true,
    away: enqueued,
  },
  "a retry by an operator": {
    early: { maxAttempts: 1 },
    away: async (store, early) => {
      const { workerId, claims } = await claimedByAnother(store, early);
      const error = { name: "JamError", message: "the stone is jammed" };
      const settlements = claims.map((claim) => ({ ...claim, outcome: { type: "failed", error } as const }));
      await last(store.settle(workerId, settlements));
      return () => store.retryJob(claims[0]?.id ?? "");
    },
  },
  "a release by another worker": {
    away: async (store, early) => {
      const { workerId, claims } = await claimedByAnother(store, early);
      const outcome = { type: "released", reason: "unstarted" } as const;
      const settlements = claims.map((claim) => ({ ...claim, outcome }));
      return () => store.settle(workerId, settlements);
    },
  },
  // Claims find it in any case, by the index of those that a worker died with.
  "a recovery from another worker": {
    away: async (store, early) => {
      const { workerId } = await claimedByAnother(store, early);
      return async () => {
        await database.pool.query(
          "update millrace.workers set lease_expires_at = clock_timestamp() where id = $1",
          [workerId],
        );
        await last(store.recover(100));
      };
    },
  },
};

/** A job that is there from the beginning. */
async function enqueued(store: Store, early: NewJob): Promise<() => Promise<void>> {
  await last(store.enqueue([early]));
  return () => Promise.resolve();
}

/** A job whose id is drawn now, and whose enqueue is committed later; so many seconds off. */
async function uncommitted(early: NewJob, offSeconds = 0): Promise<() => Promise<unknown>> {
  const client = await database.client();
  await client.query("begin");
  await enqueueIn(client, statements("millrace"), [early]);
  await client.query(
    `update millrace.pending set created_at = created_at + make_interval(secs => $1),
                                 run_at = run_at + make_interval(secs => $1)`,
    [offSeconds],
  );
  return () => client.query("commit");
}

/** Another worker claims the early job, and does not begin it. */
async function claimedByAnother(
  store: Store,
  early: NewJob,
): Promise<{ readonly workerId: string; readonly claims: readonly Claim[] }> {
  await last(store.enqueue([early]));
  const workerId = await last(
    store.register({ label: "other", queues: ["default"], leaseDurationMs: 60_000 }),
  );
  const ask = { queue: "default", kinds: ["mill"], limit: 1, startLimit: 0, started: [] };
  return { workerId, claims: await last(store.claim({ workerId, ...ask })) };
}

function last<T>(input: ObservableInput<T>): Promise<T> {
  return lastValueFrom(from(input));
}

interface Told {
  /** The places of the early jobs that succeeded. */
  readonly early: readonly Place[];
  /** Where the first claim began that began behind another job; then the early job came back. */
  readonly mark: Place | undefined;
}

/** Works in a queue that never runs dry until the early job, which stood before the mark, has been run. */
async function untilEarly({ early = {}, fails = false, away }: Way): Promise<Told> {
  const store = database.store();
  const back = await away(store, newJob({ source: "early", ...early }));
  await last(store.enqueue(Array.from({ length: 500 }, () => newJob())));
  let mark: Place | undefined;
  const isPassed = gate();
  const around: Store = {
    ...store,
    claim: (request) => {
      const { after } = request;
      // Claims from the first place take longer, as they do where they step over many dead rows.
      if (after === undefined) return from(store.claim(request)).pipe(delay(20));
      if (mark === undefined) void last(back()).then(() => isPassed.open());
      mark ??= after;
      return store.claim(request);
    },
  };
  const shutdown$ = new ReplaySubject<void>(1);
  let isToFail = fails;
  // Each job leaves another one behind it, until the early one is done.
  const handler: Handler = async ({ source }) => {
    if (source !== "early") await last(store.enqueue([newJob()]));
    else if (isToFail) {
      await isPassed.opened;
      isToFail = false;
      throw new Error("the first attempt");
    } else shutdown$.next();
  };
  const event$ = workerStream({
    store: around,
    settings: resolveSettings({ label: "test", concurrency: 2, pollIntervalMs: 60_000 }),
    kinds: ["mill"],
    maxAttempts: 3,
    notify$: NEVER,
    handlers: { handlerOf: () => handler, prepare: (job) => job, logOf: () => log },
    completeIn: () => Promise.resolve(false),
    shutdown$,
    abort$: NEVER,
    isFatal: () => true,
    random: () => 0,
  });
  const heard = await last(event$.pipe(toArray()));
  const ran = heard.flatMap((event) =>
    event.type === "succeeded" && event.job.source === "early" ? [event.job] : [],
  );
  return { early: ran.map(({ id }) => ({ id, priority: early.priority ?? 0 })), mark };
}

describe("a job before the mark, in a queue that never runs dry", () => {
  it.each(Object.entries(WAYS))("begins after %s", async (_, way) => {
    expectEarlyOnce(await untilEarly(way));
  });

  it.each([-600_000, 600_000])("begins after the date of the machine was moved by %s ms", async (byMs) => {
    const away: Way["away"] = async (_, early) => {
      const commit = await uncommitted(early);
      return () => {
        vi.spyOn(Date, "now").mockImplementation(() => performance.timeOrigin + performance.now() + byMs);
        return commit();
      };
    };
    expectEarlyOnce(await untilEarly({ away }));
  });
});

/** The early job succeeded once, and it had stood before the mark. */
function expectEarlyOnce({ early, mark }: Told): void {
  expect(early).toEqual([expect.toSatisfy((job: Place) => mark !== undefined && isBefore(job, mark))]);
}

function isBefore(one: Place, other: Place): boolean {
  return one.priority === other.priority ? BigInt(one.id) < BigInt(other.id) : one.priority < other.priority;
}
