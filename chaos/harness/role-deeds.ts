import type pg from "pg";
import { firstValueFrom, lastValueFrom } from "rxjs";
import { payload } from "../../src/index.ts";
import type { AttemptContext, Client, PayloadSchema } from "../../src/index.ts";
import { completeIn } from "./complete-in.ts";
import { until } from "./wait.ts";

/** The kinds of roles. */
export const ROLE_KINDS = ["enqueue", "worker", "admin"] as const;

export type RoleKind = (typeof ROLE_KINDS)[number];

export const roleJobs: { readonly work: PayloadSchema } = { work: payload<unknown>() };

/** A role at work, and the owner who prepares things for it. */
export interface Role {
  readonly client: Client<typeof roleJobs>;
  readonly pool: pg.Pool;
  readonly owner: Client<typeof roleJobs>;
  readonly ownerPool: pg.Pool;
}

/** What somebody does, which kinds of roles may, and how. It rejects with Postgres' code where they may not. */
export type RoleDeed = readonly [
  what: string,
  kinds: readonly RoleKind[],
  act: (role: Role) => Promise<unknown>,
];

/** Makes of a pending job one that a worker had begun whose lease ran out. */
const DEAD_WORKER_SQL = `
with dead as (
  insert into millrace.workers (label, queues, registered_at, lease_expires_at)
  values ('dead', '{default}', now() - interval '2 s', now() - interval '1 s') returning id
), gone as (
  delete from millrace.pending where id = $1 returning *
)
insert into millrace.claimed
select (jsonb_populate_record(null::millrace.claimed, to_jsonb(g) || jsonb_build_object(
         'attempt', 1, 'token', 1, 'worker_id', d.id, 'claimed_at', now(), 'started', true, 'call', 0))).*
  from gone g cross join dead d`;

/** Calls of the library. */
const CALLS: readonly RoleDeed[] = [
  ["enqueue", ["enqueue"], ({ client }) => client.enqueue("work", null)],
  ["enqueue later", ["enqueue"], ({ client }) => client.enqueue("work", null, { delayMs: 60_000 })],
  ["enqueue with a key", ["enqueue"], ({ client }) => client.enqueue("work", null, { key: "k" })],
  [
    "enqueue after another",
    ["enqueue"],
    async ({ client, owner }) => client.enqueue("work", null, { after: [await owner.enqueue("work", null)] }),
  ],
  [
    "enqueue many",
    ["enqueue"],
    ({ client }) => client.enqueueMany([1, 2].map((n) => ({ kind: "work", payload: n }) as const)),
  ],
  ["enqueue a stream", ["enqueue"], ({ client }) => lastValueFrom(client.enqueueEach("work")([1, 2]))],
  ["enqueue in SQL", ["enqueue"], sql("select millrace.enqueue('work', '1', key => 'sql')")],
  ["work", ["worker"], async (role) => work(role, () => undefined)],
  [
    "complete in a transaction",
    ["worker"],
    async (role) => work(role, (_, context) => completeIn(role.pool, context)),
  ],
  ["keep progress", ["worker"], async (role) => work(role, ({ id }) => progress(role.ownerPool, id))],
  ["recover", ["worker"], async (role) => work(role, () => undefined, DEAD_WORKER_SQL)],
  ["count", ["worker", "admin"], ({ client }) => client.pendingCount()],
  ["list failed jobs", ["admin"], ({ client }) => client.listFailed()],
  ["retry", ["admin"], async (role) => role.client.retryJob(await failedJob(role))],
  ["retry all", ["admin"], ({ client }) => client.bulkRetry()],
  [
    "delete a failed job",
    ["worker", "admin"],
    async (role) => role.client.deleteFailed(await failedJob(role)),
  ],
  ["cancel", ["admin"], async ({ client, owner }) => client.cancel(await owner.enqueue("work", null))],
  ["result", ["admin"], async (role) => role.client.result(await keptJob(role))],
  ["watch", ["admin"], async (role) => lastValueFrom(role.client.watch(await keptJob(role)))],
  [
    "events of jobs whose result is kept",
    ["admin"],
    async (role) => {
      await keptJob(role);
      return firstValueFrom(role.client.events({ types: ["succeeded"], from: "start" }));
    },
  ],
  ["depth", ["admin"], ({ client }) => firstValueFrom(client.depth())],
  ["failed", ["admin"], ({ client }) => firstValueFrom(client.failed())],
  ["active", ["admin"], ({ client }) => firstValueFrom(client.active())],
  ["workers", ["worker", "admin"], ({ client }) => firstValueFrom(client.workers())],
];

