import { describe, expect, expectTypeOf, it } from "vitest";
import { OptionError } from "../../src/core/errors.ts";
import { LEVELS } from "../../src/log.ts";
import type { EventOf, JobRef, WorkerEvent } from "../../src/core/events.ts";
import type { Job } from "../../src/handlers.ts";
import { EVENT_TYPES } from "../../src/testing/an-event.ts";
import { aContext, aJob, aJobRef, anEvent } from "../../src/testing/index.ts";

describe("aJob", () => {
  it("is the first attempt of job 1", () => {
    expect(aJob()).toMatchObject({
      id: "1",
      kind: "job",
      queue: "default",
      attempt: 1,
      maxAttempts: 3,
      token: 1,
    });
  });

  it("keeps its kind and its payload in its type", () => {
    const job = aJob({ kind: "mill", payload: { grain: "rye" }, attempt: 5 });
    expectTypeOf(job).toEqualTypeOf<Job<"mill", { grain: string }>>();
    expect(job).toMatchObject({
      kind: "mill",
      payload: { grain: "rye" },
      attempt: 5,
      maxAttempts: 5,
      token: 5,
    });
  });

  it("does not take members that no job has", () => {
    // @ts-expect-error A typing error.
    expect(() => aJob({ kinds: "mill" })).toThrow('Unknown option "kinds" (string) in the fields of aJob');
  });
});

describe("aJobRef", () => {
  it("has the members that events tell", () => {
    expectTypeOf(aJobRef({ kind: "mill" })).toEqualTypeOf<JobRef<"mill">>();
    expect(Object.keys(aJobRef()).sort()).toEqual([
      "attempt",
      "id",
      "kind",
      "maxAttempts",
      "queue",
      "source",
    ]);
  });
});

describe("aContext", () => {
  it("has a signal that does not fire, a silent log and a complete that resolves", async () => {
    const context = aContext();
    expect(context.signal.aborted).toBe(false);
    expect(context.log.info("nothing")).toBeUndefined();
    await expect(context.complete({})).resolves.toBeUndefined();
  });

  it("takes what a test has", () => {
    const signal = AbortSignal.abort("stop");
    expect(aContext({ signal }).signal).toBe(signal);
  });
});

describe("anEvent", () => {
  it("is typed by its type", () => {
    const event = anEvent("failed", { job: { kind: "mill", attempt: 3 }, durationMs: 5 });
    expectTypeOf(event).toEqualTypeOf<EventOf<"failed", "mill">>();
    expect(event).toMatchObject({
      type: "failed",
      durationMs: 5,
      job: { id: "1", kind: "mill", attempt: 3 },
    });
  });

  it("does not take members of other events", () => {
    // @ts-expect-error Only a retry has a delay.
    anEvent("failed", { delayMs: 5 });
    // @ts-expect-error The worker's own events have no job.
    anEvent("drained", { job: {} });
  });

  it("knows every type of event", () => {
    expect([...EVENT_TYPES].sort()).toEqual(Object.keys(LEVELS).sort());
    for (const type of EVENT_TYPES) expect(anEvent(type as WorkerEvent["type"]).type).toBe(type);
  });

  it("makes events that do not share their job", () => {
    expect(anEvent("succeeded").job).not.toBe(anEvent("succeeded").job);
  });

  it("refuses a type that does not exist", () => {
    expect(() => anEvent("suceeded" as "succeeded")).toThrow(OptionError);
    expect(() => anEvent("toString" as "succeeded")).toThrow('Unknown type of event "toString" (string)');
  });
});
