/**
 * A job is enqueued, and later completed, together with the app's own rows.
 *
 * ```text
 * rolled back: 0 orders, 0 jobs
 * committed: 1 orders, 1 jobs
 * handled: 1 confirmed, 0 jobs
 * ```
 */
import pg from "pg";
import { filter, firstValueFrom } from "rxjs";
import { createClient, payload } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
const pool = new pg.Pool({ connectionString: server.connectionString });
const jobs = { confirm: payload<{ order: number }>() };
const client = createClient({ pool, schema: "example_transaction", jobs, logger: false });
await client.migrate();
await pool.query(`drop table if exists example_orders;
  create table example_orders (id int primary key, confirmed boolean not null default false)`);

const place = (order: number, end: "commit" | "rollback") =>
  inTransaction(end, async (tx) => {
    await tx.query("insert into example_orders (id) values ($1)", [order]);
    await client.enqueue("confirm", { order }, { tx });
  });
const count = async (which: string) =>
  (await pool.query(`select from example_orders where ${which}`)).rowCount;

await place(1, "rollback");
console.log(`rolled back: ${await count("true")} orders, ${await client.pendingCount()} jobs`);
await place(2, "commit");
console.log(`committed: ${await count("true")} orders, ${await client.pendingCount()} jobs`);

const worker = client.worker({
  handlers: {
    confirm: (job, { complete }) =>
      inTransaction("commit", async (tx) => {
        await tx.query("update example_orders set confirmed = true where id = $1", [job.payload.order]);
        await complete(tx);
      }),
  },
});
await firstValueFrom(worker.pipe(filter((event) => event.type === "succeeded")));
console.log(`handled: ${await count("confirmed")} confirmed, ${await client.pendingCount()} jobs`);
await client.close().then(() => pool.end());

async function inTransaction(end: "commit" | "rollback", work: (tx: pg.PoolClient) => Promise<void>) {
  const tx = await pool.connect();
  try {
    await tx.query("begin");
    await work(tx);
    await tx.query(end);
    tx.release();
  } catch (error) {
    tx.release(true); // closing the connection rolls back
    throw error;
  }
}