/** Statements that go round the library. Those on rows would change none, and are refused all the same. */
const STATEMENTS: readonly RoleDeed[] = [
  ["read payloads of jobs to run", ["worker", "admin"], sql("select payload from millrace.pending")],
  ["read payloads of all jobs", [], sql("select payload from millrace.jobs")],
  ["read payloads of failed jobs", ["admin"], sql("select payload from millrace.failed")],
  ["read results", [], sql("select result from millrace.completed")],
  ["read keys", ["worker", "admin"], sql("select key from millrace.keys")],
  ["forge a claim", ["worker"], sql("insert into millrace.claimed (id) select 1 where false")],
  ["take over a claim", ["worker"], sql("update millrace.claimed set worker_id = 1 where false")],
  ["end a claim", ["worker"], sql("delete from millrace.claimed where false")],
  ["forge a failure", ["worker", "admin"], sql("insert into millrace.failed (id) select 1 where false")],
  ["change a failure", ["admin"], sql("update millrace.failed set reason = '' where false")],
  ["take a key", [], sql("insert into millrace.keys (key, job_id) select 'k', 1 where false")],
  ["change a key", [], sql("update millrace.keys set job_id = 1 where false")],
  ["free a key", ["worker", "admin"], sql("delete from millrace.keys where false")],
  ["forge a result", ["worker"], sql("insert into millrace.completed (id) select 1 where false")],
  ["change a result", [], sql("update millrace.completed set result = '1' where false")],
  ["change a job to run", ["worker", "admin"], sql("update millrace.pending set token = 9 where false")],
  ["renew a lease", ["worker"], sql("update millrace.workers set lease_expires_at = now() where false")],
  ["truncate", [], sql("truncate millrace.pending")],
  ["forge the version", [], sql("update millrace.migrations set version = 99")],
  ["make a table", [], sql("create table millrace.mine (id int)")],
  ["make a function", [], sql("create function millrace.mine() returns int language sql return 1")],
  ["disable triggers", [], sql("alter table millrace.pending disable trigger all")],
  ["set the sequence", [], sql("select setval('millrace.job_ids', 1)")],
  ["drop a function", [], sql("drop function millrace.enqueue")],
  ["drop the schema", [], sql("drop schema millrace cascade")],
];

/** What there is to do, and who may. */
export const ROLE_DEEDS: readonly RoleDeed[] = [...CALLS, ...STATEMENTS];

function sql(text: string): RoleDeed[2] {
  return ({ pool }) => pool.query(text);
}

type Handle = (job: { readonly id: string }, context: AttemptContext) => unknown;

/** Enqueues a job, does to it what there is to do, and works until it and all others are done. */
async function work({ client, owner, ownerPool }: Role, handle: Handle, prepare?: string): Promise<void> {
  const id = await owner.enqueue("work", 1);
  if (prepare !== undefined) await ownerPool.query(prepare, [id]);
  const worker = await client.spawnWorker({ handlers: { work: handle } });
  await until("all is done", async () => {
    const { rowCount } = await ownerPool.query(
      "select from millrace.jobs where state in ('pending', 'claimed') or id = $1",
      [id],
    );
    return rowCount === 0 ? true : undefined;
  });
  await worker.shutdown();
}

/** Emits a value, and ends when that is kept. */
async function* progress(ownerPool: pg.Pool, id: string): AsyncGenerator<string> {
  yield "half";
  await until("its progress is kept", async () => {
    const { rowCount } = await ownerPool.query(
      "select from millrace.claimed where id = $1 and progress is not null",
      [id],
    );
    return rowCount === 1 ? true : undefined;
  });
}

async function failedJob({ owner }: Role): Promise<string> {
  const id = await owner.enqueue("work", null);
  await owner.cancel(id);
  return id;
}

/** A job that is done, with its result. */
async function keptJob({ owner }: Role): Promise<string> {
  const worker = await owner.spawnWorker({ handlers: { work: () => "flour" } });
  const id = await owner.enqueue("work", null, { keepResultMs: 60_000 });
  await owner.result(id);
  await worker.shutdown();
  return id;
}
