import { lastValueFrom } from "rxjs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { macrotask$ } from "../../src/rx/macrotask.ts";

const ended = (): Promise<string> => lastValueFrom(macrotask$, { defaultValue: "ended" });

describe("a macrotask", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("comes after all that follows from promises that are settled", async () => {
    const order: string[] = [];
    const macrotask = ended().then(() => order.push("macrotask"));
    for (let n = 0; n < 100; n += 1) await Promise.resolve();
    order.push("promises");
    await macrotask;
    expect(order).toEqual(["promises", "macrotask"]);
  });

  it("comes also where a test fakes its timers, or what it enqueues would never be written", async () => {
    vi.useFakeTimers();
    expect(await ended()).toBe("ended");
  });
});
