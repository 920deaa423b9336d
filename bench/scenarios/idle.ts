import { setTimeout } from "node:timers/promises";
import type { Place } from "../lab/lab.ts";
import { checkDone, start, stop, untilHandled } from "../measure/drain.ts";
import { PEERS } from "../systems/names.ts";
import { fresh } from "./scenario.ts";
import type { Case, Scenario } from "./scenario.ts";

/** Time to come to rest after the start, and for Postgres to report what it counted, in milliseconds. */
const REST_MS = 12_000;

const idle = (queues: number, seconds: number): Case => ({
  label: queues === 1 ? "1 queue" : `${queues} queues`,
  runs: fresh(async (lab, system) => {
    await using place = await lab.place(system, { queues });
    const [worker, commands] = await Promise.all([place.child(), counterOf(place)]);
    await start([worker], { concurrency: 1, sort: "noop" });
    await setTimeout(REST_MS);
    const look = async () => ({
      commands: await commands(),
      usage: await worker.ask("usage", {}),
      serverUs: await place.serverCpuUs(),
    });
    const before = await look();
    await setTimeout(seconds * 1000);
    const after = await look();
    // It was idle, and not dead.
    const sender = await place.child();
    const sent = await sender.ask("call", { count: 1, callers: 1 });
    await untilHandled([worker], sent.count);
    await stop([worker]);
    await checkDone([worker], [sent]);
    const perS = (name: string, from: number, to: number) => ({ [name]: (to - from) / seconds });
    return {
      figures: {
        ...perS("queries/s", before.commands, after.commands),
        ...perS("Node ms/s", before.usage.cpuUs / 1000, after.usage.cpuUs / 1000),
        ...(before.serverUs === undefined || after.serverUs === undefined
          ? {}
          : perS("server ms/s", before.serverUs / 1000, after.serverUs / 1000)),
        "heap MB": after.usage.heapMb,
        "resident MB": after.usage.residentMb,
      },
    };
  }),
});

const COMMANDS = `
  select (xact_commit + xact_rollback)::float8 as commands
    from pg_stat_database where datname = current_database()`;

/**
 * What reads how many commands the store has carried out so far. Postgres is asked past the system, since a
 * second instance of that may have work of its own, which would count as the worker's. One of BullMQ has none,
 * and but for its question Redis hears nothing of it.
 */
async function counterOf(place: Place): Promise<() => Promise<number>> {
  if (place.system !== "bullmq-redis")
    return async () => Number((await place.sql(COMMANDS))[0]?.["commands"]);
  const counter = await place.child();
  return () => counter.ask("commands", {});
}

/** What nothing costs. */
export const idleScenario: Scenario = {
  name: "idle",
  about: "A worker without jobs, with 1, 10 and 100 queues, for 30 s.",
  systems: ["millrace", ...PEERS],
  headline: { figure: "queries/s", better: "less" },
  cases: (scale) => [1, 10, 100].map((queues) => idle(queues, Math.max(10, 30 * scale))),
};
