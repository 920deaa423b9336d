import { setTimeout as sleep } from "node:timers/promises";
import { NEVER, Observable, of, throwError } from "rxjs";
import { Snooze } from "../../src/index.ts";
import type { AttemptContext, ClaimedJob, HandlerResult, JobOptions } from "../../src/index.ts";

/** A handler that misbehaves, and how its job must end all the same. */
export interface Hostile {
  /** Calls it. */
  readonly run: (context: AttemptContext, job: ClaimedJob) => HandlerResult;
  readonly ends: "succeeded" | "failed";
  /** What the reason of a job that failed must tell. */
  readonly reason?: RegExp;
  /** What its job is enqueued with, besides one attempt. */
  readonly options?: JobOptions;
  /** Whether it is given up while it runs, which is reported. */
  readonly leaks?: true;
}

const HUGE = 100_000_000;
/** Those that never end by themselves are told to. */
const SHORT: JobOptions = { timeoutMs: 300 };
const KEPT: JobOptions = { keepResultMs: 60_000 };
const TIMED_OUT = /longer than its timeoutMs of 300 ms/;
const UNSHOWABLE = /a value that cannot be shown/;

function bomb(): never {
  throw new Error("a trap");
}

function bombs(): object {
  return new Proxy({}, { get: () => bomb });
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function circular(): Record<string, unknown> {
  const one: Record<string, unknown> = {};
  one["self"] = one;
  return one;
}

function withGetter(key: string): Error {
  return Object.defineProperty(new Error("a cause"), key, { get: bomb });
}

/** Fails with what no linter lets through. */
function throwing(what: () => unknown): Hostile["run"] {
  return () => {
    throw what();
  };
}

function failsWith(what: () => unknown, reason: RegExp): Hostile {
  return { run: throwing(what), ends: "failed", reason };
}

function timesOut(run: Hostile["run"], leaks?: true): Hostile {
  return {
    run,
    ends: "failed",
    reason: TIMED_OUT,
    options: SHORT,
    ...(leaks === undefined ? {} : { leaks }),
  };
}

function neverNext(more: Partial<AsyncIterator<unknown>> = {}): AsyncIterable<unknown> {
  return { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined), ...more }) };
}

function aborted({ signal }: AttemptContext): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}

/** Blocks the thread, and with it every other handler. */
function block(ms: number): void {
  const endsAt = performance.now() + ms;
  while (performance.now() < endsAt);
}

/** What is no promise, but has a `then`. */
function thenable(
  then: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => unknown,
): HandlerResult {
  // oxlint-disable-next-line unicorn/no-thenable -- it is what is tested
  return { then };
}

