import { NEVER, Subject } from "rxjs";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { InterruptedError, LeaseLostError, PayloadError } from "../../../src/core/errors.ts";
import type { InterruptReason } from "../../../src/core/errors.ts";
import { jobRef } from "../../../src/core/events.ts";
import type { WorkerEvent } from "../../../src/core/events.ts";
import type { Interrupt } from "../../../src/core/interrupt.ts";
import { attemptStage } from "../../../src/stages/attempt.ts";
import type { AttemptSetup } from "../../../src/stages/attempt.ts";
import { leaksOf } from "../../../src/stages/leaks.ts";
import type { AttemptContext } from "../../../src/stages/context.ts";
import type { Handler } from "../../../src/stages/handler.ts";
import { attemptSetup, hear, steps } from "../../support/attempts.ts";
import { claimedJob, pass, useFakeClock } from "../../support/marbles.ts";

const job = claimedJob();
const { s, p, ended, leaked } = steps(job);

/** Starts an attempt; `interrupt` tells it to end. */
function start(
  handler: Handler,
  setup: Partial<AttemptSetup> = {},
): ReturnType<typeof hear> & { readonly interrupt: (reason: InterruptReason) => void } {
  const interrupt$ = new Subject<Interrupt>();
  const attempt$ = attemptStage(attemptSetup(handler, setup))(job, interrupt$);
  return { ...hear(attempt$), interrupt: (reason) => interrupt$.next({ reason }) };
}

/** Resolves after `ms`, or rejects as soon as its signal fires. */
async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}

useFakeClock();

// A rejection that nobody handles would end the process of whoever uses the library.
const unhandled: unknown[] = [];
const note = (reason: unknown): number => unhandled.push(reason);
beforeEach(() => {
  unhandled.length = 0;
  process.on("unhandledRejection", note);
});
afterEach(async () => {
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", note);
  expect(unhandled).toEqual([]);
});

