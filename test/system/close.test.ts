import { lastValueFrom } from "rxjs";
import type { Observable } from "rxjs";
import { expect, it } from "vitest";
import { ClosedError, createClient, payload } from "../../src/index.ts";
import type { Client, PayloadSchema } from "../../src/index.ts";
import { gate } from "../support/client.ts";
import { usePostgres } from "../support/postgres.ts";

const database = usePostgres();

it("closing a client ends a worker that is still starting", async () => {
  const { connectionString } = database;
  const client = createClient({ connectionString, jobs: { work: payload<unknown>() }, logger: false });
  const spawned = client.spawnWorker({ handlers: { work: () => undefined } });
  await client.close();
  const worker = await spawned;
  expect(worker.isShuttingDown).toBe(true);
  await expect(worker.done).resolves.toMatchObject({ outcome: "drained" });
});

it("writes the jobs whose payload is still being checked when the client is closed", async () => {
  const { opened, open } = gate();
  const slow: PayloadSchema<number> = {
    "~standard": {
      version: 1,
      vendor: "the test",
      validate: (value) => opened.then(() => ({ value: value as number })),
    },
  };
  const { connectionString } = database;
  const client = createClient({ connectionString, jobs: { slow }, logger: false });
  const written = Promise.all([
    client.enqueue("slow", 1),
    client.enqueueOnce("slow", 2, { key: "two" }),
    client.enqueueMany([{ kind: "slow", payload: 3 }]),
  ]);
  const closed = client.close();
  await expect(client.enqueue("slow", 4)).rejects.toBeInstanceOf(ClosedError);
  open();
  await closed;
  expect(await written).toHaveLength(3);
  const { rows } = await database.pool.query("select payload from millrace.pending order by payload");
  expect(rows).toEqual([{ payload: 1 }, { payload: 2 }, { payload: 3 }]);
});

const jobs = { work: payload<unknown>() };

it.each<[string, (client: Client<typeof jobs>) => Observable<unknown>]>([
  ["watch", (client) => client.watch("1")],
  ["depth", (client) => client.depth()],
  ["failed", (client) => client.failed(5)],
  ["active", (client) => client.active()],
  ["workers", (client) => client.workers()],
  ["events", (client) => client.events()],
  ["events from a cursor", (client) => client.events({ from: "now" })],
  ["worker", (client) => client.worker({ handlers: { work: () => undefined } })],
])("%s of a closed client errors when it is subscribed, wherever it comes from", async (_, streamOf) => {
  const client = createClient({ connectionString: database.connectionString, jobs, logger: false });
  const before$ = streamOf(client);
  await client.close();
  await expect(lastValueFrom(before$)).rejects.toBeInstanceOf(ClosedError);
  await expect(lastValueFrom(streamOf(client))).rejects.toBeInstanceOf(ClosedError);
});

it("a schema with the quotes of function bodies in its name is refused", () => {
  const options = { connectionString: database.connectionString, jobs: {}, schema: "$$;drop" };
  expect(() => createClient(options)).toThrow("`schema`");
});
