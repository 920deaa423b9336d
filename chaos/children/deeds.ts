import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { map, takeUntil, tap, timer } from "rxjs";
import type { Observable } from "rxjs";
import type { AttemptContext, HandlerResult, Job } from "../../src/index.ts";
import type { Notes } from "../harness/ledger.ts";
import type { Work } from "../harness/work.ts";

/** What handlers work with. */
export interface Tools {
  readonly pool: pg.Pool;
  readonly notes: Notes;
  readonly label: string;
  /** How it begins a transaction. */
  readonly begin: string;
}

/** Does what a job is to do. */
export function perform(job: Job<string, Work>, context: AttemptContext, tools: Tools): HandlerResult {
  const { deed, ms = 0 } = job.payload;
  const { notes } = tools;
  const done = (): void => notes.done(job);
  const doneAfter = async (work: Promise<void>): Promise<void> => {
    await work;
    done();
  };
  switch (deed) {
    case "return":
      return ms === 0 ? done() : doneAfter(sleep(ms));
    case "fail-once":
      return job.attempt === 1 ? failAfter(ms) : doneAfter(sleep(ms));
    case "transaction":
    case "unfenced":
      return inTransaction(job, context, tools);
    case "unfenced-return":
      return doneAfter(endById(job, ms, tools));
    case "progress":
      return progress(job.token, ms, done);
    case "hang":
      return new Promise(() => undefined);
    case "obey":
      return new Promise((_, reject) => {
        context.signal.addEventListener("abort", () => reject(context.signal.reason as Error));
      });
    case "block-once":
      if (notes.isFirst(job)) block(ms);
      return done();
    case "hold":
      return doneAfter(hold(tools.pool, ms));
    case "abort-process":
      return process.abort();
  }
}

async function inTransaction(job: Job<string, Work>, context: AttemptContext, tools: Tools): Promise<void> {
  const { deed, ms = 0 } = job.payload;
  if (ms > 0) await sleep(ms);
  const tx = await tools.pool.connect();
  const ignore = (): void => undefined;
  tx.on("error", ignore);
  try {
    await tx.query(tools.begin);
    await tx.query("insert into chaos.effects (job, token, worker) values ($1, $2, $3)", [
      job.id,
      job.token,
      tools.label,
    ]);
    if (deed === "transaction") await context.complete(tx);
    else await tx.query("delete from millrace.claimed where id = $1", [job.id]);
    await tx.query("commit");
    tx.off("error", ignore);
    tx.release();
  } catch (error) {
    tx.release(true);
    throw error;
  }
}

/** As a queue that keeps the rows of its jobs and updates them by id: each write finds its row. */
async function endById(job: Job<string, Work>, ms: number, { pool, notes }: Tools): Promise<void> {
  await sleep(ms);
  await pool.query(
    "update millrace.claimed set progress = jsonb_build_object('token', $2::int) where id = $1",
    [job.id, job.token],
  );
  await pool.query("delete from millrace.claimed where id = $1", [job.id]);
  notes.told("succeeded", job);
  notes.answered({ what: "settle", id: job.id, token: String(job.token), accepted: true });
}

async function failAfter(ms: number): Promise<void> {
  await sleep(ms);
  throw new Error("The first attempt of this job fails");
}

/** Deaf: it goes on for its whole time, but for being unsubscribed. */
function progress(token: number, ms: number, done: () => void): Observable<unknown> {
  return timer(0, 100).pipe(
    map(() => ({ token })),
    takeUntil(timer(ms)),
    tap({ complete: done }),
  );
}

function block(ms: number): void {
  const endsAt = performance.now() + ms;
  while (performance.now() < endsAt);
}

async function hold(pool: pg.Pool, ms: number): Promise<void> {
  const client = await pool.connect();
  await sleep(ms);
  client.release();
}
