import { describe, expect, it } from "vitest";
import { sendersOf } from "../../bench/child/senders.ts";
import type { Child } from "../../bench/lab/child-process.ts";
import { underLoad } from "../../bench/measure/load.ts";
import type { System } from "../../bench/systems/system.ts";

/** What enqueues for a system of which only `enqueueMany` is asked. */
function senders(enqueueMany: System["enqueueMany"]): ReturnType<typeof sendersOf> {
  return sendersOf({ enqueueMany } as unknown as System, ["queue-0"]);
}

/** A child that only loads. */
function loader({ load, cease }: ReturnType<typeof sendersOf>): Child {
  const answers: Readonly<Record<string, (asked: never) => unknown>> = { load, cease };
  return {
    ask: async (order, asked) => (await answers[order]?.(asked as never)) as never,
    end: () => Promise.resolve(undefined),
  };
}

describe("sendersOf", () => {
  it("ends a load with the first error, and sends no more", async () => {
    let calls = 0;
    const { load } = senders(() => {
      calls += 1;
      return calls === 2 ? Promise.reject(new Error("The disk is full")) : Promise.resolve();
    });
    await expect(load({ perSecond: 1000 })).rejects.toThrow("The disk is full");
    expect(calls).toBe(2);
  });
});

describe("underLoad", () => {
  it("fails with what the load fails with", async () => {
    const child = loader(senders(() => Promise.reject(new Error("The disk is full"))));
    await expect(underLoad(child, 1000, () => new Promise(() => undefined))).rejects.toThrow(
      "The disk is full",
    );
  });

  it("lets the load cease where `during` fails", async () => {
    const all = senders(() => Promise.resolve());
    const child = loader(all);
    const loads: Promise<unknown>[] = [];
    const noting: Child = {
      ...child,
      ask: (order, asked) => {
        const answer = child.ask(order, asked);
        if (order === "load") loads.push(answer);
        return answer;
      },
    };
    const failing = underLoad(noting, 1000, () => Promise.reject(new Error("Stalled")));
    await expect(failing).rejects.toThrow("Stalled");
    await expect(loads[0]).resolves.toMatchObject({ count: expect.any(Number) as number });
  });
});
