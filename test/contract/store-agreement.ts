import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { actions } from "./actions.ts";
import type { Action } from "./actions.ts";
import type { Setup } from "./bench.ts";
import { compare } from "./compare.ts";
import { moveDate } from "./move-date.ts";

/**
 * Calls a store and the memory store in the same random order, and wants the same answers, the same
 * states of all jobs and the same that is told of them after every call. The memory store is the model, so this is for the
 * others; their clocks may run up to a minute away from the model's.
 *
 * @param setup Makes an empty store whose first job has the id `firstId`. Called once a run.
 * @param numRuns How many lists of calls. Default 25.
 */
export function storeAgreement(name: string, setup: Setup, numRuns = 25): void {
  describe(`the store on ${name}`, () => {
    it("does what the memory store does, whatever is called in whatever order", async () => {
      await fc.assert(
        fc.asyncProperty(actions, (list) => agree(list, setup)),
        { numRuns },
      );
    }, 120_000);
  });
}

async function agree(list: readonly Action[], setup: Setup): Promise<void> {
  vi.useFakeTimers({ toFake: ["Date"] });
  try {
    await compare(list, { setup, elapse: moveDate, same: (got, wanted) => expect(got).toEqual(wanted) });
  } finally {
    vi.useRealTimers();
  }
}