/** By name. Whatever these do, the process and the jobs beside them must not notice. */
export const HOSTILE: Readonly<Record<string, Hostile>> = {
  "never settles": timesOut(() => new Promise(() => undefined), true),
  "rejects after its abort": timesOut(async (context) => {
    await aborted(context);
    throw new Error("too late");
  }),
  "rejects long after its abort": timesOut(async (context) => {
    await aborted(context);
    await sleep(1_000);
    throw new Error("much too late");
  }, true),
  "an Observable that never ends": timesOut(() => NEVER),
  "an Observable whose teardown throws": timesOut(() => new Observable(() => bomb)),
  "an Observable that ends, whose teardown throws": {
    run: () =>
      new Observable((subscriber) => {
        subscriber.complete();
        return bomb;
      }),
    ends: "succeeded",
  },
  "an async iterable that never returns": timesOut(() => neverNext(), true),
  "an async iterable whose `return` throws": timesOut(() => neverNext({ return: bomb }), true),
  "an async iterable whose `return` never ends": timesOut(
    () => neverNext({ return: () => new Promise(() => undefined) }),
    true,
  ),
  "a ReadableStream that never ends": timesOut(() => new ReadableStream() as unknown, true),

  "throws undefined": failsWith(() => undefined, /undefined/),
  "throws null": failsWith(() => null, /null/),
  "throws a symbol": failsWith(() => Symbol("grain"), /Symbol\(grain\)/),
  "throws a BigInt": failsWith(() => 10n ** 30n, /^.*10{30}$/),
  "throws a function": failsWith(() => bomb, /a trap/),
  "throws a circular object": failsWith(circular, UNSHOWABLE),
  "throws a Proxy whose traps throw": failsWith(() => new Proxy({}, bombs()), UNSHOWABLE),
  "throws a Proxy of an error whose traps throw": failsWith(
    () => new Proxy(new Error("x"), bombs()),
    UNSHOWABLE,
  ),
  "throws a revoked Proxy": failsWith(revoked, UNSHOWABLE),
  "throws an error with 100 MB of message": failsWith(
    () => new Error("m".repeat(HUGE)),
    /^.*m{1000,1999}…?$/,
  ),
  "throws a text of 100 MB": failsWith(() => "t".repeat(HUGE), /^.*t{1000,1999}…?$/),
  "throws an error with NUL in its message": failsWith(() => new Error("before\u0000after"), /before␀after/),
  "throws an error of lone surrogates": failsWith(() => new Error("half \ud83c"), /half \ufffd/),
  "throws an error whose message throws": failsWith(() => withGetter("message"), /cannot be read/),
  "throws an error whose name throws": failsWith(() => withGetter("name"), /a cause/),
  "throws an error whose stack throws": failsWith(() => withGetter("stack"), /a cause/),
  "throws a frozen error that is its own cause": failsWith(() => {
    const error = new Error("round and round");
    error.cause = error;
    return Object.freeze(error);
  }, /round and round/),
  "throws an object whose toJSON throws": failsWith(() => ({ toJSON: bomb }), UNSHOWABLE),
  "throws what is no `Snooze`": {
    run: () => {
      throw new Snooze(Number.NaN);
    },
    ends: "failed",
    reason: /delayMs/,
  },
  "an Observable that errors with undefined": {
    run: () => throwError(() => undefined),
    ends: "failed",
    reason: /undefined/,
  },

  "resolves twice": {
    run: () =>
      new Promise((resolve, reject) => {
        const settles: readonly (() => void)[] = [
          () => resolve(1),
          () => resolve(2),
          () => reject(new Error("three")),
        ];
        for (const settle of settles) settle();
      }),
    ends: "succeeded",
  },
  "a thenable that settles three times": {
    run: () =>
      thenable((resolve, reject) => {
        resolve(1);
        resolve(2);
        reject(new Error("three"));
      }),
    ends: "succeeded",
  },
  "a thenable that throws": { run: () => thenable(bomb), ends: "failed", reason: /a trap/ },
  "a thenable that never settles": timesOut(() => thenable(() => undefined), true),
  "an object whose `then` throws when it is read": {
    // oxlint-disable-next-line unicorn/no-thenable -- it is what is tested
    run: () => Object.defineProperty({}, "then", { get: bomb }),
    ends: "failed",
    reason: /a trap/,
  },
  "a Proxy whose traps throw, as a result": {
    run: () => new Proxy({}, bombs()),
    ends: "failed",
    reason: /a trap/,
  },
  "a circular result that is kept": {
    run: () => circular(),
    ends: "failed",
    reason: /result\.self.*or a cycle/,
    options: KEPT,
  },
  "a result of 100 MB that is kept": {
    run: () => "r".repeat(HUGE),
    ends: "failed",
    reason: /result/,
    options: KEPT,
  },
  "progress that is no JSON": { run: () => of(1n), ends: "failed", reason: /progress/ },
  "changes its job": {
    run: (_, job) => {
      Object.assign(job, { id: "0", token: -1, attempt: 99, queue: "nowhere", kind: "none" });
    },
    ends: "succeeded",
  },
  "blocks the thread for 3 s": { run: () => block(3_000), ends: "succeeded" },
};
