import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { DEFAULT_ROLES, grantsSql } from "../../src/postgres/grants.ts";
import { migrationSql } from "../../src/postgres/migrate.ts";
import { usePostgres } from "../support/postgres.ts";

const database = usePostgres();

const CLI = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `millrace` in a process of its own. */
function millrace(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { env: { PATH: String(process.env["PATH"]), ...env } };
    execFile(process.execPath, ["--import", "tsx", CLI, ...args], options, (error, out, err) => {
      resolve({ code: typeof error?.code === "number" ? error.code : 0, out, err });
    });
  });
}

describe("millrace migrate", () => {
  it("creates the tables in the schema that is named, and does nothing the second time", async () => {
    onTestFinished(async () => void (await database.pool.query('drop schema "My ""jobs""" cascade')));
    const args = ["migrate", "--connection", database.connectionString, "--schema", 'My "jobs"'];
    const first = await millrace(args);
    expect(first.err).toBe("");
    expect(first).toMatchObject({ code: 0, out: expect.stringContaining("from version 0") });
    const { rows } = await database.pool.query('select count(*)::int as n from "My ""jobs""".jobs');
    expect(rows).toEqual([{ n: 0 }]);
    const second = await millrace(["migrate", "--schema", 'My "jobs"'], {
      DATABASE_URL: database.connectionString,
    });
    expect(second).toMatchObject({ code: 0, out: expect.stringContaining("is at version") });
  });

  it("prints the SQL and changes nothing with --show-sql, without a database", async () => {
    const { code, out } = await millrace(["migrate", "--show-sql", "--schema", "shown"]);
    expect(code).toBe(0);
    expect(out).toBe(migrationSql("shown"));
  });

  it.each([
    [["migrate", "--nope"], "--nope"],
    [["migrate", "twice"], "twice"],
    [["migrate", "--worker", "mill"], "--worker"],
    [["grants"], "--show-sql"],
    [["grants", "--show-sql", "--worker="], "--worker"],
    [["grants", "--show-sql", "--admin", "x".repeat(64)], "--admin"],
    [["grants", "--show-sql", "--schema", "pg_x"], "`schema`"],
    [["grants", "--show-sql", "--connection", "postgres://u:hunter2@h/d"], "--connection"],
    [["migrate", "postgres://u:hunter2@h/d"], "a URL"],
    [["migrate", "--schema", "postgres://u:hunter2@h/d".padEnd(64, "x")], "a URL"],
    [["grants", "--show-sql", "--worker", "postgres://u:hunter2@h.example/d".padEnd(64, "x")], "a URL"],
    [["turn"], "Usage"],
    [[], "Usage"],
    [["migrate", "--schema", "pg_x"], "`schema`"],
    [["migrate"], "DATABASE_URL"],
    [["migrate", "--connection", "mysql://user:hunter2@host/db"], "`connectionString`"],
  ])("answers %j with exit code 2 and a word on what is wrong", async (args, word) => {
    const { code, err, out } = await millrace(args);
    expect(code).toBe(2);
    expect(err).toContain(word);
    expect(err + out).not.toContain("hunter2");
  });

  it.each([[["--help"]], [["-h"]], [["migrate", "--help"]], [["grants", "-h"]]])(
    "answers %j with what there is",
    async (args) => {
      const { code, out } = await millrace(args);
      expect(code).toBe(0);
      expect(out).toContain("millrace grants");
    },
  );

  it("says why it failed with exit code 1, and not the password", async () => {
    const { code, err } = await millrace(["migrate", "--connection", "postgres://u:hunter2@127.0.0.1:1/db"]);
    expect(code).toBe(1);
    expect(err).toContain("ECONNREFUSED");
    expect(err).not.toContain("hunter2");
  });
});

describe("millrace grants", () => {
  it("prints the rights of the roles that are named, and of no others", async () => {
    const args = ["grants", "--show-sql", "--schema", "turn", "--worker", 'the "mill"'];
    const out = grantsSql("turn", { worker: 'the "mill"' });
    expect(await millrace(args)).toEqual({ code: 0, out, err: "" });
  });

  it("prints the rights of three roles where none is named", async () => {
    const { out } = await millrace(["grants", "--show-sql"]);
    expect(out).toBe(grantsSql("millrace", DEFAULT_ROLES));
  });
});
