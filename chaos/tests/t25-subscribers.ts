import type { SubscribersOrder, SubscribersSaid } from "../children/subscribers.ts";
import { startChild } from "../harness/child.ts";
import { atLeast, atMost, is } from "../harness/figures.ts";
import type { ChaosTest } from "../harness/test.ts";

/** The library's own 10,000 and 50,000 events that may wait, a loop's 1,000, and what 1,000 subscribers are. */
const HEAP_BYTES = 20_000_000;

/** What all rounds may leave, less than one of them would. */
const GROWTH_BYTES = 5_000_000;

/**
 * Subscribers of a worker's events and of those of the cluster do what they should not, while the
 * worker drains trivial jobs as fast as it can. Rounds with and without them take turns, and their
 * rates are compared; what the subscribers themselves took of the thread is not left out.
 *
 * Seen failing: while each subscriber had a queue and turns of its own, ten of them that block took
 * the worker to a seventh of its rate, and a thousand that only count to a tenth.
 */
export const t25: ChaosTest = {
  id: "T25",
  title: "subscribers that throw, block for 50 ms, never read or leave: one of each, and 1,000",
  ci: true,
  run: async ({ size, database: open }) => {
    await using database = await open();
    const order: SubscribersOrder = {
      connectionString: database.connectionString,
      jobs: size(12_000, 5_500),
      rounds: 4,
      many: 1_000,
    };
    await using child = startChild<SubscribersSaid>("subscribers", order, ["--expose-gc"]);
    const { figures } = await child.hear("result", 300_000);
    const how = await child.ended;
    const { unprotectedPercent, ...rest } = figures;
    return {
      figures: { ...rest, badExits: how === "0" ? 0 : 1 },
      rules: {
        fewPercent: atLeast(80),
        manyPercent: atLeast(80),
        dropped: atLeast(1),
        uncounted: is(0),
        thrown: atLeast(1),
        heapHeld: atMost(HEAP_BYTES),
        heapGrowth: atMost(GROWTH_BYTES),
        badRounds: is(0),
        badExits: is(0),
      },
      control: { unprotectedPercent },
      controlRules: { unprotectedPercent: atMost(10) },
    };
  },
};
