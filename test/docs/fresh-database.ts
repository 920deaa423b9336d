import { randomUUID } from "node:crypto";
import { openServer } from "../../examples/open-server.ts";
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
