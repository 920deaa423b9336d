import pg from "pg";
import type { TestProject } from "vitest/node";
import { startEmbeddedPostgres } from "../../src/embedded/index.ts";
import { migrate } from "../../src/postgres/migrate.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Connects a superuser to the server of the tests. */
    readonly serverUrl: string;
    /** A database that is migrated and empty, to be cloned. Nobody may be connected to it. */
    readonly templateName: string;
  }
}

/**
 * Starts the server of a run of the tests, or takes that of `DATABASE_URL`, and makes the template
 * of the databases of the test files there.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env["DATABASE_URL"];
  const server =
    given === undefined
      ? await startEmbeddedPostgres({
          settings: {
            fsync: "off",
            max_connections: "300",
            max_prepared_transactions: "10",
            // `drop database` waits for connections that stand still while they log in (60 s by default).
            authentication_timeout: "10s",
          },
        })
      : undefined;
  const serverUrl = server?.connectionString ?? given ?? "";
  const templateName = `millrace_template_${process.pid}`;
  await inServer(serverUrl, `create database "${templateName}"`);
  const pool = new pg.Pool({ connectionString: urlOf(serverUrl, templateName), max: 1 });
  await migrate(pool, "millrace");
  await pool.end();
  project.provide("serverUrl", serverUrl);
  project.provide("templateName", templateName);
  return async () => {
    await inServer(serverUrl, `drop database "${templateName}" with (force)`);
    await server?.stop();
  };
}

/** The address of another database on the same server. */
export function urlOf(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${encodeURIComponent(database)}`;
  return url.href;
}

/** Runs one text on a connection of its own. */
export async function inServer(serverUrl: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
