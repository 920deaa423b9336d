/**
 * A process that drains jobs while others listen to its events, and tells how fast it was with and
 * without them. Run, compiled, as `node --expose-gc subscribers.js JSON`.
 */
import { pino } from "pino";
import { Subject } from "rxjs";
import type { Observable } from "rxjs";
import { createClient } from "../../src/index.ts";
import type { Client } from "../../src/index.ts";
import { until } from "../harness/wait.ts";
import { jobs } from "../harness/work.ts";
import { HOSTILE, listen } from "./hostile-subscribers.ts";
import type { Listener, Told } from "./hostile-subscribers.ts";

/** What the process is told on its command line. */
export interface SubscribersOrder {
  readonly connectionString: string;
  /** Jobs of a round. */
  readonly jobs: number;
  /** Rounds of each sort. */
  readonly rounds: number;
  /** How many subscribers listen in a round of many. */
  readonly many: number;
}

/** What the rounds came to. */
export interface SubscribersFigures {
  /** Median of the rounds in which nobody listened but the app's own two subscribers, which only count. */
  readonly jobsASecond: number;
  /**
   * The rate with one of each sort on each of the two streams, in percent of that of the round before,
   * in which nobody did. The median.
   */
  readonly fewPercent: number;
  /** The same with many of them. */
  readonly manyPercent: number;
  /** Events that subscribers were told to have missed. */
  readonly dropped: number;
  /** Events that a subscriber was neither told of nor told to have missed. */
  readonly uncounted: number;
  /** What subscribers threw, as it was logged. */
  readonly thrown: number;
  /** How much more was on the heap, at most, when a round was done and its subscribers were not, in bytes. */
  readonly heapHeld: number;
  /** How much more there was after the last round than after the first, in bytes. */
  readonly heapGrowth: number;
  /** Rounds that did not drain, or in which the lease was lost. */
  readonly badRounds: number;
  /** The rate where who emits tells subscribers himself, in percent of `jobsASecond`. */
  readonly unprotectedPercent: number;
}

/** Its last and only word. */
export interface SubscribersSaid {
  readonly said: "result";
  readonly figures: SubscribersFigures;
}

type Sort = "none" | "few" | "many";

/** What a round needs. */
interface Setting {
  readonly client: Client<typeof jobs>;
  readonly order: SubscribersOrder;
  /** The app's own subscriber to the events of the cluster. */
  readonly own: Listener;
  readonly sort: Sort;
}

interface Round {
  readonly sort: Sort;
  readonly rate: number;
  readonly heapHeld: number;
  readonly heapAfter: number;
  readonly dropped: number;
  readonly uncounted: number;
  readonly isBad: boolean;
}

/** What becomes of jobs that a worker drains. */
interface Drain {
  readonly client: Client<typeof jobs>;
  readonly count: number;
  /** Called with the events of the worker before its first job. */
  readonly started: (event$: Observable<Told>) => void;
  /** Called by each job. */
  readonly each?: () => void;
}

const SORTS: readonly Sort[] = ["none", "few", "many"];
const CONCURRENCY = 50;
const LEASE_MS = 5_000;

/** Where nothing stands between, each job takes as long as a subscriber that blocks. */
const UNPROTECTED_JOBS = 20;

/** So long it may take until all have heard of everything, once they only count. */
const HEAR_MS = 10_000;

