import { AsyncLocalStorage } from "node:async_hooks";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { asyncScheduler } from "rxjs";
import { memoryStore } from "../../src/testing/index.ts";
import type { Settlement } from "../../src/testing/index.ts";
import { actions } from "../../test/contract/actions.ts";
import type { Action } from "../../test/contract/actions.ts";
import type { Setup } from "../../test/contract/bench.ts";
import { compare } from "../../test/contract/compare.ts";
import { memorySubject } from "../../test/contract/memory-subject.ts";
import { openStore, postgresSetup } from "../../test/contract/postgres-subject.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { atLeast, is } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import type { Bench, ChaosTest } from "../harness/test.ts";

/** How many databases are tried at a time. */
const LANES = 3;

/** How many times a list that fails may be tried shorter, of which each takes a part of a second. */
const MAX_SHRINKS = 500;

/**
 * Random calls, in random order, to the Postgres store and to the memory store, which is the model that
 * T32 explores: the answers are the same, and so is all that can be seen of the jobs after each call. A
 * list on which they differ is shrunk before it is shown.
 *
 * The control is a store that settles by the id alone.
 */
export const t31: ChaosTest = {
  id: "T31",
  title: "random sequences of calls to Postgres and to the memory store",
  ci: true,
  run: async ({ size, random, database: open }) => {
    const sequences = size(2_000, 120);
    const lane = async (): Promise<Figures> => {
      await using database = await open();
      const store = openStore(database.connectionString);
      try {
        const { figures, example } = await agreementOf(
          await setupOn(database, store),
          Math.ceil(sequences / LANES),
          random,
        );
        if (figures["disagreements"] !== 0) process.stderr.write(`T31: ${example}\n`);
        return figures;
      } finally {
        await store.close();
      }
    };
    const lanes = await withClocks(async () => Promise.all(Array.from({ length: LANES }, lane)));
    const control = await withClocks(async () => agreementOf(unfenced, sequences, random));
    return {
      figures: sumOf(lanes),
      rules: { sequences: atLeast(sequences), calls: atLeast(10 * sequences), disagreements: is(0) },
      control: control.figures,
      controlRules: { disagreements: is(1), shrunkTo: atLeast(1) },
    };
  },
};

/** Makes a database ready. Nobody reads the ledger here, its triggers take time, and nothing must endure. */
async function setupOn({ pool }: ChaosDatabase, store: ReturnType<typeof openStore>): Promise<Setup> {
  await pool.query("drop schema chaos cascade");
  for (const setting of ["synchronous_commit = off", "plan_cache_mode = force_generic_plan"]) {
    await pool.query(
      `do $$ begin execute format('alter database %I set ${setting}', current_database()); end $$`,
    );
  }
  return postgresSetup({ pool, store: () => ({ ...store, close: () => Promise.resolve() }) });
}

/** Of all lanes together, but for the length of the longest example. */
function sumOf(lanes: readonly Figures[]): Figures {
  const sum = (name: string): number => lanes.reduce((total, lane) => total + (lane[name] ?? 0), 0);
  const figures = Object.fromEntries(Object.keys(lanes[0] ?? {}).map((name) => [name, sum(name)]));
  return { ...figures, shrunkTo: Math.max(...lanes.map((lane) => lane["shrunkTo"] ?? 0)) };
}

/** What came of comparing, and the list on which the two differ, in words. */
interface Agreement {
  readonly figures: Figures;
  readonly example: string;
}

/** Compares a store with the model until they differ. */
async function agreementOf(
  setup: Setup,
  sequences: number,
  { integer }: Bench["random"],
): Promise<Agreement> {
  let calls = 0;
  const settings = { numRuns: sequences, seed: integer(0, 2 ** 31 - 1) };
  let runs = 0;
  // When it has been shrunk often enough, nothing shorter fails any more.
  const property = fc.asyncProperty(actions, async (list) => {
    runs += 1;
    if (runs > sequences + MAX_SHRINKS) return;
    calls += list.length;
    await agree(list, setup);
  });
  const { numRuns, numShrinks, counterexample, errorInstance } = await fc.check(property, settings);
  const shrunk: readonly Action[] = counterexample?.[0] ?? [];
  return {
    figures: {
      sequences: numRuns,
      calls,
      disagreements: counterexample === null ? 0 : 1,
      shrinks: numShrinks,
      shrunkTo: shrunk.length,
    },
    example: [String(errorInstance), ...shrunk.map((one) => `  ${JSON.stringify(one)}`)].join("\n"),
  };
}

/** The clock of each lane: it stands still but for what `elapse` lets pass. */
const clocks = new AsyncLocalStorage<{ now: number }>();

/** The clock of the model is that of RxJS: meanwhile each lane has its own. */
async function withClocks<T>(work: () => Promise<T>): Promise<T> {
  const clock = asyncScheduler.now;
  asyncScheduler.now = () => clocks.getStore()?.now ?? clock();
  try {
    return await work();
  } finally {
    asyncScheduler.now = clock;
  }
}

async function agree(list: readonly Action[], setup: Setup): Promise<void> {
  const clock = { now: Date.now() };
  const elapse = (ms: number): void => {
    clock.now += ms;
  };
  await clocks.run(clock, async () => compare(list, { setup, same, elapse }));
}

function same(got: readonly unknown[], wanted: readonly unknown[]): void {
  const [one, other] = [got, wanted].map((value): unknown => JSON.parse(JSON.stringify(value)));
  if (isDeepStrictEqual(one, other)) return;
  throw new Error(`The store says ${JSON.stringify(one)}, the model ${JSON.stringify(other)}`);
}

/** The memory store with the fence off. The model moves the clock of both. */
const unfenced: Setup = async () => {
  const store = memoryStore();
  const current = ({ id, token, ...rest }: Settlement): Settlement => {
    const job = store.jobs().find((one) => one.id === id);
    return { ...rest, id, token: job?.token ?? token };
  };
  const settle: typeof store.settle = (workerId, settlements) =>
    store.settle(workerId, settlements.map(current));
  return memorySubject({ ...store, settle }, () => undefined);
};
