import { filter, firstValueFrom, lastValueFrom } from "rxjs";
import { PermanentError, createClient, payload } from "../../src/index.ts";
import type { Client, Job, PayloadSchema } from "../../src/index.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { atLeast, is } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import type { ChaosTest } from "../harness/test.ts";
import { until } from "../harness/wait.ts";

/** What a job does: returns its id, fails for good until it was retried, or waits until it is let go. */
type Task = "return" | "fail" | "wait";

const jobs: { readonly work: PayloadSchema<Task> } = { work: payload<Task>() };

const COUNT = 60;

/** Where numbers of JavaScript end to be exact, where the codec of events changes, and where ids end. */
const FIRST_IDS: readonly bigint[] = [
  2n ** 53n + 1n,
  2n ** 53n - BigInt(COUNT / 2),
  10n ** 15n - BigInt(COUNT / 2),
  2n ** 63n - 4n * BigInt(COUNT),
];

/** Compares ids, all of them as texts. */
class Comparison {
  compared = 0;
  inexact = 0;

  same(what: string, got: Iterable<string>, wanted: Iterable<string>): void {
    const [one, other] = [[...got].toSorted(), [...wanted].toSorted()];
    this.compared += other.length;
    if (one.join() === other.join()) return;
    this.inexact += 1;
    process.stderr.write(`T30: ${what}: ${one.slice(0, 5).join()} instead of ${other.slice(0, 5).join()}\n`);
  }
}

/** A client with a worker, and what it has seen. */
interface Mill {
  readonly client: Client<typeof jobs>;
  readonly database: ChaosDatabase;
  readonly comparison: Comparison;
  /** The ids that handlers were called with, in this order. */
  readonly called: string[];
  /** The ids of events by type, of the worker itself and as heard from the cluster. */
  readonly own: Map<string, string[]>;
  readonly heard: Map<string, string[]>;
  /** Jobs that wait, by id: calling lets them go. */
  readonly waiting: Map<string, () => void>;
}

/**
 * Jobs, and a worker, whose ids are no exact numbers of JavaScript: neighbours are the same number.
 *
 * The control takes the ids for numbers on the way, as JSON and many drivers do.
 */
export const t30: ChaosTest = {
  id: "T30",
  title: "ids above 2^53, and up to the last",
  ci: true,
  run: async ({ database: open }) => {
    const comparison = new Comparison();
    let control: Figures = {};
    for (const first of FIRST_IDS) {
      await using database = await open();
      await database.pool.query(`alter sequence millrace.job_ids restart with ${first}`);
      await database.pool.query(`alter table millrace.workers alter column id restart with ${first}`);
      await useAll(database, first, comparison);
      if (first === FIRST_IDS[0]) control = await rounded(database);
    }
    return {
      figures: { ranges: FIRST_IDS.length, compared: comparison.compared, inexact: comparison.inexact },
      rules: { compared: atLeast(FIRST_IDS.length * 5 * COUNT), inexact: is(0) },
      control,
      controlRules: { inexact: atLeast(1), wrongJobs: atLeast(1) },
    };
  },
};

async function useAll(database: ChaosDatabase, first: bigint, comparison: Comparison): Promise<void> {
  await using client = createClient({ connectionString: database.connectionString, jobs, logger: false });
  const mill: Mill = {
    client,
    database,
    comparison,
    called: [],
    own: new Map(),
    heard: new Map(),
    waiting: new Map(),
  };
  const ids = await enqueue(mill, first);
  await using _worker = await work(mill, ids);
  await ends(mill, ids);
  await failures(mill, ids);
  await cancelWaiting(mill);
  await cancelRunning(mill);
  await follow(mill);
}

