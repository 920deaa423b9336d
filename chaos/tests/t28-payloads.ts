import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import pg from "pg";
import { PayloadError, createClient, payload } from "../../src/index.ts";
import type { Client, PayloadSchema } from "../../src/index.ts";
import { FICKLE, MAX_BYTES, samples } from "../fuzz/payloads.ts";
import type { Bad, Good } from "../fuzz/payloads.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { atLeast, is } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import type { ChaosTest } from "../harness/test.ts";
import { until } from "../harness/wait.ts";

const BATCH = 250;

const jobs: { readonly work: PayloadSchema } = { work: payload<unknown>() };

/** What was refused, and how well. */
interface Refusals {
  refused: number;
  /** Refused ones that were accepted all the same. */
  accepted: number;
  /** Refused by something else than the library: mostly by Postgres, with all that came with them. */
  strangeErrors: number;
  /** Errors that do not say where. */
  pathsMissing: number;
}

/**
 * Payloads of every sort through `enqueueMany` and a worker, and such as cannot be kept, each alone and
 * among jobs that are sound.
 *
 * What arrives must equal what `JSON.stringify` makes of what was given, and that counts as equal: members
 * that are \`undefined\` are left out, \`-0\` is \`0\`, a Date is its ISO text, and what has a \`toJSON\` is what
 * that answers. Whatever else of the samples JSON would change must be refused.
 *
 * The control writes the same with `JSON.stringify` and nothing else.
 */
export const t28: ChaosTest = {
  id: "T28",
  title: "payloads of every sort, and such as JSON or Postgres cannot keep",
  ci: true,
  run: async ({ random, size, database: open }) => {
    await using database = await open();
    const { connectionString } = database;
    await using client = createClient({ connectionString, jobs, logger: false, maxPayloadBytes: MAX_BYTES });
    const all = fc.sample(samples, { numRuns: size(10_000), seed: random.integer(0, 2 ** 31 - 1) });
    const good = all.filter((sample) => sample.good);
    const bad = all.filter((sample) => !sample.good);

    const refusals = await refuse(client, bad);
    const written = await countOf(database);
    const expected = new Map<string, unknown>();
    for (let from = 0; from < good.length; from += BATCH)
      await enqueue(client, good.slice(from, from + BATCH), expected);
    const fickle = await refuseFickle(client);
    const changed = await changedOf(client, expected);
    return {
      figures: { payloads: all.length, ...refusals, written, accepted: good.length, ...changed, ...fickle },
      rules: {
        wronglyAccepted: is(0),
        strangeErrors: is(0),
        pathsMissing: is(0),
        written: is(0),
        arrived: is(good.length),
        changed: is(0),
        fickleErrors: is(0),
      },
      control: await unchecked(database, all),
      controlRules: { changed: atLeast(1), refusedByPostgres: atLeast(1) },
    };
  },
};

/** Every second one stands between two that are sound, with which it must fail; the others come at the same moment. */
async function refuse(client: Client<typeof jobs>, bad: readonly Bad[]): Promise<Figures> {
  const refusals: Refusals = { refused: 0, accepted: 0, strangeErrors: 0, pathsMissing: 0 };
  for (let from = 0; from < bad.length; from += BATCH) {
    const calls = bad.slice(from, from + BATCH).map(async (sample, n) => {
      try {
        await (n % 2 === 0
          ? client.enqueue("work", sample.make())
          : client.enqueueMany(between(sample.make())));
        refusals.accepted += 1;
        tell(`accepted: ${sample.fault} at ${JSON.stringify(sample.path)}`);
      } catch (error) {
        note(refusals, sample, error);
      }
    });
    await Promise.all(calls);
  }
  const { accepted: wronglyAccepted, ...others } = refusals;
  return { wronglyAccepted, ...others };
}

function between(made: unknown): readonly { readonly kind: "work"; readonly payload: unknown }[] {
  return [1, made, 2].map((one) => ({ kind: "work", payload: one }));
}

