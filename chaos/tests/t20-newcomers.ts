import { randomBytes } from "node:crypto";
import pg from "pg";
import type { NewcomerSaid } from "../children/newcomer.ts";
import { startChild } from "../harness/child.ts";
import type { Child } from "../harness/child.ts";
import { atLeast, is } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import type { ChaosTest } from "../harness/test.ts";
import { until } from "../harness/wait.ts";

type Newcomer = Child<NewcomerSaid>;
type Told = Extract<NewcomerSaid, { readonly said: "round" }>;

/** Of a moment when nobody else does, as every second library does it. */
const CARELESS_SQL = `create schema if not exists careless;
create table if not exists careless.jobs (id bigint primary key);`;

/**
 * Processes that are up migrate an empty database and start a worker there, all at once, as after a
 * first deployment. Each round has a new database.
 *
 * The control is `create … if not exists` by as many connections at once, without a lock.
 */
export const t20: ChaosTest = {
  id: "T20",
  title: "processes that migrate and start at once on an empty database",
  ci: true,
  needsOwnServer: true,
  run: async ({ size, server: start }) => {
    const processes = size(50);
    const rounds = size(20, 1);
    await using server = await start({ max_connections: "600" });
    await using newcomers = await gather(processes);
    let told: readonly Told[] = [];
    let migrationRows = 0;
    let slowestRoundMs = 0;
    for (let round = 0; round < rounds; round += 1) {
      await using database = await emptyDatabase(server.connectionString);
      const from = performance.now();
      for (const { tell } of newcomers.all) tell({ round, connectionString: database.connectionString });
      const answers = await Promise.all(newcomers.all.map((newcomer) => hear(newcomer, round)));
      slowestRoundMs = Math.max(slowestRoundMs, performance.now() - from);
      told = [...told, ...answers];
      migrationRows += await oneMigration(database);
    }
    for (const { error } of told) if (error !== undefined) process.stderr.write(`T20: ${error}\n`);
    return {
      figures: {
        processes,
        rounds,
        started: told.filter(({ started }) => started).length,
        errors: told.filter(({ error }) => error !== undefined).length,
        migrations: told.filter(({ from }) => from === 0).length,
        versions: new Set(told.map(({ to }) => to)).size,
        notOneMigration: migrationRows,
        slowestRoundMs,
      },
      rules: {
        started: is(processes * rounds),
        errors: is(0),
        migrations: is(rounds),
        versions: is(1),
        notOneMigration: is(0),
      },
      control: await careless(server.connectionString, processes),
      controlRules: { errors: atLeast(1) },
    };
  },
};

/** Starts the processes, and waits until all are up. */
async function gather(count: number): Promise<AsyncDisposable & { readonly all: readonly Newcomer[] }> {
  const all = Array.from({ length: count }, () => startChild<NewcomerSaid>("newcomer", {}));
  await Promise.all(all.map(({ hear }) => hear("here")));
  return {
    all,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(all.map((newcomer) => newcomer[Symbol.asyncDispose]()));
    },
  };
}

async function hear({ said, lines, process: { exitCode } }: Newcomer, round: number): Promise<Told> {
  return until(`a process says how round ${round} was: ${lines.at(-1)}, ${exitCode}`, () =>
    said.find((one): one is Told => one.said === "round" && one.round === round),
  );
}

interface EmptyDatabase extends AsyncDisposable {
  readonly connectionString: string;
  readonly query: <Row extends pg.QueryResultRow>(text: string) => Promise<readonly Row[]>;
}

async function emptyDatabase(serverUrl: string): Promise<EmptyDatabase> {
  const name = `millrace_chaos_${randomBytes(4).toString("hex")}`;
  await inDatabase(serverUrl, `create database ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return {
    connectionString: url.href,
    query: (text) => inDatabase(url.href, text),
    [Symbol.asyncDispose]: async () => {
      await inDatabase(serverUrl, `drop database ${name} with (force)`);
    },
  };
}

/** 0 where each migration has been done, once, and all of them in one transaction; else 1. */
async function oneMigration({ query }: EmptyDatabase): Promise<number> {
  const [row] = await query<{ sound: boolean }>(
    `select count(*) = max(version) and count(distinct xmin::text) = 1 as sound from millrace.migrations`,
  );
  return row?.sound === true ? 0 : 1;
}

async function careless(serverUrl: string, connections: number): Promise<Figures> {
  await using database = await emptyDatabase(serverUrl);
  const clients = Array.from({ length: connections }, () => new pg.Client(database));
  await Promise.all(clients.map((client) => client.connect()));
  const ends = await Promise.allSettled(clients.map((client) => client.query(CARELESS_SQL)));
  await Promise.all(clients.map((client) => client.end()));
  return { errors: ends.filter(({ status }) => status === "rejected").length };
}

async function inDatabase<Row extends pg.QueryResultRow>(
  connectionString: string,
  text: string,
): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}
