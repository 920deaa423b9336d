/**
 * A process that runs one worker of the board. Run, compiled, as `node worker.js JSON`.
 *
 * It writes a line of JSON to stdout for each thing that it says, between the lines of its logger.
 * SIGTERM drains it; then it exits by itself, or is found out not to.
 */
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { filter, finalize } from "rxjs";
import { createClient, eventLoopLag, stopOnSignals } from "../../src/index.ts";
import type {
  AttemptContext,
  HandlerResult,
  Job,
  ShutdownResult,
  WorkerEvent,
  WorkerHandle,
  WorkerSettings,
} from "../../src/index.ts";
import { notesOf } from "../harness/ledger.ts";
import type { Notes } from "../harness/ledger.ts";
import { nowMs } from "../harness/wait.ts";
import { jobs } from "../harness/work.ts";
import type { Work } from "../harness/work.ts";
import { perform } from "./deeds.ts";
import { timeConnects } from "./connection-waits.ts";
import { noteAnswers } from "./note-answers.ts";
import { queryTimes } from "./query-times.ts";
import type { QueryTimes } from "./query-times.ts";
import { watchQueries } from "./watch-queries.ts";
import type { WrongClock } from "./wrong-clock.ts";

/** What the process is told on its command line. */
export interface WorkerOrder {
  readonly connectionString: string;
  /** The file of the ledger. */
  readonly notes: string;
  readonly label: string;
  readonly worker: WorkerSettings;
  /** Connections of the app's own pool, for effects. Default 10. */
  readonly appConnections?: number;
  /** Says after each so many milliseconds how much it keeps on the heap. */
  readonly heapEveryMs?: number;
  /** Asks the app's pool for a connection again and again, and says how long that took. */
  readonly asksPoolEveryMs?: number;
  /** Says how late its event loop is, when that is more than so many milliseconds. */
  readonly lagAboveMs?: number;
  /** How it stops when it gets SIGUSR2. */
  readonly stops?: Way;
  /** Gives the app's pool to the client. Default: it gets the connection string. */
  readonly givesPool?: boolean;
  /** How its handlers begin their transactions. Default `begin`. */
  readonly begin?: string;
  /** The kinds that it has handlers for, which all do the same. Default: `work`. */
  readonly kinds?: readonly string[];
  /** Its clock, where that is wrong. */
  readonly clock?: WrongClock;
  /** Whether it renews its lease also after that ran out, as by its id alone. */
  readonly revives?: boolean;
  /** Whether it connects through a pooler in transaction mode, and tells the client so. */
  readonly throughPooler?: boolean;
}

/** A way to stop a worker. */
export type Way = "SIGTERM" | "SIGTERM twice" | "shutdown twice" | "shutdown and SIGTERM" | "abort meanwhile";

/** What it says. `at` is in milliseconds since 1970. */
export type Said =
  | { readonly said: "ready"; readonly at: number }
  | { readonly said: "event"; readonly at: number; readonly event: WorkerEvent }
  /** It begins to stop, as it was told to. */
  | { readonly said: "stopping"; readonly at: number }
  /** Its worker has ended. */
  | { readonly said: "done"; readonly at: number; readonly result: ShutdownResult }
  /** What is on the heap after a collection of garbage, in bytes. */
  | { readonly said: "heap"; readonly at: number; readonly bytes: number }
  /** How late its event loop was. */
  | { readonly said: "lag"; readonly at: number; readonly ms: number }
  /** How long the app waited for a connection of its pool. */
  | { readonly said: "waited"; readonly at: number; readonly ms: number }
  | {
      readonly said: "ended";
      readonly at: number;
      /** What still keeps the process alive. */
      readonly handles: readonly string[];
      /** How long a statement of the library took at most. */
      readonly slowestQueryMs: number;
      /** How long one took at most on the connection for heartbeats. */
      readonly slowestBeatMs: number;
      /** How long the library waited for a connection of its pools at most. */
      readonly slowestConnectMs: number;
    };

/** Said of every job: too much for the board, which has the ledger. */
const FREQUENT: readonly WorkerEvent["type"][] = ["claimed", "attempt-started", "succeeded", "progress"];

/** How an attempt ends. */
const ENDS: readonly WorkerEvent["type"][] = [
  "succeeded",
  "retry-scheduled",
  "failed",
  "snoozed",
  "cancelled",
  "released",
  "lease-lost",
];

/** Between the two steps of a way to stop. */
const BETWEEN_MS = 50;

/** The name of the app's own connections. */
const APP = "the app";

/** What a heartbeat asks besides its id. */
const HEARTBEAT_FENCE =
  /(set lease_expires_at = .*where id = \$1::bigint) and lease_expires_at > clock_timestamp\(\)/su;

/** The longest that a timer goes. */
const NEVER_MS = 2 ** 31 - 1;

/** The pipes to the board, and a look of Node's at a file. */
const OURS: ReadonlySet<string> = new Set(["PipeWrap", "FSReqCallback"]);

