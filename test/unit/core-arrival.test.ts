import { describe, expect, it } from "vitest";
import { isReport, wakes, wakeUp } from "../../src/core/arrival.ts";
import type { WorkerEvent } from "../../src/core/events.ts";

const drained: WorkerEvent = { type: "drained" };

describe("wakes", () => {
  it("holds for wake-ups of the queue, and of all queues", () => {
    expect(wakes("a")(wakeUp(["b", "a"]))).toBe(true);
    expect(wakes("a")(wakeUp())).toBe(true);
  });

  it("does not hold for wake-ups of other queues, or of none, or for events", () => {
    expect(wakes("a")(wakeUp(["b"]))).toBe(false);
    expect(wakes("a")(wakeUp([]))).toBe(false);
    expect(wakes("a")(drained)).toBe(false);
  });
});

describe("isReport", () => {
  it("tells events from wake-ups", () => {
    expect(isReport(drained)).toBe(true);
    expect(isReport(wakeUp())).toBe(false);
  });
});
