import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backoffDelay, DEFAULT_BACKOFF } from "../../src/core/backoff.ts";
import type { BackoffPolicy } from "../../src/core/backoff.ts";

const policy: fc.Arbitrary<BackoffPolicy> = fc.record({
  initialMs: fc.integer({ min: 1, max: 1e9 }),
  factor: fc.double({ min: 1, max: 100, noNaN: true }),
  maxMs: fc.integer({ min: 0, max: 1e10 }),
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
});
const attempt = fc.integer({ min: 1, max: 100_000 });
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe("backoffDelay", () => {
  it("stays between the full delay without its random part and the full delay, up to maxMs", () => {
    fc.assert(
      fc.property(policy, attempt, random, (p, n, r) => {
        const full = Math.min(p.maxMs, p.initialMs * p.factor ** (n - 1));
        const delay = backoffDelay(p, n, r);
        expect(Number.isInteger(delay)).toBe(true);
        expect(delay).toBeGreaterThanOrEqual(0);
        expect(delay).toBeGreaterThanOrEqual(Math.round((1 - p.jitter) * full));
        expect(delay).toBeLessThanOrEqual(Math.round(full));
        expect(delay).toBeLessThanOrEqual(p.maxMs);
      }),
    );
  });

  it("never shrinks from one attempt to the next with the same random part", () => {
    fc.assert(
      fc.property(policy, attempt, random, (p, n, r) => {
        expect(backoffDelay(p, n + 1, r)).toBeGreaterThanOrEqual(backoffDelay(p, n, r));
      }),
    );
  });

  it("never grows with the random part", () => {
    fc.assert(
      fc.property(policy, attempt, random, random, (p, n, r, s) => {
        const [less, more] = [Math.min(r, s), Math.max(r, s)];
        expect(backoffDelay(p, n, more)).toBeLessThanOrEqual(backoffDelay(p, n, less));
      }),
    );
  });
  it("is no delay for every attempt when initialMs is 0", () => {
    const none = { ...DEFAULT_BACKOFF, initialMs: 0 };
    expect([1, 2, 1_000, 1_100, 100_000].map((n) => backoffDelay(none, n, 0))).toEqual([0, 0, 0, 0, 0]);
  });

  it("doubles from one second to one hour by default", () => {
    const delays = [1, 2, 3, 12, 13, 50].map((n) => backoffDelay(DEFAULT_BACKOFF, n, 0));
    expect(delays).toEqual([1_000, 2_000, 4_000, 2_048_000, 3_600_000, 3_600_000]);
  });

  it("takes up to half of the delay away by default", () => {
    expect(backoffDelay(DEFAULT_BACKOFF, 1, 0.999_999)).toBe(500);
  });
});