function heap(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

/** Drains so many trivial jobs: how many a second, from the first to the end of the worker. */
async function drain({
  client,
  count,
  started,
  each,
}: Drain): Promise<{ readonly rate: number; readonly isBad: boolean }> {
  const work = { kind: "work", payload: { deed: "return" } } as const;
  await client.enqueueMany(Array.from({ length: count }, () => work));
  let done = 0;
  let from = 0;
  let isBad = false;
  const worker = await client.spawnWorker({
    concurrency: CONCURRENCY,
    leaseDurationMs: LEASE_MS,
    handlers: {
      work: () => {
        if (done === 0) from = performance.now();
        done += 1;
        each?.();
      },
    },
  });
  worker.event$.subscribe(({ type }) => (isBad ||= type === "lease-expired"));
  started(worker.event$);
  await until("all jobs ran", () => (done >= count ? true : undefined), { everyMs: 2 });
  const { outcome } = await worker.shutdown();
  return { rate: (count * 1_000) / (performance.now() - from), isBad: isBad || outcome !== "drained" };
}

async function round({ client, order, own, sort }: Setting): Promise<Round> {
  const before = heap();
  const ownBefore = own.total();
  const mine: Listener[] = [];
  const here: Listener[] = [];
  const there: Listener[] = [];
  const { rate, isBad } = await drain({
    client,
    count: order.jobs,
    started: (event$) => {
      mine.push(listen(event$, "counts"));
      here.push(...attach(sort, event$, order.many / 2));
      there.push(...attach(sort, client.events(), order.many / 2));
    },
  });
  const heapHeld = heap() - before;
  const [locals, remotes] = [representatives(here), representatives(there)];
  await allHeard([...mine, own, ...locals, ...remotes]);
  const told = mine[0]?.total() ?? 0;
  const toldByAll = own.total() - ownBefore;
  const dropped = [...mine, ...locals, ...remotes].reduce((sum, { missed }) => sum + missed(), 0);
  for (const { leave } of [...mine, ...locals, ...remotes]) leave();
  return {
    sort,
    rate,
    isBad,
    heapHeld,
    dropped,
    uncounted:
      // Of each job its begin and its end are told.
      Math.max(0, 2 * order.jobs - told) +
      Math.max(0, 2 * order.jobs - toldByAll) +
      locals.reduce((sum, { total }) => sum + Math.abs(total() - told), 0) +
      remotes.reduce((sum, { total }) => sum + Math.abs(total() - toldByAll), 0),
    heapAfter: heap(),
  };
}

/** Those that listen to one of the streams in such a round. */
function attach(sort: Sort, event$: Observable<Told>, many: number): readonly Listener[] {
  const count = { none: 0, few: HOSTILE.length, many }[sort];
  return Array.from({ length: count }, (_, n) => listen(event$, HOSTILE[n % HOSTILE.length] ?? "counts"));
}

/** Lets go all but the first of each sort whose events can be counted, and calms these. */
function representatives(listeners: readonly Listener[]): readonly Listener[] {
  const kept = new Map<string, Listener>();
  for (const listener of listeners) {
    if (listener.behaviour === "leaves" || kept.has(listener.behaviour)) listener.leave();
    else kept.set(listener.behaviour, listener);
  }
  for (const { calm } of kept.values()) calm();
  return [...kept.values()];
}

/** Resolves when all were told of the end of the worker, or it is plain that they will not be. */
async function allHeard(listeners: readonly Listener[]): Promise<void> {
  const ended = (): true | undefined =>
    listeners.every(({ last }) => last() === "exited") ? true : undefined;
  await until("all have heard", ended, { timeoutMs: HEAR_MS }).catch(() => undefined);
}

/** The rate where who emits tells subscribers himself. RxJS would end the process for one that throws. */
async function unprotected(client: Client<typeof jobs>): Promise<number> {
  const event$ = new Subject<Told>();
  const { rate } = await drain({
    client,
    count: UNPROTECTED_JOBS,
    started: () => {
      listen(event$, "blocks");
    },
    each: () => event$.next({ type: "drained" }),
  });
  return rate;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = [sorted[(values.length - 1) >> 1], sorted[values.length >> 1]];
  return middle.reduce<number>((sum, value) => sum + (value ?? 0) / 2, 0);
}

async function main(order: SubscribersOrder): Promise<void> {
  let thrown = 0;
  const logger = pino({ level: "error" }, { write: () => void (thrown += 1) });
  await using client = createClient({ connectionString: order.connectionString, jobs, logger });
  const own = listen(client.events(), "counts");
  const setting = { client, order, own };
  // The first of a process is slower than all others.
  const first = await round({ ...setting, sort: "none" });
  const rounds: Round[] = [];
  for (let n = 0; n < order.rounds; n += 1)
    for (const sort of SORTS) rounds.push(await round({ ...setting, sort }));
  own.leave();
  const ratesOf = (wanted: Sort): readonly number[] =>
    rounds.filter(({ sort }) => sort === wanted).map(({ rate }) => rate);
  const none = ratesOf("none");
  const percentOf = (sort: Sort): number =>
    median(ratesOf(sort).map((rate, n) => (rate * 100) / (none[n] ?? 0)));
  const sum = (of: (one: Round) => number): number => rounds.reduce((total, one) => total + of(one), 0);
  const jobsASecond = median(none);
  const figures: SubscribersFigures = {
    jobsASecond,
    fewPercent: percentOf("few"),
    manyPercent: percentOf("many"),
    dropped: sum(({ dropped }) => dropped),
    uncounted: sum(({ uncounted }) => uncounted),
    thrown,
    heapHeld: Math.max(...rounds.map(({ heapHeld }) => heapHeld)),
    heapGrowth: (rounds.at(-1)?.heapAfter ?? Infinity) - first.heapAfter,
    badRounds: rounds.filter(({ isBad }) => isBad).length,
    unprotectedPercent: ((await unprotected(client)) * 100) / jobsASecond,
  };
  process.stdout.write(`${JSON.stringify({ said: "result", figures } satisfies SubscribersSaid)}\n`);
}

await main(JSON.parse(process.argv[2] ?? "") as SubscribersOrder);
