import { pathToFileURL } from "node:url";
import pg from "pg";
import { firstValueFrom, take, timeout, toArray } from "rxjs";
import { createClient } from "../../src/index.ts";
import type { ClientOptions } from "../../src/index.ts";
import { as, jobs, loudClient } from "./secret-jobs.ts";
import type { SecretsOrder, Witness } from "../harness/secrets.ts";

/** So long a worker, or a stream, may try what cannot succeed. */
const PATIENCE_MS = 1_000;

/** Connects where it cannot, with options that are none, and by the command line. */
export async function connections(order: SecretsOrder, witness: Witness): Promise<void> {
  const { url, ownerUrl, markers } = order;
  const { tries } = witness;
  const { password, wrongPassword } = markers;
  await Promise.all([
    everyCall(changed(url, { password: wrongPassword }), "a wrong password", witness),
    everyCall(changed(url, { username: "nobody_here" }), "an unknown role", witness),
    everyCall(changed(url, { pathname: "/none" }), "an unknown database", witness),
    everyCall(changed(url, { port: "1" }), "a closed port", witness),
    everyCall(changed(url, { search: "?sslmode=require" }), "no TLS", witness),
    everyCall(url, "no tables", witness, "none"),
  ]);
  const { host, username, pathname } = new URL(url);
  for (const raw of [
    `${password}/x`,
    `${password}#x`,
    `${password}?x`,
    `${password}@x`,
    `${password}%x`,
    `${password}:x`,
  ]) {
    const misquoted = `postgres://${username}:${raw}@${host}${pathname}`;
    await tries("a password that is not encoded", () => using(misquoted));
  }
  for (const options of [
    url,
    { connectionString: url.replace("postgres", "mysql"), jobs },
    { connectionString: { url }, jobs },
    { connectionString: [url], jobs },
    { pool: url, jobs },
    { pool: { url }, jobs },
    { pool: new pg.Pool({ connectionString: url }), connectionString: url, jobs },
    { connectionString: url, jobs, schema: url },
    { connectionString: url, jobs: url },
    { connectionString: url, jobs, logger: false, maxAttempts: url },
    { connectionUrl: url, jobs },
  ]) {
    await tries("options that are none", () => createClient(as<ClientOptions<typeof jobs>>(options)));
  }
  await using pool = disposable(new pg.Pool({ connectionString: changed(url, { password: wrongPassword }) }));
  await tries("a pool with a wrong password", () =>
    createClient({ pool: pool.value, jobs, logger: false }).pendingCount(),
  );
  await commands(order);
  await tries("a migration without the rights", () => loudClient(url, "mine").migrate());
  await tries("a migration", () => loudClient(ownerUrl).migrate());
}

/** Calls all that connects. */
async function everyCall(
  connectionString: string,
  what: string,
  { saw, tries }: Witness,
  schema?: string,
): Promise<void> {
  await using client = loudClient(connectionString, schema);
  const patient = timeout({ first: PATIENCE_MS });
  await Promise.all([
    tries(`enqueue: ${what}`, () => client.enqueue("work", null)),
    tries(`migrate: ${what}`, () => (schema === undefined ? client.migrate() : client.pendingCount())),
    tries(`listFailed: ${what}`, () => client.listFailed()),
    tries(`result: ${what}`, () => client.result("1", { timeoutMs: PATIENCE_MS })),
    tries(`watch: ${what}`, () => firstValueFrom(client.watch("1").pipe(patient))),
    tries(`depth: ${what}`, () => firstValueFrom(client.depth().pipe(patient))),
    tries(`events: ${what}`, async () => {
      saw("cluster", what, await firstValueFrom(client.events().pipe(take(1), toArray(), patient)));
    }),
    tries(`events from: ${what}`, async () => {
      saw(
        "cluster",
        what,
        await firstValueFrom(client.events({ from: "start" }).pipe(take(1), toArray(), patient)),
      );
    }),
    tries(`worker: ${what}`, async () => {
      const worker = await client.spawnWorker({ handlers: { work: () => undefined } });
      worker.event$.subscribe((event) => saw("event", what, event));
      saw("object", what, worker);
      await worker.abort();
    }),
  ]);
  saw("object", what, client);
}

async function using(connectionString: string): Promise<unknown> {
  await using client = createClient({ connectionString, jobs, logger: false });
  return await client.pendingCount();
}

/** Calls the command line, in this process, with what it can do, and cannot. What it writes is a line. */
async function commands({ cli, url, markers }: SecretsOrder): Promise<void> {
  const wrong = changed(url, { password: markers.wrongPassword });
  const runs = [
    ["migrate", "--connection", wrong],
    ["migrate", `--connection=${wrong}`],
    ["migrate", wrong],
    ["migrate", "--connection", url.replace("postgres", "mysql")],
    ["migrate", "--connection", url.replace("@", "/x@")],
    ["migrate", "--conection", wrong],
    ["migrate", `--conection=${wrong}`],
    ["migrate", "--schema", wrong],
    ["migrate", `--show-sql=${wrong}`],
    ["migrate", "--connection", url, "--schema", "mine"],
    ["migrate"],
    [wrong],
    ["grants", "--show-sql", wrong],
    ["grants", "--show-sql", "--worker", wrong],
    ["--help"],
  ];
  const { argv, exitCode } = process;
  process.env["DATABASE_URL"] = wrong;
  for (const [n, args] of runs.entries()) {
    process.argv = [...argv.slice(0, 1), cli, ...args];
    // Each time anew, for it runs when it is imported.
    await import(`${pathToFileURL(cli).href}?run=${n}`);
  }
  Object.assign(process, { argv, exitCode });
}

function changed(
  url: string,
  parts: Partial<Record<"password" | "username" | "pathname" | "port" | "search", string>>,
): string {
  return Object.assign(new URL(url), parts).href;
}

function disposable(value: pg.Pool): AsyncDisposable & { readonly value: pg.Pool } {
  return { value, [Symbol.asyncDispose]: () => value.end() };
}
