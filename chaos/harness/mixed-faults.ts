import { backendsOf, pick, terminate } from "./backends.ts";
import type { ChaosDatabase } from "./database.ts";
import type { Fleet } from "./fleet.ts";
import type { PgProxy } from "./pg-proxy.ts";
import type { Random } from "./random.ts";
import type { ChaosServer } from "./server.ts";
import { sleep } from "./wait.ts";

/** What can be broken. */
export interface Breakables {
  /** Of this fault alone: how many numbers it draws may depend on what it meets. */
  readonly random: Random;
  readonly server: ChaosServer;
  readonly database: ChaosDatabase;
  readonly proxy: PgProxy;
  /** Whose processes may be stopped. */
  readonly fleet: Fleet;
  readonly leaseMs: number;
}

/** One fault: resolves when what it held is let go. */
export type Fault = (breakables: Breakables) => Promise<unknown>;

/** A fault of a schedule. */
export interface PlannedFault {
  readonly name: string;
  readonly random: Random;
}

/** How many backends an operator ends at a time. */
const BACKENDS = 3;

/** Faults of single tests of the board, by name. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  kill: async (all) => victim(all)?.signal("SIGKILL"),
  pause: async (all) => {
    const paused = victim(all);
    paused?.signal("SIGSTOP");
    await sleep(all.random.between(0.5, 1.5) * all.leaseMs);
    paused?.signal("SIGCONT");
  },
  "end backends": async ({ database, random }) =>
    terminate(database, pick(await backendsOf(database), random, BACKENDS)),
  "end listeners": async ({ database }) => {
    const all = await backendsOf(database);
    const listeners = all.filter(({ name }) => name.startsWith("millrace listen "));
    return terminate(database, listeners);
  },
  cut: async ({ proxy }) => {
    proxy.stall(() => true);
    proxy.resetStalled();
  },
  stall: async ({ proxy, random, leaseMs }) => {
    proxy.stall(() => random.next() < 0.5);
    await sleep(random.between(0.5, 1.5) * leaseMs);
    proxy.resetStalled();
  },
  restart: async ({ server, random }) => {
    await server.stopImmediately();
    await sleep(random.between(0, 800));
    await server.start();
  },
};

/** So many faults, in an order that the seed decides; each sort as often as the others. */
export function scheduleOf(random: Random, count: number): readonly PlannedFault[] {
  const names = Object.keys(FAULTS);
  const rounds = Array.from({ length: Math.ceil(count / names.length) }, () => shuffled(names, random));
  return rounds
    .flat()
    .slice(0, count)
    .map((name) => ({ name, random: random.fork() }));
}

function shuffled(names: readonly string[], { next }: Random): readonly string[] {
  const keyed = names.map((name) => ({ name, key: next() }));
  return keyed.toSorted((one, other) => one.key - other.key).map(({ name }) => name);
}

function victim({ fleet, random }: Breakables): ReturnType<Fleet["members"]>[number] | undefined {
  const members = fleet.members();
  return members[random.integer(0, members.length - 1)];
}
