#!/usr/bin/env node
import { parseArgs } from "node:util";
import { createClient } from "./client.ts";
import { checkSchemaName } from "./connection.ts";
import { OptionError, expected } from "./core/errors.ts";
import { toErrorRecord } from "./core/error-record.ts";
import { DEFAULTS } from "./options.ts";
import { DEFAULT_ROLES, ROLE_KINDS, grantsSql } from "./postgres/grants.ts";
import type { RoleKind } from "./postgres/grants.ts";
import { migrationSql } from "./postgres/migrate.ts";

/** The longest name of a role: Postgres cuts a longer one without a word, and would mean another. */
const MAX_ROLE_BYTES = 63;

const USAGE = `Usage: millrace <command> [options]

millrace migrate   creates or updates the tables. Safe to run at any time, by any number of processes.

  --connection URL   where; default: the environment variable DATABASE_URL
  --schema NAME      the Postgres schema that holds the tables; default: ${DEFAULTS.schema}
  --show-sql         prints the SQL for an empty database and changes nothing

millrace grants    prints the SQL that gives roles their rights, to be run by the owner of the schema.

  --show-sql         has to be given: nothing is done but printing
  --schema NAME      as above
  --enqueue ROLE     the role that may enqueue jobs and nothing else
  --worker ROLE      the role that may run workers
  --admin ROLE       the role that may look at jobs, retry, cancel and delete them
                     none of the three: ${ROLE_KINDS.map((kind) => DEFAULT_ROLES[kind]).join(", ")}

  --help             prints this
`;

/** What a run of the command line answers. */
interface Answer {
  readonly code: 0 | 1 | 2;
  readonly out?: string;
  readonly err?: string;
}

const SHARED = {
  schema: { type: "string", default: DEFAULTS.schema },
  "show-sql": { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** Runs the command line. Exit code 2: it was not understood; 1: it failed. */
async function main(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Answer> {
  try {
    const [command, ...rest] = args;
    switch (command) {
      case "migrate":
        return await runMigrate(rest, env);
      case "grants":
        return runGrants(rest);
      case "--help":
      case "-h":
        return { code: 0, out: USAGE };
      default:
        return { code: 2, err: USAGE };
    }
  } catch (error) {
    const misread = error instanceof OptionError || (error instanceof TypeError && "code" in error);
    return { code: misread ? 2 : 1, err: `millrace: ${withoutUrls(toErrorRecord(error).message)}\n` };
  }
}

/** Without what may hold a password, which `parseArgs` quotes where it is given in the wrong place. */
function withoutUrls(message: string): string {
  return message.replaceAll(/[^\s'"=]+:\/\/[^\s'"]+/g, "a URL");
}

async function runMigrate(args: string[], env: NodeJS.ProcessEnv): Promise<Answer> {
  const { values } = parseArgs({ args, options: { ...SHARED, connection: { type: "string" } } });
  if (values.help) return { code: 0, out: USAGE };
  checkSchemaName(values.schema);
  if (values["show-sql"]) return { code: 0, out: migrationSql(values.schema) };
  return migrateNow(values.connection ?? env["DATABASE_URL"], values.schema);
}

function runGrants(args: string[]): Answer {
  const role = { type: "string" } as const;
  const { values } = parseArgs({ args, options: { ...SHARED, enqueue: role, worker: role, admin: role } });
  if (values.help) return { code: 0, out: USAGE };
  checkSchemaName(values.schema);
  if (!values["show-sql"]) return { code: 2, err: "millrace: give --show-sql: grants only prints\n" };
  const named = ROLE_KINDS.flatMap((kind): [RoleKind, string][] => {
    const name = values[kind];
    return name === undefined ? [] : [[kind, checkedRole(kind, name)]];
  });
  const roles = named.length === 0 ? DEFAULT_ROLES : Object.fromEntries(named);
  return { code: 0, out: grantsSql(values.schema, roles) };
}

function checkedRole(kind: RoleKind, role: string): string {
  const bytes = Buffer.byteLength(role);
  if (bytes >= 1 && bytes <= MAX_ROLE_BYTES) return role;
  throw new OptionError(expected(`--${kind}`, `the name of a role, of 1 to ${MAX_ROLE_BYTES} bytes`, role));
}

async function migrateNow(connectionString: string | undefined, schema: string): Promise<Answer> {
  if (connectionString === undefined || connectionString === "") {
    return { code: 2, err: "millrace: give --connection URL, or set DATABASE_URL\n" };
  }
  await using client = createClient({ connectionString, schema, jobs: {}, logger: false });
  const { from, to } = await client.migrate();
  return {
    code: 0,
    out:
      from === to
        ? `Schema "${schema}" is at version ${to}.\n`
        : `Migrated schema "${schema}" from version ${from} to ${to}.\n`,
  };
}

const { code, out = "", err = "" } = await main(process.argv.slice(2), process.env);
process.stdout.write(out);
process.stderr.write(err);
process.exitCode = code;
