import pg from "pg";
import { elementAt, filter, firstValueFrom } from "rxjs";
import type { Client, WorkerEvent, WorkerHandle } from "../../src/index.ts";
import { until } from "../harness/wait.ts";
import { REFUSED, secretDeeds } from "./secret-deeds.ts";
import type { SecretDeed } from "./secret-deeds.ts";
import { loudClient } from "./secret-jobs.ts";
import type { jobs } from "./secret-jobs.ts";
import type { SecretsOrder, Witness } from "../harness/secrets.ts";

/** Constraints of the app, which refuse some payloads and results. What Postgres says of that quotes rows. */
const CONSTRAINTS_SQL = ["pending", "scheduled", "waiting"]
  .map(
    (table) => `alter table millrace.${table} add constraint unfit check (payload ->> '${REFUSED}' is null);`,
  )
  .concat(`alter table millrace.completed add constraint unfit check (result ->> '${REFUSED}' is null);`)
  .join("\n");

const TERMINATE_SQL = `select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and application_name like 'millrace%'`;

/** What anybody may see of the library in the server, but for the jobs themselves. */
const SERVER_SQL = `
select a.query as text from pg_stat_activity a
 where a.datname = current_database() and a.application_name like 'millrace%'
union all select to_jsonb(w)::text from millrace.workers w
union all select to_jsonb(s)::text from millrace.subscribers s`;

/** As `docs/security.md` names them. */
const CHANNELS = ["millrace:millrace", "millrace-events:millrace"];

interface Bench {
  readonly order: SecretsOrder;
  readonly witness: Witness;
  readonly owner: pg.Client;
  readonly client: Client<typeof jobs>;
  readonly deeds: Readonly<Record<string, SecretDeed>>;
}

/** Runs jobs to every end that there is, while somebody looks at everything. */
export async function work(order: SecretsOrder, witness: Witness): Promise<void> {
  const pool = new pg.Pool({ connectionString: order.url });
  const owner = new pg.Client({ connectionString: order.ownerUrl });
  await owner.connect();
  await owner.query(CONSTRAINTS_SQL);
  try {
    await using client = loudClient(order.url);
    const bench: Bench = { order, witness, owner, client, deeds: secretDeeds(order, pool) };
    await listen(bench);
    await runAll(bench);
    await lose(bench);
  } finally {
    await owner.end();
    await pool.end();
  }
}

/** Hears everything from now on. */
async function listen({ owner, client, witness: { saw } }: Bench): Promise<void> {
  owner.on("notification", ({ channel, payload = "" }) => saw("notify", channel, payload));
  for (const channel of CHANNELS) await owner.query(`listen ${owner.escapeIdentifier(channel)}`);
  const event$ = client.events();
  event$.subscribe((event) => saw("cluster", event.type, event));
  client.events({ from: "start" }).subscribe((event) => saw("cluster", event.type, event));
  client.depth().subscribe((value) => saw("answer", "depth", value));
  client.failed().subscribe((value) => saw("answer", "failed", value));
  client.workers().subscribe((value) => saw("answer", "workers", value));
  client.active().subscribe((value) => saw("state", "active", value));
  await firstValueFrom(event$.pipe(filter(({ type }) => type === "listening")));
}

/** Starts a worker for everything, whose events are seen, once also by a subscriber that throws them. */
async function spawn(
  { client, deeds, witness: { saw } }: Bench,
  queue: string,
  settings: { readonly drainTimeoutMs?: number; readonly abortGraceMs?: number } = {},
): Promise<WorkerHandle> {
  const handled = new Set<string>();
  const worker = await client.spawnWorker({
    ...settings,
    queues: [queue],
    concurrency: 20,
    leaseDurationMs: 2_000,
    handlers: {
      work: (job, context) => deeds[deedOf(job.payload)]?.run(job, context),
      quoted: () => undefined,
      shown: () => undefined,
      numbered: () => undefined,
    },
  });
  worker.event$.subscribe((event) => saw("event", event.type, event));
  worker.event$.subscribe((event) => {
    if (handled.has(event.type)) return;
    handled.add(event.type);
    throw Object.assign(new Error("A subscriber throws"), { event });
  });
  saw("object", "worker", worker);
  return worker;
}