function note(refusals: Refusals, { fault, path }: Bad, error: unknown): void {
  refusals.refused += 1;
  if (!(error instanceof PayloadError)) {
    refusals.strangeErrors += 1;
    tell(`strange error for ${fault} at ${JSON.stringify(path)}: ${String(error)}`);
  } else if (!namesPath(error.message, path, fault)) {
    refusals.pathsMissing += 1;
    tell(`no path for ${fault} at ${JSON.stringify(path)}: ${error.message.slice(0, 300)}`);
  }
}

/** What is too deep, or goes round, is found below the place where that begins. */
function namesPath(message: string, path: string, fault: string): boolean {
  if (fault === "too large")
    return /^The payload of .* at most \d+ bytes of JSON, it has \d+$/u.test(message);
  const below = fault === "too deep" || fault === "cycle";
  return message.includes(below ? `: ${path}` : `: ${path} is `);
}

/** `expected` gets what JSON makes of them, by the ids of the jobs. */
async function enqueue(
  client: Client<typeof jobs>,
  good: readonly Good[],
  expected: Map<string, unknown>,
): Promise<void> {
  const made = good.map((sample) => sample.make());
  const ids = await client.enqueueMany(made.map((one) => ({ kind: "work", payload: one }) as const));
  made.forEach((one, n) => expected.set(ids[n] ?? "none", JSON.parse(JSON.stringify(one))));
}

/** Those that differ from one reading to the next, each among sound ones, which must not fail with it. */
async function refuseFickle(client: Client<typeof jobs>): Promise<Figures> {
  const tries = FICKLE.flatMap((make) => [1, make(), 2].map((made) => client.enqueue("work", made)));
  const ends = await Promise.allSettled(tries);
  const errors = ends.flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : []));
  const strange = errors.filter((error) => !(error instanceof PayloadError));
  for (const error of strange) tell(`strange error for a fickle one: ${String(error)}`);
  return { fickleErrors: strange.length };
}

/** A worker takes them all. Jobs that it knows nothing of are those of `refuseFickle`. */
async function changedOf(
  client: Client<typeof jobs>,
  expected: ReadonlyMap<string, unknown>,
): Promise<Figures> {
  const arrived = new Map<string, unknown>();
  const worker = await client.spawnWorker({
    concurrency: 100,
    handlers: { work: ({ id, payload: got }) => void arrived.set(id, got) },
  });
  const isLast = (): true | undefined =>
    [...expected.keys()].every((id) => arrived.has(id)) ? true : undefined;
  await until("all payloads arrive", isLast, { everyMs: 100 }).catch(() => undefined);
  await worker.shutdown();
  const known = [...arrived].filter(([id]) => expected.has(id));
  const changed = known.filter(([id, got]) => !isDeepStrictEqual(got, expected.get(id)));
  for (const [id, got] of changed.slice(0, 5))
    tell(`changed: ${JSON.stringify(expected.get(id))} became ${JSON.stringify(got)}`);
  return { arrived: known.length, changed: changed.length };
}

async function countOf({ pool }: ChaosDatabase): Promise<number> {
  const { rows } = await pool.query<{ count: number }>("select count(*)::int as count from millrace.jobs");
  return rows[0]?.count ?? -1;
}

/** What would come of them without a check, as far as `JSON.stringify` takes them. */
async function unchecked({ pool }: ChaosDatabase, all: readonly (Good | Bad)[]): Promise<Figures> {
  await pool.query("create table chaos.unchecked (payload jsonb)");
  let changed = 0;
  let refusedByPostgres = 0;
  for (const sample of all.filter(({ good }) => !good).slice(0, 500)) {
    try {
      const made = sample.make();
      const { rows } = await pool.query<{ payload: unknown }>(
        "insert into chaos.unchecked values ($1) returning payload",
        [JSON.stringify(made)],
      );
      if (!isDeepStrictEqual(rows[0]?.payload, made)) changed += 1;
    } catch (error) {
      if (error instanceof pg.DatabaseError) refusedByPostgres += 1;
    }
  }
  return { changed, refusedByPostgres };
}

function tell(text: string): void {
  process.stderr.write(`T28: ${text}\n`);
}
