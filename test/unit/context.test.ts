import { describe, expect, it, vi } from "vitest";
import type { Mock } from "vitest";
import { InterruptedError, LeaseLostError } from "../../src/core/errors.ts";
import { contextOf } from "../../src/stages/context.ts";
import type { AttemptContext, ContextSetup, Interruptible, Log } from "../../src/stages/context.ts";
import { claimedJob } from "../support/marbles.ts";

const job = claimedJob();

interface Made {
  readonly context: AttemptContext;
  readonly attempt: Interruptible;
  readonly log: Log;
  readonly logOf: Mock<ContextSetup["logOf"]>;
}

function made(setup: Partial<ContextSetup> = {}): Made {
  const nothing = (): void => undefined;
  const log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
  const logOf = vi.fn<ContextSetup["logOf"]>(() => log);
  const attempt: Interruptible = { controller: undefined, reason: undefined, committed: false };
  const context = contextOf({
    setup: { completeIn: () => Promise.resolve(true), logOf, ...setup },
    job,
    attempt,
  });
  return { context, attempt, log, logOf };
}

describe("the context of an attempt", () => {
  it("makes signal and log only when somebody asks", () => {
    const { context, attempt, log, logOf } = made();
    expect(attempt.controller).toBeUndefined();
    expect(logOf).not.toHaveBeenCalled();
    expect(context.log).toBe(log);
    expect(logOf).toHaveBeenCalledWith(job);
    expect(context.signal).toBe(context.signal);
    expect(context.signal).toBe(attempt.controller?.signal);
  });

  it("has a signal that has fired, where the attempt was interrupted before", () => {
    const { context, attempt } = made();
    attempt.reason = new InterruptedError("shutdown", "enough");
    expect(context.signal.aborted).toBe(true);
    expect(context.signal.reason).toBe(attempt.reason);
  });

  it("has all of it in a copy", async () => {
    const { context, attempt, log } = made();
    const copy = { ...context };
    expect(copy.signal).toBe(context.signal);
    expect(copy.log).toBe(log);
    await copy.complete({});
    expect(attempt.committed).toBe(true);
    expect(Object.keys(context).sort()).toEqual(["complete", "log", "signal"]);
  });

  it.each<[string, (context: AttemptContext) => AttemptContext]>([
    ["a Proxy", (context) => new Proxy(context, {})],
    ["what inherits from it", (context) => Object.create(context) as AttemptContext],
  ])("works behind %s", (_, around) => {
    const { context, log } = made();
    const other = around(context);
    expect(other.log).toBe(log);
    expect(other.signal).toBe(context.signal);
  });

  it("rejects a completion whose claim is gone, and does not note it", async () => {
    const { context, attempt } = made({ completeIn: () => Promise.resolve(false) });
    await expect(context.complete({})).rejects.toThrow(LeaseLostError);
    expect(attempt.committed).toBe(false);
  });
});
