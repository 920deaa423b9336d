import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backoffDelay, DEFAULT_BACKOFF } from "../../src/core/backoff.ts";
import type { BackoffPolicy, RetryFunction } from "../../src/core/backoff.ts";
import { MAX_DELAY_MS, PayloadError, PermanentError, Snooze } from "../../src/core/errors.ts";
import { outcomeOfError } from "../../src/stages/outcome-of-error.ts";
import { HOSTILE } from "../support/hostile.ts";
import { claimedJob } from "../support/marbles.ts";

const first = claimedJob({ attempt: 1, maxAttempts: 3 });
const last = claimedJob({ attempt: 3, maxAttempts: 3 });
const broken = new Error("broken stone");

/** A retry function that answers what its type forbids. */
const answering = (answer: unknown): RetryFunction => (() => answer) as RetryFunction;

describe("outcomeOfError", () => {
  it("retries by the policy, with a share of the jitter", () => {
    const attempts = fc.integer({ min: 1, max: 50 });
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(attempts, random, (attempt, r) => {
        const job = claimedJob({ attempt, maxAttempts: attempt + 1 });
        expect(outcomeOfError(broken, job, DEFAULT_BACKOFF, r)).toEqual({
          type: "retried",
          delayMs: backoffDelay(DEFAULT_BACKOFF, attempt, r),
          error: expect.objectContaining({ name: "Error", message: "broken stone" }),
        });
      }),
    );
  });

  it.each([
    ["a member that is missing", { initialMs: undefined }],
    ["a delay beyond ten years", { initialMs: MAX_DELAY_MS, maxMs: Infinity, factor: 2 }],
    ["a delay below 0", { initialMs: -1 }],
  ])("takes the default policy for one that was stored with %s, and says so", (_, broke) => {
    const rule = { ...DEFAULT_BACKOFF, ...broke, jitter: 0 } as BackoffPolicy;
    const job = claimedJob({ attempt: 2, maxAttempts: 3 });
    expect(outcomeOfError(broken, job, rule, 0)).toMatchObject({
      type: "retried",
      delayMs: 2_000,
      error: {
        name: "Error",
        message: "The backoff of this job gives no delay, so the default was used: broken stone",
      },
    });
  });

  it("fails after the last attempt, and asks no retry function then", () => {
    const rules = [DEFAULT_BACKOFF, () => expect.unreachable()];
    for (const rule of rules) {
      expect(outcomeOfError(broken, last, rule, 0)).toMatchObject({ type: "failed" });
      expect(outcomeOfError(broken, { ...last, attempt: 9 }, rule, 0)).toMatchObject({ type: "failed" });
    }
  });

  it.each([new PermanentError("never"), new PayloadError("no rye")])("fails at once by %o", (error) => {
    const wanted = { type: "failed", error: { name: error.name, message: error.message } };
    expect(outcomeOfError(error, first, () => expect.unreachable(), 0)).toMatchObject(wanted);
  });

  it("postpones by a Snooze, also in the last attempt", () => {
    const wanted = { type: "snoozed", delayMs: 70 };
    expect(outcomeOfError(new Snooze(70), first, DEFAULT_BACKOFF, 0)).toEqual(wanted);
    expect(outcomeOfError(new Snooze(70), last, DEFAULT_BACKOFF, 0)).toEqual(wanted);
  });

  it("takes classes that are derived from those of millrace", () => {
    class Gone extends PermanentError {}
    class Later extends Snooze {}
    expect(outcomeOfError(new Gone("x"), first, DEFAULT_BACKOFF, 0)).toMatchObject({ type: "failed" });
    expect(outcomeOfError(new Later(5), first, DEFAULT_BACKOFF, 0)).toMatchObject({ type: "snoozed" });
  });

  it("asks a retry function with the error, the attempt and the record", () => {
    const asked: unknown[] = [];
    const rule: RetryFunction = (...given) => {
      asked.push(given);
      return 5;
    };
    expect(outcomeOfError(broken, first, rule, 0)).toMatchObject({ type: "retried", delayMs: 5 });
    expect(asked).toEqual([[broken, 1, expect.objectContaining({ message: "broken stone" })]]);
  });

  it("takes a delay from 0 up to ten years, and stops by stop", () => {
    const delays = [0, 0.5, MAX_DELAY_MS, MAX_DELAY_MS + 1, Number.MAX_VALUE];
    const taken = delays.map((delay) => outcomeOfError(broken, first, () => delay, 0));
    expect(taken.map((outcome) => "delayMs" in outcome && outcome.delayMs)).toEqual([
      0,
      0.5,
      MAX_DELAY_MS,
      MAX_DELAY_MS,
      MAX_DELAY_MS,
    ]);
    const stopped = outcomeOfError(broken, first, () => "stop", 0);
    expect(stopped).toMatchObject({ type: "failed", error: { message: "broken stone" } });
  });

  it.each([-1, Number.NaN, Infinity, "5", "", undefined, null, {}, Promise.resolve(5), 5n, Symbol("x")])(
    "fails and says so when a retry function answers %o",
    (answer) => {
      const outcome = outcomeOfError(broken, first, answering(answer), 0);
      expect(outcome).toMatchObject({ type: "failed" });
      expect("error" in outcome && outcome.error.message).toMatch(
        /^The retry function must answer "stop" or/u,
      );
    },
  );

  it("fails and says so when a retry function throws", () => {
    const rule = (): never => {
      throw new Error("confused");
    };
    expect(outcomeOfError(broken, first, rule, 0)).toMatchObject({
      type: "failed",
      error: { message: "The retry function threw: confused" },
    });
  });

  it.each(HOSTILE)("has an outcome for %s, thrown and answered", (_, make) => {
    expect(outcomeOfError(make(), first, DEFAULT_BACKOFF, 0)).toMatchObject({ type: "retried" });
    expect(outcomeOfError(broken, first, answering(make()), 0)).toMatchObject({ type: "failed" });
    const rule = (): never => {
      throw make();
    };
    expect(outcomeOfError(broken, first, rule, 0)).toMatchObject({ type: "failed" });
  });

  it("has an outcome for anything", () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (thrown, answer) => {
        expect(outcomeOfError(thrown, first, answering(answer), 0)).toHaveProperty("type");
      }),
    );
  });
});
