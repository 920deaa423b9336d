import { filter, firstValueFrom } from "rxjs";
import { OptionError, createClient, payload } from "../../src/index.ts";
import type { Client, PayloadSchema } from "../../src/index.ts";
import { differentNames } from "../fuzz/names.ts";
import { VICTIMS_SQL, careless, victims } from "../fuzz/victims.ts";
import { catalogueOf, contentOf, differences } from "../harness/catalogue.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { atLeast, is } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import type { ChaosTest } from "../harness/test.ts";
import { until } from "../harness/wait.ts";

type Kinds = Readonly<Record<string, PayloadSchema>>;

/** How many names a worker drains as queues, and knows as kinds, at a time. */
const CHUNK = 50;

/** The schema that all others must be like: the board adds triggers to `millrace`. */
const MODEL = "model";

/** What became of the names. */
class Count {
  refused = 0;
  accepted = 0;
  /** Refused with anything but an `OptionError`. */
  strangeErrors = 0;
  /** Came back as something else, or not at all. */
  changed = 0;

  /** Does something with a name; the answer is `undefined` where that was refused. */
  async try<T>(what: string, name: string, work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      const answer = await work();
      this.accepted += 1;
      return answer;
    } catch (error) {
      if (error instanceof OptionError) this.refused += 1;
      else {
        this.strangeErrors += 1;
        tell(`${what} ${JSON.stringify(name).slice(0, 100)}: ${String(error)}`);
      }
      return undefined;
    }
  }

  figures(): Figures {
    const { refused, accepted, strangeErrors, changed } = this;
    return { refused, accepted, strangeErrors, changed };
  }

  same(what: string, got: unknown, wanted: unknown): void {
    if (JSON.stringify(got) === JSON.stringify(wanted)) return;
    this.changed += 1;
    tell(
      `${what}: ${JSON.stringify(got)?.slice(0, 300)} instead of ${JSON.stringify(wanted)?.slice(0, 300)}`,
    );
  }
}

/**
 * Names of every sort for kinds, queues, sources, keys, labels and reasons, all in one schema, and for
 * schemas, each with its tables. What is refused is refused by the library; what is not comes back as
 * it was; and nothing but what is ours has changed in the database.
 *
 * The control puts the names into statements as they are.
 */
export const t29: ChaosTest = {
  id: "T29",
  title: "names with SQL, Unicode and 63 and 64 bytes, for all that has a name",
  ci: true,
  run: async ({ random, size, database: open }) => {
    await using database = await open();
    await database.pool.query(VICTIMS_SQL);
    await using model = createClient({
      connectionString: database.connectionString,
      schema: MODEL,
      jobs: {},
      logger: false,
    });
    await model.migrate();
    const before = await catalogueOf(database);
    const names = differentNames(size(2_000, 300), random.integer(0, 2 ** 31 - 1));
    const count = new Count();
    for (let from = 0; from < names.length; from += CHUNK) {
      await useAll(database, names.slice(from, from + CHUNK), count);
    }
    const schemaNames = differentNames(size(120, 24), random.integer(0, 2 ** 31 - 1));
    const schemas = new Set<string>();
    for (const schema of schemaNames) if (await useSchema(database, schema, count)) schemas.add(schema);
    const after = await catalogueOf(database);
    const foreign = differences(before, after, schemas);
    for (const text of foreign.slice(0, 10)) tell(`changed in the catalogue: ${text}`);
    // `public` and `information_schema` hold more than ours.
    for (const schema of schemas) {
      const others = new Set(contentOf(before, schema));
      const [ours, wanted] = [schema, MODEL].map((name) =>
        contentOf(after, name).filter((text) => !others.has(text)),
      );
      count.same(`tables of ${schema}`, ours, wanted);
    }
    return {
      figures: {
        names: names.length,
        schemas: schemas.size,
        ...count.figures(),
        foreign: foreign.length,
        ...(await victims(database)),
      },
      rules: {
        schemas: atLeast(1),
        refused: atLeast(1),
        accepted: atLeast(names.length),
        strangeErrors: is(0),
        changed: is(0),
        foreign: is(0),
        victimsLost: is(0),
      },
      control: await careless(database, names),
      controlRules: { errors: atLeast(1), victimsLost: atLeast(1) },
    };
  },
};

/** Each name as whatever it may be: a job of it is cancelled by it, another one runs, and both are told of. */
async function useAll(
  { connectionString, pool }: ChaosDatabase,
  names: readonly string[],
  count: Count,
): Promise<void> {
  const kinds: string[] = [];
  for (const name of names) {
    const jobs = Object.fromEntries([[name, payload()]]);
    if ((await count.try("kind", name, () => createClient({ pool, jobs, logger: false }))) !== undefined)
      kinds.push(name);
  }
  const jobs: Kinds = Object.fromEntries(kinds.map((kind) => [kind, payload()]));
  await using client = createClient({ connectionString, jobs, logger: false });
  const wanted = new Map<string, unknown>();
  for (const name of names)
    await enqueueBoth(
      client,
      { name, kind: kinds.includes(name) ? name : (kinds[0] ?? "") },
      { count, wanted },
    );
  await run(client, { kinds, names }, { count, wanted });
}