/** By both ways, the ids in the order of the calls. Every third fails. */
async function enqueue({ client, comparison }: Mill, first: bigint): Promise<readonly string[]> {
  const tasks = Array.from({ length: COUNT }, (_, n): Task => (n % 3 === 0 ? "fail" : "return"));
  const options = { maxAttempts: 1, keepResultMs: 600_000 };
  const half = COUNT / 2;
  const one = await client.enqueueMany(
    tasks.slice(0, half).map((task) => ({ kind: "work", payload: task, ...options }) as const),
  );
  const other = await Promise.all(tasks.slice(half).map((task) => client.enqueue("work", task, options)));
  const ids = [...one, ...other];
  comparison.same(
    "enqueued",
    ids,
    Array.from(ids, (_, n) => String(first + BigInt(n))),
  );
  const key = { ...options, key: "the only one", delayMs: 600_000 };
  const { id } = await client.enqueueOnce("work", "return", key);
  comparison.same("key", [(await client.enqueueOnce("work", "return", key)).id], [id]);
  await client.cancel(id);
  await client.deleteFailed(id);
  return ids;
}

/** Starts the worker, once somebody listens. */
async function work(mill: Mill, ids: readonly string[]): Promise<AsyncDisposable> {
  const { client, called, own, heard, waiting, comparison } = mill;
  const event$ = client.events();
  const listening = firstValueFrom(event$.pipe(filter(({ type }) => type === "listening")));
  const hearing = event$.subscribe((event) => {
    if ("job" in event) note(heard, event.type, event.job.id);
  });
  await listening;
  const failedOnce = new Set<string>();
  const handle = (job: Job<"work", Task>): unknown => {
    called.push(job.id);
    if (job.payload === "wait") {
      return new Promise((resolve) => {
        waiting.set(job.id, () => resolve(job.id));
      });
    }
    if (job.payload === "return" || failedOnce.has(job.id)) return Promise.resolve(job.id);
    failedOnce.add(job.id);
    throw new PermanentError("not yet");
  };
  const watched = Promise.all(ids.map((id) => lastValueFrom(client.watch(id))));
  const worker = await client.spawnWorker({ concurrency: 20, abortGraceMs: 0, handlers: { work: handle } });
  worker.event$.subscribe((event) => {
    if ("job" in event) note(own, event.type, event.job.id);
  });
  const updates = await watched;
  comparison.same(
    "watched",
    updates.map(({ id }) => id),
    ids,
  );
  comparison.same(
    "snapshots",
    updates.flatMap(({ job }) => job?.id ?? []),
    ids,
  );
  return {
    [Symbol.asyncDispose]: async () => {
      for (const letGo of waiting.values()) letGo();
      await worker.shutdown();
      hearing.unsubscribe();
    },
  };
}

/** Claims, events here and from the cluster, and results. */
async function ends(
  { client, comparison, called, own, heard, database }: Mill,
  ids: readonly string[],
): Promise<void> {
  const failing = ids.filter((_, n) => n % 3 === 0);
  const succeeding = ids.filter((_, n) => n % 3 !== 0);
  const all = (): true | undefined =>
    [own, heard].every((map) => (map.get("succeeded")?.length ?? 0) >= succeeding.length) &&
    (heard.get("failed")?.length ?? 0) >= failing.length
      ? true
      : undefined;
  await until("all is told of", all, { timeoutMs: 5_000 }).catch(() => undefined);
  comparison.same("called", called, ids);
  for (const map of [own, heard]) {
    comparison.same("started", map.get("attempt-started") ?? [], ids);
    comparison.same("succeeded", map.get("succeeded") ?? [], succeeding);
    comparison.same("failed", map.get("failed") ?? [], failing);
  }
  for (const id of succeeding) comparison.same("result", [await client.result<string>(id)], [id]);
  const { rows } = await database.pool.query<{ id: string }>("select id::text from millrace.workers");
  const workers = await firstValueFrom(client.workers());
  comparison.same(
    "workers",
    workers.map(({ id }) => id),
    rows.map(({ id }) => id),
  );
}

