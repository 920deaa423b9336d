import { randomUUID } from "node:crypto";
import pg from "pg";
import { openServer } from "../../examples/open-server.ts";
import { createClient } from "../../src/index.ts";
import { inServer, urlOf } from "../support/postgres-server.ts";

/** An empty database, gone when it is disposed of. */
export interface FreshDatabase extends AsyncDisposable {
  readonly connectionString: string;
}

/** Makes a database on the server of `DATABASE_URL`, or on one that is started for it. */
export async function freshDatabase(): Promise<FreshDatabase> {
  const server = await openServer();
  const name = `millrace_docs_${randomUUID().slice(0, 8)}`;
  await inServer(server.connectionString, `create database "${name}"`);
  return {
    connectionString: urlOf(server.connectionString, name),
    [Symbol.asyncDispose]: async () => {
      await inServer(server.connectionString, `drop database "${name}" with (force)`);
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Makes one with the tables of the library, and connects to it. */
export async function migratedDatabase(): Promise<AsyncDisposable & { readonly db: pg.Client }> {
  const database = await freshDatabase();
  const { connectionString } = database;
  await using client = createClient({ connectionString, jobs: {}, logger: false });
  await client.migrate();
  const db = new pg.Client({ connectionString });
  await db.connect();
  return {
    db,
    [Symbol.asyncDispose]: async () => {
      await db.end();
      await database[Symbol.asyncDispose]();
    },
  };
}
