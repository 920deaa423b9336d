import { randomUUID } from "node:crypto";
import { onTestFinished } from "vitest";
import { ROLE_KINDS, grantsSql } from "../../src/postgres/grants.ts";
import type { RoleKind } from "../../src/postgres/grants.ts";
import type { TestDatabase } from "./postgres.ts";

/** The address under which a new role connects that has the rights of some kinds; gone after the test. */
export async function newRole(
  { pool, connectionString }: TestDatabase,
  kinds: readonly RoleKind[] = ROLE_KINDS,
  ...statements: readonly ((role: string) => string)[]
): Promise<string> {
  const role = `miller_${randomUUID().slice(0, 8)}`;
  await pool.query(`create role ${role} login password 'grist'`);
  onTestFinished(async () => {
    await pool.query(`drop owned by ${role}; drop role ${role}`);
  });
  for (const kind of kinds) await pool.query(grantsSql("millrace", { [kind]: role }));
  for (const statement of statements) await pool.query(statement(role));
  const url = new URL(connectionString);
  url.username = role;
  url.password = "grist";
  return url.href;
}
