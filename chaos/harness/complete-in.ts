import type pg from "pg";
import type { AttemptContext } from "../../src/index.ts";

/** Completes a job in a transaction that does nothing else. */
export async function completeIn(pool: pg.Pool, { complete }: AttemptContext): Promise<void> {
  const tx = await pool.connect();
  try {
    await tx.query("begin");
    await complete(tx);
    await tx.query("commit");
  } finally {
    tx.release();
  }
}
