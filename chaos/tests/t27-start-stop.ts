import type { StartStopOrder, StartStopResult } from "../children/start-stop.ts";
import { startChild } from "../harness/child.ts";
import { feed } from "../harness/feed.ts";
import { atMost, is } from "../harness/figures.ts";
import type { ChaosTest } from "../harness/test.ts";

/** How often each place starts and stops a worker before memory is measured: much is made once. */
const WARM_UP = 10;

/** What may be left of a worker, in bytes. */
const BYTES_A_WORKER = 2_000;

/** Code is compiled and dropped all the time, 1 kB a worker and more: without that, what is left is data. */
const STEADY = ["--expose-gc", "--no-opt", "--no-sparkplug", "--no-flush-bytecode"];

/** Connections come and go some thousand times: starting one takes what it takes. */
const PROGRAM_MS = 600_000;

/**
 * Workers start and stop at random in one process, while there is work. Memory is measured in full size
 * only: of few workers nothing can be told, and it takes half a minute of quiet.
 *
 * Seen failing: with a listener on the process that each worker left, with a pool that was not closed,
 * with 10 kB that were kept of each worker, and with a connection that listened and was not waited for.
 */
export const t27: ChaosTest = {
  id: "T27",
  title: "10 workers of one process start and stop 50 times each, at random",
  ci: true,
  run: async ({ random, size, ci, database: open }) => {
    await using database = await open();
    await using load = feed(database, {
      workOf: () => ({ deed: "return", ms: random.integer(0, 40) }),
      level: 100,
    });
    const order: StartStopOrder = {
      connectionString: database.connectionString,
      seed: random.integer(0, 1_000_000),
      loops: 10,
      warmUp: ci ? 0 : WARM_UP,
      rounds: size(50 - WARM_UP, 6),
    };
    await using child = startChild<StartStopResult>("start-stop", order, STEADY);
    const { handles, figures } = await child.hear("result", PROGRAM_MS);
    const how = await child.ended;
    await load.stop();
    if (handles.length > 0) process.stderr.write(`start-stop left ${handles.join(", ")}\n`);
    const audit = await database.audit();
    return {
      figures: {
        ...figures,
        badExits: how === "0" ? 0 : 1,
        handlesLeft: handles.length,
        backendsLeft: audit["backendsLeft"] ?? -1,
      },
      rules: {
        stops: is(order.loops * (order.warmUp + order.rounds)),
        slowestStopMs: atMost(5_000),
        badEnds: is(0),
        badExits: is(0),
        ...(ci ? {} : { heapGrowth: atMost(BYTES_A_WORKER * order.loops * order.rounds) }),
        listenersLeft: is(0),
        handlesLeft: is(0),
        backendsLeft: is(0),
      },
    };
  },
};