/** One of the failed is retried and one deleted: that one, and none of its neighbours. */
async function failures({ client, comparison }: Mill, ids: readonly string[]): Promise<void> {
  const failing = ids.filter((_, n) => n % 3 === 0);
  const [retried = "0", deleted = "0", ...others] = failing;
  const listed = await client.listFailed();
  comparison.same(
    "listed",
    listed.map(({ id }) => id),
    failing,
  );
  await client.retryJob(retried);
  comparison.same("retried", [await client.result<string>(retried)], [retried]);
  await client.deleteFailed(deleted);
  const left = await client.listFailed();
  comparison.same(
    "left",
    left.map(({ id }) => id),
    others,
  );
}

/** Every second of those that wait for their time. */
async function cancelWaiting({ client, comparison, database }: Mill): Promise<void> {
  const later = { delayMs: 3_600_000 };
  const ids = await Promise.all(Array.from({ length: 20 }, () => client.enqueue("work", "return", later)));
  const wanted = ids.filter((_, n) => n % 2 === 0);
  const answers = await Promise.all(wanted.map((id) => client.cancel(id)));
  comparison.same(
    "cancelled",
    answers.flatMap(({ ended }) => ended),
    wanted,
  );
  const { rows } = await database.pool.query<{ id: string }>("select id::text from millrace.scheduled");
  comparison.same(
    "not cancelled",
    rows.map(({ id }) => id),
    ids.filter((id) => !wanted.includes(id)),
  );
}

/** One of three that run next to each other. */
async function cancelRunning({ client, comparison, waiting, own }: Mill): Promise<void> {
  const ids = await Promise.all(Array.from({ length: 3 }, () => client.enqueue("work", "wait")));
  await until("they run", () => (ids.every((id) => waiting.has(id)) ? true : undefined));
  const victim = ids[1] ?? "0";
  const { requested } = await client.cancel(victim);
  comparison.same("requested", requested, [victim]);
  await until("it is cancelled", () => own.get("cancelled")).catch(() => undefined);
  comparison.same("cancelled while running", own.get("cancelled") ?? [], [victim]);
  for (const id of ids) waiting.get(id)?.();
}

/** A child waits for the one of three neighbours that it names, whatever becomes of the others. */
async function follow({ client, comparison, waiting, database }: Mill): Promise<void> {
  const parents = await Promise.all(Array.from({ length: 3 }, () => client.enqueue("work", "wait")));
  const children = await Promise.all(
    parents.map((id) => client.enqueue("work", "return", { after: [id], keepResultMs: 600_000 })),
  );
  await until("they run", () => (parents.every((id) => waiting.has(id)) ? true : undefined));
  for (const at of [1, 0, 2]) {
    waiting.get(parents[at] ?? "0")?.();
    const child = children[at] ?? "0";
    comparison.same("child", [await client.result<string>(child)], [child]);
    const { rows } = await database.pool.query<{ id: string }>("select id::text from millrace.waiting");
    const left = children.filter((_, n) => (at === 1 ? n !== 1 : at === 0 && n === 2));
    comparison.same(
      "children that wait",
      rows.map(({ id }) => id),
      left,
    );
  }
}

/** Cancels jobs by their ids as numbers. */
async function rounded({ connectionString }: ChaosDatabase): Promise<Figures> {
  await using client = createClient({ connectionString, jobs, logger: false });
  const later = { delayMs: 3_600_000 };
  const ids = await Promise.all(Array.from({ length: 20 }, () => client.enqueue("work", "return", later)));
  const numbers = ids.map((id) => String(BigInt(Number(id))));
  const answers = await Promise.all(numbers.map((id) => client.cancel(id)));
  const wrong = answers.filter(({ ended }, n) => ended[0] !== ids[n]);
  return { inexact: numbers.filter((id, n) => id !== ids[n]).length, wrongJobs: wrong.length };
}

function note(map: Map<string, string[]>, type: string, id: string): void {
  map.set(type, [...(map.get(type) ?? []), id]);
}