describe("attemptStage, of a promise", () => {
  it.each<[string, Handler, unknown]>([
    ["a value", async () => Promise.resolve("flour"), "flour"],
    ["nothing", async () => Promise.resolve(), undefined],
    ["an array, which is no progress", async () => Promise.resolve([1, 2]), [1, 2]],
    ["an Observable, which is not subscribed", async () => Promise.resolve(NEVER), NEVER],
  ])("succeeds with %s", async (_, handler, result) => {
    const { heard, completed } = start(handler);
    await pass(0);
    expect(heard).toEqual([s, ended({ type: "succeeded", result }, 0)]);
    expect(completed()).toBe(true);
  });

  it("measures how long it took", async () => {
    const { heard } = start(() => sleep(250));
    await pass(249);
    expect(heard).toEqual([s]);
    await pass(1);
    expect(heard).toEqual([s, ended({ type: "succeeded", result: undefined }, 250)]);
  });

  it("leaves no timer of a timeout that was not needed", async () => {
    const { completed } = start(async () => Promise.resolve(), { timeoutMs: 1_000 });
    await pass(0);
    expect(completed()).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("takes a thenable that is no Promise", async () => {
    const { outcome } = start(() => ({ then: (resolve: (value: string) => void) => resolve("flour") }));
    await pass(0);
    expect(outcome()).toEqual({ type: "succeeded", result: "flour" });
  });

  it.each([new Error("no"), "no", undefined, null, 7])(
    "is retried when it rejects with %o",
    async (reason) => {
      const { outcome } = start(() => Promise.reject(reason));
      await pass(0);
      expect(outcome()).toMatchObject({ type: "retried" });
    },
  );
});

describe("attemptStage, of a stream", () => {
  it.each<[string, () => unknown]>([
    [
      "an async generator",
      async function* () {
        yield "a";
        await sleep(5);
        yield "b";
      },
    ],
    [
      "a ReadableStream",
      () =>
        new ReadableStream({
          async start(controller) {
            controller.enqueue("a");
            await sleep(5);
            controller.enqueue("b");
            controller.close();
          },
        }),
    ],
  ])("reports the values of %s, and takes the last one for a result", async (_, handler) => {
    const { heard } = start(handler);
    await pass(5);
    expect(heard).toEqual([s, p("a"), p("b"), ended({ type: "succeeded", result: "b" }, 5, false, "b")]);
  });

  it("fails when a generator throws", async () => {
    const { heard } = start(async function* () {
      yield "a";
      throw new Error("broken stone");
    });
    await pass(0);
    expect(heard).toMatchObject([
      s,
      p("a"),
      { outcome: { type: "retried", error: { message: "broken stone" } } },
    ]);
  });

  it("gives up a generator that hangs, after the grace", async () => {
    const { heard, interrupt } = start(async function* () {
      yield "a";
      await new Promise(() => undefined);
    });
    await pass(0);
    interrupt("shutdown");
    await pass(5);
    const E = ended({ type: "abandoned", reason: "leaked" }, 5, false, "a");
    expect(heard).toEqual([s, p("a"), leaked("shutdown"), E]);
  });
});

describe("attemptStage, of a schema that takes time", () => {
  it("calls the handler with what came of it", async () => {
    const prepare: AttemptSetup["prepare"] = async (raw) => {
      await sleep(5);
      return { ...raw, payload: "flour" };
    };
    const { heard } = start(({ payload }) => payload, { prepare });
    await pass(5);
    expect(heard).toEqual([s, ended({ type: "succeeded", result: "flour" }, 5)]);
  });

  it("fails for good when the payload does not fit", async () => {
    const prepare = (): Promise<never> => Promise.reject(new PayloadError("no rye"));
    const { outcome } = start(() => expect.unreachable(), { prepare });
    await pass(0);
    expect(outcome()).toMatchObject({ type: "failed", error: { name: "PayloadError" } });
  });

  it("does not call the handler when it was interrupted meanwhile", async () => {
    const prepare: AttemptSetup["prepare"] = async (raw) => {
      await sleep(5);
      return raw;
    };
    const { heard, interrupt } = start(() => expect.unreachable(), { prepare });
    await pass(2);
    interrupt("shutdown");
    expect(heard).toEqual([s, ended({ type: "released", reason: "shutdown" }, 2)]);
    await pass(10);
    expect(heard).toHaveLength(2);
  });
});

describe("attemptStage, of a promise that is interrupted", () => {
  const outcomes = {
    shutdown: { type: "released", reason: "shutdown" },
    "lease-lost": { type: "abandoned", reason: "lease-lost" },
  } as const;

  it.each(["shutdown", "lease-lost"] as const)("waits for its end within the grace by %s", async (reason) => {
    const { heard, interrupt } = start(async (_job, { signal }) => {
      await sleep(1_000, signal).catch(() => undefined);
      await sleep(3);
    });
    await pass(10);
    interrupt(reason);
    await pass(2);
    expect(heard).toEqual([s]);
    await pass(1);
    expect(heard).toEqual([s, ended(outcomes[reason], 13)]);
  });

  it.each(["shutdown", "lease-lost", "aborted"] as const)(
    "tells the reason %s by the signal",
    async (reason) => {
      const reasons: unknown[] = [];
      const { interrupt } = start((_job, { signal }) => {
        signal.addEventListener("abort", () => reasons.push(signal.reason));
        return sleep(1_000, signal);
      });
      interrupt(reason);
      await pass(0);
      const type = reason === "lease-lost" ? LeaseLostError : InterruptedError;
      expect(reasons).toEqual([expect.any(type)]);
      expect(reasons).toMatchObject([{ reason }]);
    },
  );

  it("releases it, also when it rejects with something else because of the signal", async () => {
    const { outcome, interrupt } = start(async (_job, { signal }) => {
      await sleep(1_000, signal).catch(() => undefined);
      throw new Error("half done");
    });
    interrupt("shutdown");
    await pass(0);
    expect(outcome()).toEqual({ type: "released", reason: "shutdown" });
  });

  it("swallows what it rejects with after it was given up", async () => {
    const { heard, interrupt } = start(async () => {
      await sleep(100);
      throw new Error("late");
    });
    interrupt("shutdown");
    await pass(5);
    expect(heard).toHaveLength(3);
    await pass(100);
    expect(heard).toHaveLength(3);
  });

  it("swallows what a generator throws after it was given up", async () => {
    const { interrupt } = start(async function* () {
      await sleep(100);
      yield "late";
      throw new Error("late");
    });
    interrupt("shutdown");
    await pass(200);
  });

  it("swallows what it rejects with after it was unsubscribed", async () => {
    const { unsubscribe } = start(async (_job, { signal }) => sleep(100, signal));
    await pass(10);
    unsubscribe();
    await pass(100);
  });

  it("gives each attempt a signal of its own", async () => {
    const signals: AbortSignal[] = [];
    const handler: Handler = async (_job, { signal }) => {
      signals.push(signal);
      return sleep(1_000, signal);
    };
    const first = start(handler);
    const second = start(handler);
    first.interrupt("shutdown");
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    second.interrupt("shutdown");
    await pass(0);
  });

  it("has fired the signal for whoever looks at it late", async () => {
    let given: AttemptContext | undefined;
    const { interrupt } = start((_job, context) => {
      given = context;
      return sleep(2);
    });
    interrupt("shutdown");
    expect(given?.signal.aborted).toBe(true);
    expect(given?.signal.reason).toMatchObject({ reason: "shutdown" });
    await pass(2);
  });
});

describe("attemptStage, of what goes on after it was given up", () => {
  /** Tells when the handler has really ended. */
  function watching(handler: Handler): ReturnType<typeof start> & { readonly events: WorkerEvent[] } {
    const leaks = leaksOf(2);
    const events: WorkerEvent[] = [];
    const subscription = leaks.event$.subscribe((event) => events.push(event));
    onTestFinished(() => subscription.unsubscribe());
    return { ...start(handler, { leaks }), events };
  }

  it.each<[string, Handler]>([
    ["a promise", () => sleep(50)],
    ["a promise that rejects", () => sleep(50).then(() => Promise.reject(new Error("late")))],
    ["what has a then of its own", () => ({ then: (ended: () => void) => void setTimeout(ended, 50) })],
    [
      "a generator",
      async function* () {
        await sleep(50);
        yield "late";
        expect.unreachable();
      },
    ],
    [
      "a ReadableStream",
      () => new ReadableStream({ start: (stream) => sleep(50).then(() => stream.enqueue("late")) }),
    ],
  ])("tells when %s ends, and how many there are", async (_, handler) => {
    const { heard, events, interrupt } = watching(handler);
    await pass(10);
    interrupt("lease-lost");
    await pass(5);
    expect(heard).toMatchObject([{}, { type: "leaked", running: 1 }, { type: "ended" }]);
    await pass(34);
    expect(events).toEqual([]);
    await pass(1);
    expect(events).toEqual([{ type: "leak-ended", job: jobRef(job), durationMs: 50, running: 0 }]);
  });

  it("calls a then once, for that may be what starts the work", async () => {
    let calls = 0;
    const then = (): void => void (calls += 1);
    const { interrupt } = watching(() => ({ then }));
    interrupt("lease-lost");
    await pass(5);
    expect(calls).toBe(1);
  });

  it("counts nothing that ends when it is unsubscribed", async () => {
    const { heard, events, interrupt } = watching(() => NEVER);
    interrupt("lease-lost");
    await pass(5);
    expect([heard.map(({ type }) => type), events]).toEqual([["attempt-started", "ended"], []]);
  });
});

describe("complete", () => {
  it("says in the end that the job was completed in a transaction", async () => {
    const asked: unknown[] = [];
    const { heard } = start(
      async (_job, { complete }) => {
        await complete("tx");
        return "flour";
      },
      {
        completeIn: async (...given) => {
          asked.push(given);
          return Promise.resolve(true);
        },
      },
    );
    await pass(0);
    expect(asked).toEqual([["tx", job]]);
    expect(heard).toEqual([s, ended({ type: "succeeded", result: "flour" }, 0, true)]);
  });

  it("says so also when the handler fails after it", async () => {
    const { heard } = start(async (_job, { complete }) => {
      await complete("tx");
      throw new Error("the commit failed");
    });
    await pass(0);
    expect(heard).toMatchObject([s, { committed: true, outcome: { type: "retried" } }]);
  });

  it("rejects when the claim is gone, so that the transaction is rolled back", async () => {
    const seen: unknown[] = [];
    const { heard } = start(
      async (_job, { complete }) =>
        complete("tx").catch((error: unknown) => {
          seen.push(error);
          throw error;
        }),
      { completeIn: async () => Promise.resolve(false) },
    );
    await pass(0);
    expect(seen).toEqual([expect.any(LeaseLostError)]);
    expect(heard).toMatchObject([s, { committed: false, outcome: { type: "retried" } }]);
  });

  it("rejects with the error of the transaction", async () => {
    const { heard } = start(async (_job, { complete }) => complete("tx"), {
      completeIn: async () => Promise.reject(new Error("current transaction is aborted")),
    });
    await pass(0);
    expect(heard).toMatchObject([s, { committed: false, outcome: { type: "retried" } }]);
  });
});