async function runAll(bench: Bench): Promise<void> {
  const { client, deeds, owner, order, witness } = bench;
  const { payload: text, number, key } = order.markers;
  const { saw, tries } = witness;
  const [normal, stuck] = await Promise.all([spawn(bench, "default"), spawn(bench, "stuck")]);
  for (const [deed, { options, isStuck }] of Object.entries(deeds)) {
    const queue = isStuck === true ? "stuck" : "default";
    await tries(deed, async () => {
      const id = await client.enqueue(
        "work",
        { deed, text, number },
        { ...options, queue, key: `${key} ${deed}` },
      );
      client.watch(id).subscribe((update) => saw("state", deed, update));
    });
  }
  for (const kind of ["quoted", "shown", "numbered"])
    await owner.query("select millrace.enqueue($1, $2)", [
      kind,
      { text: kind === "numbered" ? Number(number.slice(0, 15)) : text },
    ]);
  const unfit = { [REFUSED]: text };
  await tries("a payload that a constraint refuses", () => client.enqueue("work", unfit, { key }));
  await tries("the same, later", () => client.enqueue("work", unfit, { delayMs: 60_000 }));
  await tries("the same, with others", () =>
    client.enqueueMany([text, unfit].map((payload) => ({ kind: "work", payload, delayMs: 60_000 }) as const)),
  );
  await until("all but one have ended", () => left(owner, "default", 1));
  await tries("cancel", () => client.cancel({ kind: "work", queue: "default" }, "no longer needed"));
  await until("all have ended", () => left(owner, "default", 0));
  saw("server", "while it works", (await owner.query(SERVER_SQL)).rows);
  await owner.query(TERMINATE_SQL);
  await tries("while the connections are gone", () => client.enqueue("work", { deed: "succeeds", text }));
  await until("all have ended", () => left(owner, "default", 0));
  await Promise.all([normal.shutdown(), stuck.abort()]);
}

/** Workers that lose their lease, are told to stop too soon, and are aborted. */
async function lose(bench: Bench): Promise<void> {
  const { client, owner, order, witness } = bench;
  const { payload: text, key } = order.markers;
  const worker = await spawn(bench, "slow", { drainTimeoutMs: 20, abortGraceMs: 20 });
  const nth = (type: WorkerEvent["type"], n: number): Promise<unknown> =>
    firstValueFrom(
      worker.event$.pipe(
        filter((event) => event.type === type),
        elementAt(n),
      ),
    );
  const [began, lost, beganAgain] = [
    nth("attempt-started", 0),
    nth("lease-lost", 0),
    nth("attempt-started", 1),
  ];
  await client.enqueue("work", { deed: "is cancelled", text }, { queue: "slow", key: `${key} slow` });
  await began;
  await owner.query("update millrace.workers set lease_expires_at = now() - interval '1 hour'");
  await using others = loudClient(order.url);
  const recoverer = await others.spawnWorker({ queues: ["other"], handlers: { work: () => undefined } });
  recoverer.event$.subscribe((event) => witness.saw("event", event.type, event));
  await lost;
  await beganAgain;
  await worker.shutdown();
  await recoverer.abort();
}

async function left(owner: pg.Client, queue: string, count: number): Promise<true | undefined> {
  const { rows } = await owner.query<{ count: number }>(
    "select count(*)::int as count from millrace.jobs where queue = $1 and state in ('pending', 'claimed')",
    [queue],
  );
  return (rows[0]?.count ?? Infinity) <= count ? true : undefined;
}

function deedOf(payload: unknown): string {
  return typeof payload === "object" && payload !== null ? String(Reflect.get(payload, "deed")) : "";
}