function say(said: Said): void {
  process.stdout.write(`${JSON.stringify(said)}\n`);
}

function hear(event: WorkerEvent, notes: Notes): void {
  if (event.type === "claimed") notes.claimed(event.count);
  if ("job" in event && ENDS.includes(event.type)) notes.told(event.type, event.job);
  // It gave up waiting whether the outcome was taken: that is all it will tell.
  if (event.type === "leaked" && event.reason === "unsettled") notes.told("unsettled", event.job);
  if (!FREQUENT.includes(event.type)) say({ said: "event", at: nowMs(), event });
}

/**
 * What is left when the sockets of the app's own pool, which does not wait for them, had a moment. The
 * wait keeps the process alive, or it would end before it has said anything; it is over when it looks.
 */
async function handlesLeft(): Promise<readonly string[]> {
  const left = (): string[] => process.getActiveResourcesInfo().filter((name) => !OURS.has(name));
  for (let tries = 0; tries < 50 && left().length > 0; tries += 1) await sleep(20);
  return left();
}

async function stop(worker: WorkerHandle, way: Way): Promise<void> {
  say({ said: "stopping", at: nowMs() });
  const terminate = (): boolean => process.kill(process.pid, "SIGTERM");
  if (way === "shutdown twice" || way === "shutdown and SIGTERM") void worker.shutdown();
  if (way === "abort meanwhile" || way === "shutdown twice") void worker.shutdown();
  if (way.includes("SIGTERM")) terminate();
  // Once the worker has ended, signals are Node's again, and the second would end the process.
  const over = await Promise.race([worker.done, sleep(BETWEEN_MS, undefined, { ref: false })]);
  if (over !== undefined) return;
  if (way === "SIGTERM twice") terminate();
  if (way === "abort meanwhile") void worker.abort();
}

async function ask(pool: pg.Pool): Promise<void> {
  const from = performance.now();
  const client = await pool.connect();
  client.release();
  say({ said: "waited", at: nowMs(), ms: performance.now() - from });
}

function weigh(): void {
  globalThis.gc?.();
  say({ said: "heap", at: nowMs(), bytes: process.memoryUsage().heapUsed });
}

/** Notes answers, times what is not the app's own, and takes the fence from heartbeats where that is asked. */
function watch({ revives = false }: WorkerOrder, notes: Notes, times: QueryTimes): void {
  const noted = noteAnswers(notes, APP);
  watchQueries({
    begin: (query) => {
      const note = noted(query);
      const end = query.application === APP ? undefined : times.begin(query.application);
      return (rows) => {
        end?.(rows);
        note(rows);
      };
    },
    textOf: (text) => (revives ? text.replace(HEARTBEAT_FENCE, "$1") : text),
  });
}

async function main(order: WorkerOrder): Promise<void> {
  const { connectionString, label, appConnections = 10, givesPool = false, begin = "begin" } = order;
  const times = queryTimes();
  const slowestConnect = timeConnects(APP);
  const pool = new pg.Pool({ connectionString, max: appConnections, application_name: APP });
  pool.on("error", () => undefined);
  const notes = notesOf(order.notes, label);
  watch(order, notes, times);
  const { throughPooler, kinds = ["work"] } = order;
  const client = createClient({
    ...(givesPool ? { pool } : { connectionString }),
    jobs: Object.fromEntries(kinds.map((kind) => [kind, jobs.work])),
    throughPooler,
  });
  const handle = (job: Job<string, Work>, context: AttemptContext): HandlerResult => {
    notes.run(job);
    return perform(job, context, { pool, notes, label, begin });
  };
  const worker = await client.spawnWorker({
    ...order.worker,
    label,
    handlers: Object.fromEntries(kinds.map((kind) => [kind, handle])),
  });
  const told = new Promise<void>((resolve) => {
    worker.event$.pipe(finalize(resolve)).subscribe((event) => hear(event, notes));
  });
  stopOnSignals(worker);
  say({ said: "ready", at: nowMs() });
  const weighing = setInterval(weigh, order.heapEveryMs ?? NEVER_MS).unref();
  const asking = setInterval(() => void ask(pool), order.asksPoolEveryMs ?? NEVER_MS).unref();
  const { stops, lagAboveMs = Infinity } = order;
  const lag = eventLoopLag()
    .pipe(filter((ms) => ms > lagAboveMs))
    .subscribe((ms) => say({ said: "lag", at: nowMs(), ms }));
  if (stops !== undefined) process.once("SIGUSR2", () => void stop(worker, stops));
  const result = await worker.done;
  say({ said: "done", at: nowMs(), result });
  await told;
  lag.unsubscribe();
  clearInterval(weighing);
  clearInterval(asking);
  await client.close();
  await pool.end();
  say({
    said: "ended",
    at: nowMs(),
    handles: await handlesLeft(),
    slowestQueryMs: times.slowest(""),
    slowestBeatMs: times.slowest("millrace lease "),
    slowestConnectMs: slowestConnect(),
  });
}

await main(JSON.parse(process.argv[2] ?? "") as WorkerOrder);
