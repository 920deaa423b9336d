/**
 * Tests of handlers in virtual time, without Postgres: `node --import tsx --test examples/marble-test.ts`.
 * With another runner only the first import differs.
 *
 * ```text
 * ok 1 - a job that fails twice is done at the third attempt
 * ok 2 - three retries, ten seconds of backoff, stop at 25 s
 * ok 3 - jobs take turns, and stones fail at once
 * ok 4 - the handler alone
 * ```
 */
import { test } from "node:test";
import { map, throwError, timer } from "rxjs";
import { PermanentError, payload } from "../src/index.ts";
import type { Job } from "../src/index.ts";
import { aJob, marbles, virtualWorker } from "../src/testing/index.ts";

type Load = { readonly grain: string; readonly sacks: number };
const jobs = { mill: payload<Load>() };
const backoff = { initialMs: 10_000, factor: 1 };

/** The handlers of the app. Each sack takes two seconds, and stones break the mill for good. */
const handlers = {
  mill: ({ payload: { grain, sacks }, attempt }: Job<"mill", Load>) => {
    if (grain === "stones") return throwError(() => new PermanentError("the mill is broken"));
    if (grain === "wet rye" && attempt < 3) return throwError(() => new Error("too wet"));
    return timer(sacks * 2_000).pipe(map(() => `${grain} flour`));
  },
};

void test("a job that fails twice is done at the third attempt", () =>
  marbles(({ expectEvents }) => {
    const worker = virtualWorker({ jobs, handlers, backoff });
    worker.enqueue("mill", { grain: "wet rye", sacks: 1 });
    expectEvents(worker.event$).toBe("(ar) 10s (ar) 10s a 2s s 1m");
  }));

void test("three retries, ten seconds of backoff, stop at 25 s", () =>
  marbles(({ expectEvents }) => {
    const dry = { mill: () => throwError(() => new Error("no water")) };
    const worker = virtualWorker({ jobs, handlers: dry, backoff, maxAttempts: 4 });
    worker.enqueue("mill", { grain: "rye", sacks: 1 });
    worker.shutdown("25s");
    expectEvents(worker.event$).toBe("(ar) 10s (ar) 10s (ar) 5s (D|)");
  }));

void test("jobs take turns, and stones fail at once", () =>
  marbles(({ at, expectEvents }) => {
    const worker = virtualWorker({ jobs, handlers, concurrency: 1 });
    worker.enqueue("mill", { grain: "rye", sacks: 1 });
    at("1s", () => worker.enqueue("mill", { grain: "stones", sacks: 1 }));
    expectEvents(worker.event$).toBe("a 2s (saf) 1m");
  }));

void test("the handler alone", () =>
  marbles(({ expectObservable }) => {
    const job = aJob({ kind: "mill", payload: { grain: "rye", sacks: 3 } });
    expectObservable(handlers.mill(job)).toBe("6s (f|)", { f: "rye flour" });
  }));