interface Told {
  readonly count: Count;
  /** What of each job is to be heard, by its id. */
  readonly wanted: Map<string, unknown>;
}

async function enqueueBoth(
  client: Client<Kinds>,
  { name, kind }: { readonly name: string; readonly kind: string },
  { count, wanted }: Told,
): Promise<void> {
  const options = { queue: name, source: name };
  for (const which of ["queue", "source"] as const) {
    const id = await count.try(which, name, () =>
      client.enqueue(kind, name.toWellFormed().replaceAll("\0", ""), { [which]: name, delayMs: 1e9 }),
    );
    const cancelled = await count.try(`cancel by ${which}`, name, () => client.cancel({ [which]: name }));
    if (id !== undefined) count.same("cancelled", cancelled?.ended, [id]);
  }
  await count.try("reason", name, () => client.cancel({ source: "nothing" }, name));
  const first = await count.try("key", name, () =>
    client.enqueueOnce(kind, {}, { key: name, queue: "keyed" }),
  );
  if (first !== undefined) {
    const again = await client.enqueueOnce(kind, {}, { key: name, queue: "keyed" });
    count.same("key", again, { id: first.id, inserted: false });
  }
  const id = await count.try("job", name, () => client.enqueue(kind, {}, options));
  if (id !== undefined) wanted.set(id, { kind, ...options });
}

/** A worker of these queues and kinds, its label among the names, and somebody who hears of it. */
async function run(
  client: Client<Kinds>,
  { kinds, names }: { readonly kinds: readonly string[]; readonly names: readonly string[] },
  { count, wanted }: Told,
): Promise<void> {
  const queues = names.filter((name) =>
    [...wanted.values()].some((job) => (job as { queue: string }).queue === name),
  );
  const heard = new Map<string, unknown>();
  const event$ = client.events({ types: ["succeeded"], kinds, queues });
  const listening = firstValueFrom(event$.pipe(filter(({ type }) => type === "listening")));
  const hearing = event$.subscribe((event) => {
    if (event.type !== "succeeded") return;
    const { kind, queue, source } = event.job;
    heard.set(event.job.id, { kind, queue, source });
  });
  await listening;
  const taken = new Map<string, unknown>();
  const handlers = Object.fromEntries(
    kinds.map((kind) => [
      kind,
      (job: { id: string; kind: string; queue: string; source: string | undefined }): void =>
        void taken.set(job.id, { kind: job.kind, queue: job.queue, source: job.source }),
    ]),
  );
  for (const label of names)
    await count.try("label", label, () => client.worker({ handlers, label, queues: [label] }));
  const worker = await client.spawnWorker({ handlers, queues, label: queues.at(-1) ?? "none" });
  const done = (): true | undefined =>
    [...wanted.keys()].every((id) => taken.has(id) && heard.has(id)) ? true : undefined;
  await until("all jobs run and are told of", done, { timeoutMs: 10_000 }).catch(() => undefined);
  const [here] = await firstValueFrom(client.workers());
  count.same("label", here?.label, queues.at(-1));
  await worker.shutdown();
  hearing.unsubscribe();
  for (const [id, job] of wanted) {
    count.same("claimed", taken.get(id), job);
    count.same("told", heard.get(id), job);
  }
}

/** Tables of that name, and a job in them that is woken by a notification, for the worker polls too seldom. */
async function useSchema(
  { connectionString, pool }: ChaosDatabase,
  schema: string,
  count: Count,
): Promise<boolean> {
  const made = await count.try("schema", schema, async () => {
    await using client = createClient({
      connectionString,
      schema,
      jobs: { work: payload<number>() },
      logger: false,
    });
    count.same("migrated from", (await client.migrate()).from, 0);
    const worker = await client.spawnWorker({
      pollIntervalMs: 60_000,
      handlers: { work: ({ payload: n }) => Promise.resolve(n + 1) },
    });
    await using other = createClient({
      connectionString,
      schema,
      jobs: { work: payload<number>() },
      logger: false,
    });
    const id = await other.enqueue("work", 1, { keepResultMs: 60_000 });
    count.same("result", await other.result(id, { timeoutMs: 10_000 }), 2);
    await worker.shutdown();
    return true;
  });
  if (made !== true) return false;
  const { rows } = await pool.query<{ found: boolean }>(
    "select exists (select from pg_namespace where nspname = $1) as found",
    [schema],
  );
  count.same("schema", rows[0]?.found, true);
  return true;
}

function tell(text: string): void {
  process.stderr.write(`T29: ${text}\n`);
}
