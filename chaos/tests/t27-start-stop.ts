import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { StartStopOrder, StartStopResult } from "../children/start-stop.ts";
import { feed } from "../harness/feed.ts";
import { atMost, is } from "../harness/figures.ts";
import { programOf } from "../harness/programs.ts";
import type { ChaosTest } from "../harness/test.ts";

/** A few kB a worker would be ten times that over 450 workers. */
const HEAP_BYTES = 6_000_000;

/** Connections come and go some thousand times: starting one takes what it takes. */
const PROGRAM_MS = 600_000;

/**
 * Workers start and stop at random in one process, while there is work.
 *
 * Seen failing: with a listener on the process that each worker left, with a pool that was not closed,
 * and with a connection that listened and was not waited for.
 */
export const t27: ChaosTest = {
  id: "T27",
  title: "10 workers of one process start and stop 50 times each, at random",
  ci: true,
  run: async ({ random, size, database: open }) => {
    await using database = await open();
    await using load = feed(database, {
      workOf: () => ({ deed: "return", ms: random.integer(0, 40) }),
      level: 100,
    });
    const order: StartStopOrder = {
      connectionString: database.connectionString,
      seed: random.integer(0, 1_000_000),
      loops: 10,
      rounds: size(50, 6),
    };
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--expose-gc", programOf("start-stop"), JSON.stringify(order)],
      { timeout: PROGRAM_MS },
    );
    await load.stop();
    const { handles, ...figures } = JSON.parse(stdout) as StartStopResult;
    if (handles.length > 0) process.stderr.write(`start-stop left ${handles.join(", ")}\n`);
    const audit = await database.audit();
    return {
      figures: { ...figures, handlesLeft: handles.length, backendsLeft: audit["backendsLeft"] ?? -1 },
      rules: {
        stops: is(order.loops * order.rounds),
        slowestStopMs: atMost(5_000),
        badEnds: is(0),
        heapGrowth: atMost(HEAP_BYTES),
        listenersLeft: is(0),
        handlesLeft: is(0),
        backendsLeft: is(0),
      },
    };
  },
};
